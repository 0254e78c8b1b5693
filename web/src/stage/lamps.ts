/**
 * Light for heads that somebody else made, with physically based materials: the same key, fill, rim and room as in
 * looks.ts as three's lights, and a small room of glowing panels for what mirrors. All of it stands in the camera's axes.
 */
import {
  BackSide,
  BoxGeometry,
  type Camera,
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
import { LIGHTS, type LightName } from "./presets";

const LAMBERT = Math.PI; // three divides diffuse light by pi, looks.ts does not
const MIRRORED = 0.35; // how bright the room of panels is beside the lamps

const PARTS = ["key", "fill", "rim"] as const;

export class Lamps {
  readonly group = new Group();
  /** Belongs into the scene, besides `group`. */
  readonly room = new HemisphereLight();
  readonly #lamps = { key: new DirectionalLight(), fill: new DirectionalLight(), rim: new DirectionalLight() };
  readonly #mirrored = new Scene();
  readonly #panels = { key: glowing(), fill: glowing(), rim: glowing() };
  readonly #walls = new Mesh(new BoxGeometry(10, 10, 10), new MeshBasicMaterial({ side: BackSide }));
  #baked: WebGLRenderTarget | null = null;

  constructor() {
    for (const lamp of Object.values(this.#lamps)) this.group.add(lamp, lamp.target);
    this.#mirrored.add(this.#walls, ...Object.values(this.#panels));
  }

  light(name: LightName): void {
    const preset = LIGHTS[name];
    for (const part of PARTS) {
      const [lamp, panel] = [this.#lamps[part], this.#panels[part]];
      lamp.color.setRGB(...preset[part]);
      lamp.intensity = LAMBERT;
      lamp.position.set(...preset[`${part}_from`]);
      panel.position.copy(lamp.position).setLength(4);
      panel.lookAt(0, 0, 0);
      panel.material.color.copy(lamp.color).multiplyScalar(4);
    }
    this.room.color.setRGB(...preset.above);
    this.room.groundColor.setRGB(...preset.below);
    this.room.intensity = LAMBERT;
    this.#walls.material.color.copy(this.room.color).lerp(this.room.groundColor, 0.5);
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
}

function glowing(): Mesh<PlaneGeometry, MeshBasicMaterial> {
  return new Mesh(new PlaneGeometry(2.2, 3), new MeshBasicMaterial());
}
