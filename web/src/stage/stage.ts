/** The stage: one canvas on which one head, or two side by side, take poses. It draws only when something changed. */
import { ACESFilmicToneMapping, type Material, type Mesh, Scene, Texture, Vector2, WebGLRenderer } from "three";
import { CostMeter } from "./cost";
import { type HeadReport, openHead } from "./heads";
import type { HeadPose } from "./headpose";
import { Labels } from "./labels";
import { Lamps } from "./lamps";
import { Looks } from "./looks";
import { type CameraName, type LightName, LIGHTS, type Triple } from "./presets";
import type { Puppet } from "./puppet";
import { Views } from "./views";

export type { HeadReport } from "./heads";
export type { CameraName, LightName } from "./presets";

export type Slot = 0 | 1;

const NO_WEBGL = "This browser shows no 3-D picture: WebGL 2 is missing or switched off. Curves and sound still work.";
const LOST = "The graphics card took the picture away. Curves and sound go on; the head comes back by itself.";
const FINEST = 2; // device pixels per pixel of the page; more costs much and shows little

/** A head in one of the two slots. */
interface Held {
  readonly puppet: Puppet;
  readonly foreign: boolean;
}

export class Stage {
  readonly cost = new CostMeter();
  /** A frame is wanted: call `draw` at the next animation frame. Unless replaced, the stage does so itself. */
  onChange: () => void = () => requestAnimationFrame(() => this.draw());
  /** The picture is gone, with a sentence for people; `onRestored` when it is back. */
  onLost: (text: string) => void = () => undefined;
  onRestored: () => void = () => undefined;

  readonly #canvas: HTMLCanvasElement;
  readonly #renderer: WebGLRenderer | null;
  readonly #scene = new Scene();
  readonly #looks = new Looks();
  readonly #lamps = new Lamps();
  readonly #views: Views;
  readonly #labels: Labels;
  readonly #size = new Vector2(1, 1); // of one picture, pixels of the canvas
  #held: [Held | null, Held | null] = [null, null];
  #twin = true; // slot 1 shows the head of slot 0
  #light: LightName = "studio";
  #comparing = false;
  #stacked = false; // two pictures one above the other: the canvas is tall
  #changed = true;
  #lost = false;

  /** The page continues where there is no WebGL 2: `problem` then says so, and drawing does nothing. */
  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#renderer = rendererOn(canvas);
    this.#views = new Views(canvas, () => this.#wake());
    this.#labels = new Labels(canvas);
    this.#scene.add(this.#looks.background, this.#lamps.group, this.#lamps.room);
    canvas.addEventListener("webglcontextlost", this.#lose);
    canvas.addEventListener("webglcontextrestored", this.#restore);
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.light("studio");
    this.resize();
  }

  /** Why there is no picture, for people; null while there is one. */
  get problem(): string | null {
    if (!this.#renderer) return NO_WEBGL;
    return this.#lost ? LOST : null;
  }

  /** The camera preset that is shown; null after a turn by hand. */
  get view(): CameraName | null {
    return this.#views.preset;
  }

  /**
   * Put a head into a slot. Slot 1 shows the head of slot 0 until it is given one of its own.
   *
   * @throws HeadError: what is wrong with the file
   */
  async load(glb: ArrayBuffer, slot: Slot): Promise<HeadReport> {
    const { puppet, report, foreign } = await openHead(glb, this.#looks);
    this.#put(slot, { puppet, foreign });
    if (slot === 1) this.#twin = false;
    if (this.#twin) this.#put(1, null);
    if (this.#comparing) this.#double();
    await this.#prepare();
    this.#wake();
    return report;
  }

  /** Weights of channels, in [0, 1], and the head's turn for one slot; shown by the next `draw`. */
  pose(slot: Slot, channels: readonly string[], values: ArrayLike<number>, head: HeadPose | null): void {
    const held = this.#held[slot];
    if (!held) return;
    this.cost.begin();
    if (held.puppet.pose(channels, values)) this.#changed = true;
    if (held.puppet.turn(head)) this.#changed = true;
    this.cost.end();
  }

  camera(preset: CameraName): void {
    this.#views.show(preset);
    this.#wake();
  }

  light(preset: LightName): void {
    this.#light = preset;
    if (this.#renderer) this.#renderer.toneMappingExposure = 0.85 * LIGHTS[preset].exposure; // by eye
    this.#looks.light(preset);
    this.#lamps.light(preset);
    this.#dress();
  }

  /** Call after the page changed between dark and light: the background takes the page's colours. */
  theme(): void {
    this.#dress();
  }

  /** Two pictures side by side (one above the other on a tall canvas) from one camera, each with its label. */
  compare(on: boolean, labels: readonly [string, string] = ["A", "B"]): void {
    this.#comparing = on;
    if (on) this.#double();
    this.#labels.show(on ? labels : null);
    this.resize();
  }

  /** Take the canvas's size on the page; called by itself when that changes. */
  resize(): void {
    const [width, height] = pixelsOf(this.#canvas);
    this.#stacked = height > 1.4 * width; // a head is higher than wide
    const same = this.#canvas.width === width && this.#canvas.height === height;
    if (!same) this.#renderer?.setSize(width, height, false);
    this.#size.set(width, height);
    if (this.#comparing) this.#stacked ? (this.#size.y >>= 1) : (this.#size.x >>= 1);
    this.#labels.place(this.#stacked);
    const covered = Number.parseFloat(getComputedStyle(this.#canvas).getPropertyValue("--stage-covered")) || 0; // px
    this.#views.shape(this.#size.x, this.#size.y, covered * (height / Math.max(1, this.#canvas.clientHeight)));
    this.#changed = true;
    this.draw(); // at once: a canvas is empty after its size changed
  }

  /** Draw if anything changed since the last time; true if it did. The page shows through until there is a head. */
  draw(): boolean {
    if (!this.#renderer || this.#lost || !this.#held[0]) return false;
    this.cost.begin();
    const moving = this.#views.step(performance.now());
    const drawn = moving || this.#changed;
    if (drawn) this.#render(this.#renderer);
    this.#changed = false;
    this.cost.end();
    if (drawn) this.cost.close();
    if (moving) this.onChange();
    return drawn;
  }

  /** The next `draw` draws, and somebody calls it. */
  #wake(): void {
    this.#changed = true;
    this.onChange();
  }

  /** The picture as a PNG, as it is now. */
  async picture(): Promise<Blob> {
    this.#changed = true;
    if (!this.draw()) throw new Error(this.problem ?? "There is no picture.");
    const blob = await new Promise<Blob | null>((done) => this.#canvas.toBlob(done)); // same task: still in the buffer
    if (!blob) throw new Error("The browser made no PNG of the picture.");
    return blob;
  }

  #render(renderer: WebGLRenderer): void {
    const camera = this.#views.camera;
    this.#lamps.follow(camera);
    const pictures = this.#comparing ? 2 : 1;
    renderer.setScissorTest(pictures > 1);
    for (let slot = 0; slot < pictures; slot++) {
      const left = this.#stacked ? 0 : slot * this.#size.x;
      const bottom = this.#stacked ? (pictures - 1 - slot) * this.#size.y : 0;
      this.#held.forEach((held, at) => held && (held.puppet.root.visible = at === slot));
      if (this.#held[slot]?.foreign === false) this.#looks.lightUp(renderer, this.#scene, camera);
      renderer.setViewport(left, bottom, this.#size.x, this.#size.y);
      renderer.setScissor(left, bottom, this.#size.x, this.#size.y);
      this.#looks.within(left, bottom, this.#size);
      renderer.render(this.#scene, camera);
    }
  }

  #put(slot: Slot, held: Held | null): void {
    const before = this.#held[slot];
    if (before) this.#scene.remove(before.puppet.root);
    this.#held[slot] = held;
    if (held) this.#scene.add(held.puppet.root);
    if (before && !this.#held.some((other) => other && sameGeometry(other.puppet, before.puppet))) discard(before);
  }

  /** Give slot 1 the head of slot 0, unless it has one of its own. */
  #double(): void {
    const first = this.#held[0];
    if (first && this.#twin && !this.#held[1]) this.#put(1, { ...first, puppet: first.puppet.twin() });
  }

  /** Compile shaders before the first picture needs them. */
  async #prepare(): Promise<void> {
    if (!this.#renderer || this.#lost) return;
    if (this.#held.some((held) => held?.foreign)) this.#lamps.mirror(this.#renderer, this.#scene);
    const parallel = this.#renderer.getContext().getExtension("KHR_parallel_shader_compile");
    if (parallel) await this.#renderer.compileAsync(this.#scene, this.#views.camera);
    else this.#renderer.compile(this.#scene, this.#views.camera); // three would warn, and wait for nothing
  }

  #dress(): void {
    const own = this.#light === "dark"; // the one light that brings its own darkness
    const preset = LIGHTS[this.#light];
    const colour = (token: string, otherwise: Triple) => (own ? null : shown(token, this.#canvas)) ?? otherwise;
    const top = colour("--stage-top", preset.top);
    this.#looks.backdrop(top, colour("--stage-bottom", preset.bottom), top[1] < 0.5 ? preset.vignette : 0);
    if (this.#renderer && !this.#lost && this.#held.some((held) => held?.foreign)) {
      this.#lamps.mirror(this.#renderer, this.#scene);
    }
    this.#wake();
  }

  readonly #lose = (event: Event): void => {
    event.preventDefault(); // else the browser never gives it back
    this.#lost = true;
    this.#lamps.forget(); // now: what belongs to the old context cannot be freed in the new one
    this.onLost(LOST);
  };

  readonly #restore = (): void => {
    this.#lost = false; // three has put everything else in place again
    this.#dress();
    this.onRestored();
  };
}

/** Pixels that the canvas should have for its size on the page: width, height. */
function pixelsOf(canvas: HTMLCanvasElement): [number, number] {
  const ratio = Math.min(devicePixelRatio, FINEST);
  const pixels = (length: number) => Math.max(1, Math.round(length * ratio));
  return [pixels(canvas.clientWidth), pixels(canvas.clientHeight)];
}

/** Null where there is no WebGL 2; three itself would complain on the console. */
function rendererOn(canvas: HTMLCanvasElement): WebGLRenderer | null {
  [canvas.width, canvas.height] = pixelsOf(canvas); // before there are buffers that would have to change with it
  const context = canvas.getContext("webgl2", { antialias: true, powerPreference: "low-power" });
  if (!context) return null;
  const renderer = new WebGLRenderer({ canvas, context, antialias: true });
  renderer.debug.checkShaderErrors = import.meta.env.DEV; // asking waits for the compiler
  renderer.toneMapping = ACESFilmicToneMapping; // of foreign heads; looks.ts has its own
  return renderer;
}

/** A colour of the page's style sheet as it is shown there, or null where the page has none by this name. */
function shown(token: string, element: HTMLElement): Triple | null {
  const style = getComputedStyle(element);
  if (!style.getPropertyValue(token)) return null;
  const before = element.style.color;
  element.style.color = `var(${token})`; // only a real property is resolved, through light-dark() and the like
  const [red, green, blue] = style.color.match(/[\d.]+/g)?.map((part) => Number(part) / 255) ?? [];
  element.style.color = before;
  return blue === undefined ? null : [red!, green!, blue];
}

function meshesOf(puppet: Puppet): Mesh[] {
  const meshes: Mesh[] = [];
  puppet.root.traverse((object) => (object as Mesh).isMesh && meshes.push(object as Mesh));
  return meshes;
}

function sameGeometry(one: Puppet, other: Puppet): boolean {
  return meshesOf(one)[0]?.geometry === meshesOf(other)[0]?.geometry;
}

/** Free a head that nobody shows any more; the materials of our own head stay. */
function discard({ puppet, foreign }: Held): void {
  for (const mesh of meshesOf(puppet)) {
    mesh.geometry.dispose();
    if (foreign) [mesh.material].flat().forEach(discardMaterial);
  }
}

function discardMaterial(material: Material): void {
  for (const value of Object.values(material)) if (value instanceof Texture) value.dispose();
  material.dispose();
}
