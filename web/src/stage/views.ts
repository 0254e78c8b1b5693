/** Where the head is looked at from: presets with smooth moves, and an orbit by hand with damping and limits. */
import { MathUtils, PerspectiveCamera, Spherical, Vector3 } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { CAMERAS, FIELD_OF_VIEW_DEG, type CameraName } from "./presets";

const MOVE_MS = 450;
const NARROW = 0.75; // width over height of what a preset must show; a picture narrower than this steps back
const WANDER_M = 0.12; // how far the point that the camera looks at may be dragged away, per axis

interface Place {
  readonly target: Vector3;
  readonly from: Spherical;
}

interface Move {
  readonly start: Place;
  readonly end: Place;
  readonly began_ms: number;
}

export class Views {
  readonly camera = new PerspectiveCamera(FIELD_OF_VIEW_DEG, 1, 0.05, 6);
  readonly #controls: OrbitControls;
  readonly #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #preset: CameraName | null = "front"; // null: somebody turned it by hand
  #move: Move | null = null;
  #whole = 1; // height of the picture over that of its clear part
  #clear = 1; // width over height of the clear part
  #held = false; // by a mouse or a finger

  /** onChange is called when somebody turns, drags or zooms. */
  constructor(canvas: HTMLCanvasElement, onChange: () => void) {
    this.#controls = new OrbitControls(this.camera, canvas);
    this.#controls.enableDamping = true;
    this.#controls.dampingFactor = 0.12;
    this.#controls.minPolarAngle = MathUtils.degToRad(30);
    this.#controls.maxPolarAngle = MathUtils.degToRad(120);
    this.#controls.minDistance = 0.25; // metres
    this.#controls.maxDistance = 2;
    this.#controls.addEventListener("start", () => (this.#held = true));
    this.#controls.addEventListener("end", () => (this.#held = false));
    this.#controls.addEventListener("change", () => {
      if (this.#held) this.#move = this.#preset = null;
      onChange();
    });
    this.show("front", true);
  }

  /** The preset that is shown, or null after a turn by hand. */
  get preset(): CameraName | null {
    return this.#preset;
  }

  /** Go to a preset; `atOnce` without the ride. */
  show(preset: CameraName, atOnce = false): void {
    this.#preset = preset;
    const end = this.#place(preset);
    if (atOnce || this.#calm.matches) {
      this.#move = null;
      this.#stand(end);
      return;
    }
    const target = this.#controls.target.clone();
    const start = { target, from: new Spherical().setFromVector3(this.camera.position.clone().sub(target)) };
    start.from.theta += 2 * Math.PI * Math.round((end.from.theta - start.from.theta) / 2 / Math.PI); // the shorter way
    this.#move = { start, end, began_ms: performance.now() };
  }

  /** The picture's shape, of which a strip at the top lies under other things: presets are framed within the rest. A
   * view by hand stays where it is. All in the same unit. */
  shape(width: number, height: number, covered: number): void {
    const clear = Math.max(height - covered, height / 2);
    this.#whole = height / clear;
    this.#clear = width / clear;
    this.camera.aspect = width / height;
    this.camera.setViewOffset(width, height, 0, (clear - height) / 2, width, height); // the middle moves down
    if (this.#preset && !this.#move) this.show(this.#preset, true);
  }

  /** Move on to this time; true while the camera is still on its way. */
  step(now_ms: number): boolean {
    if (!this.#move) {
      const moved = this.#controls.update();
      if (moved) this.#stayNear();
      return moved;
    }
    const { start, end, began_ms } = this.#move;
    const done = Math.min(1, (now_ms - began_ms) / MOVE_MS);
    const share = MathUtils.smootherstep(done, 0, 1);
    this.#stand({
      target: start.target.clone().lerp(end.target, share),
      from: new Spherical(
        MathUtils.lerp(start.from.radius, end.from.radius, share),
        MathUtils.lerp(start.from.phi, end.from.phi, share),
        MathUtils.lerp(start.from.theta, end.from.theta, share),
      ),
    });
    if (done === 1) this.#move = null;
    return true;
  }

  #place(preset: CameraName): Place {
    const { yaw_deg, pitch_deg, height_m, at } = CAMERAS[preset];
    const seen = height_m * this.#whole * Math.max(1, NARROW / this.#clear);
    const away = seen / 2 / Math.tan(MathUtils.degToRad(FIELD_OF_VIEW_DEG) / 2);
    return {
      target: new Vector3(...at),
      from: new Spherical(away, MathUtils.degToRad(90 - pitch_deg), MathUtils.degToRad(yaw_deg)),
    };
  }

  #stand(place: Place): void {
    this.#controls.target.copy(place.target);
    this.camera.position.setFromSpherical(place.from).add(place.target);
    this.camera.lookAt(place.target);
    this.#controls.update();
  }

  #stayNear(): void {
    const dragged = this.#controls.target.clone();
    const near = this.#controls.target.clampScalar(-WANDER_M, WANDER_M);
    this.camera.position.add(near).sub(dragged);
  }
}
