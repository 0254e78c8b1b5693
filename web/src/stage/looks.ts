/**
 * How our own head and the background are painted: with the shader and the numbers of `voxface render`, which compile
 * faster and run lighter on phones than a physically based material. Lights stand in the camera's axes.
 */
import {
  DoubleSide,
  FrontSide,
  type IUniform,
  Mesh,
  type PerspectiveCamera,
  PlaneGeometry,
  type Scene,
  ShaderMaterial,
  type Vector2,
  Vector3,
  type WebGLRenderer,
} from "three";
import { LIGHTS, MATERIALS, type LightName, type MaterialName, type Triple } from "./presets";
import { LIT, Shadow } from "./shadow";
import surface from "./surface.glsl?raw";

type Uniforms = Record<string, IUniform>;

const SHOW = /* glsl */ `
  uniform vec4 place;  // of the picture in pixels of the canvas: left, bottom, width, height
  uniform float vignette;
  void show(vec3 colour) {
    vec2 from = (gl_FragCoord.xy - place.xy) / place.zw - 0.5;
    colour *= 1.0 - vignette * smoothstep(0.15, 0.75, dot(from, from) * 1.6);
    float grain = fract(sin(dot(gl_FragCoord.xy, vec2(12.9898, 78.233))) * 43758.5453) - 0.5;
    gl_FragColor = vec4(colour + grain / 255.0, 1.0);  // half a step of noise hides the bands of a soft gradient
  }`;

const VERTEX = /* glsl */ `
  ${LIT}
  #include <common>
  #include <morphtarget_pars_vertex>
  #include <skinning_pars_vertex>
  varying vec3 at, facing, tint;
  varying float lit;
  void main() {
    #include <beginnormal_vertex>
    #include <morphnormal_vertex>
    #include <skinbase_vertex>
    #include <skinnormal_vertex>
    #include <begin_vertex>
    #include <morphtarget_vertex>
    #include <skinning_vertex>
    #include <project_vertex>
    at = (modelMatrix * vec4(transformed, 1.0)).xyz;
    facing = normalize((modelMatrix * vec4(objectNormal, 0.0)).xyz);
    tint = vec3(color);
    lit = lit_at(at, facing);
  }`;

const BACKGROUND = /* glsl */ `
  uniform vec3 top, bottom;
  ${SHOW}
  void main() { show(mix(bottom, top, smoothstep(0.0, 0.9, (gl_FragCoord.y - place.y) / place.w))); }`;

/** Materials of the head's parts and the background, all lit by one set of uniforms. */
export class Looks {
  /** Fills the picture behind everything. */
  readonly background: Mesh;
  readonly #materials: Record<MaterialName, ShaderMaterial>;
  readonly #shared: Uniforms = {};
  readonly #place = new Float32Array(4);
  readonly #shadow = new Shadow();
  readonly #stands = new Map<string, Vector3>(); // directions to the lights in the camera's axes

  constructor() {
    for (const [name, value] of Object.entries(LIGHTS.studio)) {
      this.#shared[name] = { value: typeof value === "number" ? value : new Vector3(...(value as Triple)) };
    }
    Object.assign(this.#shared, this.#shadow.uniforms, { place: { value: this.#place }, eye: { value: new Vector3() } });
    this.#materials = Object.fromEntries(
      Object.keys(MATERIALS).map((name) => [name, this.#material(name as MaterialName)]),
    ) as Record<MaterialName, ShaderMaterial>;
    this.background = new Mesh(
      new PlaneGeometry(2, 2),
      new ShaderMaterial({
        uniforms: this.#shared,
        vertexShader: "void main() { gl_Position = vec4(position.xy, 1.0, 1.0); }",
        fragmentShader: BACKGROUND,
        depthTest: false,
        depthWrite: false,
        toneMapped: false,
      }),
    );
    this.background.frustumCulled = false;
    this.background.renderOrder = -1;
  }

  /** The material of a part of our head, or null where the name is none of ours. */
  of(name: string): ShaderMaterial | null {
    return this.#materials[name as MaterialName] ?? null;
  }

  /** Take a light preset; the background's colours stay the page's unless the light brings its own darkness. */
  light(name: LightName): void {
    this.#shadow.light(name);
    for (const [uniform, value] of Object.entries(LIGHTS[name])) {
      const held = this.#shared[uniform]!;
      if (typeof value === "number") held.value = value;
      else (held.value as Vector3).set(...(value as Triple));
      if (uniform.endsWith("_from")) this.#stands.set(uniform, (held.value as Vector3).clone().normalize());
    }
  }

  /** Lights turn with the camera and throw the shadows of what is visible in the scene; before the picture is drawn. */
  lightUp(renderer: WebGLRenderer, scene: Scene, camera: PerspectiveCamera): void {
    (this.#shared.eye!.value as Vector3).copy(camera.position);
    for (const [uniform, from] of this.#stands) {
      (this.#shared[uniform]!.value as Vector3).copy(from).applyQuaternion(camera.quaternion);
    }
    this.#shadow.cast(renderer, scene, camera, this.background);
  }

  /** Colours of the background, as they are shown, from top to bottom, and how much darker the corners are, 0 to 1. */
  backdrop(top: Triple, bottom: Triple, vignette: number): void {
    (this.#shared.top!.value as Vector3).set(...top);
    (this.#shared.bottom!.value as Vector3).set(...bottom);
    this.#shared.vignette!.value = vignette;
  }

  /** Where the picture lies in the canvas, in pixels of the canvas: left, bottom, and its size. */
  within(left: number, bottom: number, size: Vector2): void {
    this.#place.set([left, bottom, size.x, size.y]);
  }

  #material(name: MaterialName): ShaderMaterial {
    const { wrap, gloss, shine, glint, two_sided } = MATERIALS[name];
    const own = { wrap: { value: new Vector3(...wrap) }, gloss: { value: gloss }, shine: { value: shine } };
    return new ShaderMaterial({
      name,
      uniforms: { ...this.#shared, ...own, glint: { value: glint } },
      vertexShader: VERTEX,
      fragmentShader: SHOW + surface,
      vertexColors: true,
      toneMapped: false,
      side: two_sided ? DoubleSide : FrontSide,
    });
  }
}
