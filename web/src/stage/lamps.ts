/**
 * Light for heads that somebody else made, with physically based materials: the same key, fill, rim and room as in
 * looks.ts as three's lights, and a small room of glowing panels for what mirrors. All of it stands in the camera's axes.
 */
import {
  BackSide,
  BoxGeometry,
  type Camera,
  Color,
  DirectionalLight,
  Group,
  HemisphereLight,
  Mesh,
  MeshBasicMaterial,
  PlaneGeometry,
  PMREMGenerator,
  Scene,
  type WebGLRenderer,
  type WebGLRenderTarget,
} from "three";
import { LIGHTS, type LightName, type Triple } from "./presets";

const LAMBERT = Math.PI; // three divides diffuse light by pi, looks.ts does not
const MIRRORED = 0.35; // how bright the room of panels is beside the lamps

export class Lamps {
  readonly group = new Group();
  readonly #key = new DirectionalLight();
  readonly #fill = new DirectionalLight();
  readonly #rim = new DirectionalLight();
  readonly #room = new HemisphereLight();
  readonly #mirrored = new Scene();
  readonly #panels: Record<"key" | "fill" | "rim", Mesh<PlaneGeometry, MeshBasicMaterial>>;
  readonly #walls = new Mesh(new BoxGeometry(10, 10, 10), new MeshBasicMaterial({ side: BackSide }));
  #baked: WebGLRenderTarget | null = null;

  constructor() {
    this.group.add(this.#key, this.#fill, this.#rim);
    for (const lamp of [this.#key, this.#fill, this.#rim]) this.group.add(lamp.target);
    const panel = () => new Mesh(new PlaneGeometry(2.2, 3), new MeshBasicMaterial());
    this.#panels = { key: panel(), fill: panel(), rim: panel() };
    this.#mirrored.add(this.#walls, ...Object.values(this.#panels));
  }

  /** What belongs into the scene, besides `group`. */
  get room(): HemisphereLight {
    return this.#room;
  }

  light(name: LightName): void {
    const preset = LIGHTS[name];
    const set = (lamp: DirectionalLight, colour: Triple, from: Triple, part: "key" | "fill" | "rim") => {
      lamp.color.setRGB(...(colour as [number, number, number]));
      lamp.intensity = LAMBERT;
      lamp.position.set(...(from as [number, number, number]));
      this.#panels[part].position.copy(lamp.position).setLength(4);
      this.#panels[part].lookAt(0, 0, 0);
      this.#panels[part].material.color.copy(lamp.color).multiplyScalar(4);
    };
    set(this.#key, preset.key, preset.key_from, "key");
    set(this.#fill, preset.fill, preset.fill_from, "fill");
    set(this.#rim, preset.rim, preset.rim_from, "rim");
    this.#room.color.setRGB(...(preset.above as [number, number, number]));
    this.#room.groundColor.setRGB(...(preset.below as [number, number, number]));
    this.#room.intensity = LAMBERT;
    this.#walls.material.color.copy(this.#room.color).lerp(new Color(this.#room.groundColor), 0.5);
    this.forget();
  }

  /** Turn with the camera. */
  follow(camera: Camera): void {
    this.group.quaternion.copy(camera.quaternion);
  }

  /** Bake the panels for mirrors, once per light preset; after a lost context `forget` first. */
  mirror(renderer: WebGLRenderer, scene: Scene): void {
    if (!this.#baked) {
      const generator = new PMREMGenerator(renderer);
      this.#baked = generator.fromScene(this.#mirrored, 0.02, 0.1, 20, { size: 128 });
      generator.dispose();
    }
    scene.environment = this.#baked.texture;
    scene.environmentIntensity = MIRRORED;
  }

  /** Drop what was baked. */
  forget(): void {
    this.#baked?.dispose();
    this.#baked = null;
  }

  dispose(): void {
    this.forget();
    for (const mesh of [this.#walls, ...Object.values(this.#panels)]) {
      mesh.geometry.dispose();
      mesh.material.dispose();
    }
    for (const lamp of [this.#key, this.#fill, this.#rim, this.#room]) lamp.dispose();
  }
}
