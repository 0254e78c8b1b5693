/**
 * Shadows of the key light, as `voxface render` has them (render/gl.py): a small depth map from where the light stands,
 * asked at the vertices only, which is soft and cheap.
 */
import {
  DepthTexture,
  DoubleSide,
  LessEqualCompare,
  LinearFilter,
  Matrix4,
  type Object3D,
  OrthographicCamera,
  type PerspectiveCamera,
  type Scene,
  ShaderMaterial,
  Vector3,
  type WebGLRenderer,
  WebGLRenderTarget,
} from "three";
import { LIGHTS, type LightName, SHADOW } from "./presets";

const DEPTH_VERTEX = /* glsl */ `
  #include <common>
  #include <morphtarget_pars_vertex>
  #include <skinning_pars_vertex>
  void main() {
    #include <skinbase_vertex>
    #include <begin_vertex>
    #include <morphtarget_vertex>
    #include <skinning_vertex>
    #include <project_vertex>
  }`;

/** GLSL for a vertex shader: how much of the key light, 0 to 1, gets to a point of the world with this normal. */
export const LIT = /* glsl */ `
  uniform mat4 sun;
  uniform sampler2DShadow shadows;
  float lit_at(vec3 at, vec3 normal) {
    vec3 asks = (sun * vec4(at + normal * ${SHADOW.off_m}, 1.0)).xyz * 0.5 + 0.5;
    float lit = 0.0;
    for (int i = 0; i < 16; i++)
      lit += texture(shadows, asks + vec3(vec2(i % 4, i / 4) - 1.5, 0.0) * ${SHADOW.step}) / 16.0;
    return lit;
  }`;

export class Shadow {
  /** For materials that include LIT. */
  readonly uniforms = { sun: { value: new Matrix4() }, shadows: { value: new DepthTexture(SHADOW.pixels, SHADOW.pixels) } };
  readonly #sun: OrthographicCamera;
  readonly #from = new Vector3(); // the key light, in the camera's axes
  readonly #depth = new ShaderMaterial({
    vertexShader: DEPTH_VERTEX,
    fragmentShader: "void main() { gl_FragColor = vec4(1.0); }", // WebGL wants a colour
    side: DoubleSide,
  });
  readonly #target: WebGLRenderTarget;

  constructor() {
    const reach = SHADOW.reach_m;
    this.#sun = new OrthographicCamera(-reach, reach, reach, -reach, 0, 2 * reach);
    const map = this.uniforms.shadows.value;
    map.compareFunction = LessEqualCompare;
    map.minFilter = map.magFilter = LinearFilter;
    this.#target = new WebGLRenderTarget(SHADOW.pixels, SHADOW.pixels, { depthTexture: map });
  }

  light(name: LightName): void {
    this.#from.set(...LIGHTS[name].key_from).setLength(SHADOW.reach_m);
  }

  /** Find what the key light reaches, for what is visible in the scene but `behind`. */
  cast(renderer: WebGLRenderer, scene: Scene, camera: PerspectiveCamera, behind: Object3D): void {
    this.#sun.position.copy(this.#from).applyQuaternion(camera.quaternion);
    this.#sun.lookAt(0, 0, 0);
    behind.visible = false;
    scene.overrideMaterial = this.#depth;
    renderer.setRenderTarget(this.#target);
    renderer.render(scene, this.#sun);
    renderer.setRenderTarget(null);
    scene.overrideMaterial = null;
    behind.visible = true;
    this.uniforms.sun.value.multiplyMatrices(this.#sun.projectionMatrix, this.#sun.matrixWorldInverse);
  }
}
