// One lane: a channel's name, its value at the playhead, its curve in A and B, and how far these are apart.

import { activity, type Difference, difference, STILL, type Tuning, tune, UNTUNED } from "./compare";
import { fresh, type Ink } from "./ink";
import type { Curve } from "./series";
import type { Timeline } from "./timeline";

/** What a lane shows.
 *
 * region: id of its group
 * scale:  lowest and highest value of the lane
 * unit:   behind a value; "" for weights
 * note:   why the curve means little, or ""
 */
export interface LaneSource {
  readonly name: string;
  readonly region: string;
  readonly scale: readonly [number, number];
  readonly unit: string;
  readonly note: string;
  readonly a: Curve | null;
  readonly b: Curve | null;
}

/** A lane that fits its curve still shows at least this much of a weight. */
const LEAST_RANGE = 0.1;

/** Buffers that all lanes share: lowest and highest value per pixel column of A, of A untuned, of B. */
const columns = { width: 0, buffers: [] as Float32Array[] };

function buffer(index: number, width: number): Float32Array {
  if (columns.width !== width) {
    columns.width = width;
    columns.buffers = Array.from({ length: 6 }, () => new Float32Array(width));
  }
  return columns.buffers[index]!;
}

export class Lane {
  readonly element = document.createElement("div");
  /** Its row is on the screen, as the list has observed. */
  visible = false;
  private tuning: Tuning = UNTUNED;
  private apart: Difference | null | undefined; // undefined: not looked at yet, since long clips take their time
  private moved: number | undefined;
  private readonly canvas = document.createElement("canvas");
  private readonly values: HTMLElement[] = [];
  private readonly stats = document.createElement("span");

  constructor(
    readonly source: LaneSource,
    select: (name: string) => void,
  ) {
    this.element.className = "lane lane-grid";
    this.element.dataset.channel = source.name;
    this.element.append(this.head(select), this.canvas, this.stats);
    this.canvas.className = "plot";
    this.stats.className = "stats";
  }

  /** How far A, as shown, is from B; null without one of them. */
  get difference(): Difference | null {
    if (this.apart === undefined) this.apart = this.compare();
    return this.apart;
  }

  /** The larger reach of A and B. */
  get activity(): number {
    const { a, b } = this.source;
    return (this.moved ??= Math.max(a ? activity(a) : 0, b ? activity(b) : 0));
  }

  /** What the sliders make of A; false where nothing changed. */
  setTuning(tuning: Tuning): boolean {
    if (tuning.gain === this.tuning.gain && tuning.offset === this.tuning.offset) return false;
    this.tuning = tuning;
    this.element.classList.toggle("tuned", this.isTuned);
    this.apart = undefined;
    return true;
  }

  /** Write the values at a time. */
  read(second: number): void {
    const { a, b, unit } = this.source;
    [a, b].forEach((curve, slot) => {
      const cell = this.values[slot];
      if (!curve || !cell) return;
      const value = slot ? curve.at(second) : this.made(curve.at(second));
      const text = Number.isNaN(value) ? "–" : shown(value, unit ? 1 : 2) + unit;
      if (cell.textContent !== text) cell.textContent = text;
    });
  }

  /** tall: the curve fills the lane, whatever its values. */
  draw(timeline: Timeline, ink: Ink, size: { width: number; height: number }, tall: boolean): void {
    const context = fresh(this.canvas, size.width, size.height);
    if (!context) return;
    const { a, b } = this.source;
    this.tell(this.difference);
    const pen = new Pen(context, tall ? this.extent() : this.source.scale);
    pen.baseline(ink.grid);
    const curveA = a && this.columns(a, timeline, 0, context.canvas.width);
    const curveB = b && this.columns(b, timeline, 4, context.canvas.width);
    if (curveA && this.isTuned) {
      const before = [buffer(2, context.canvas.width), buffer(3, context.canvas.width)] as const;
      before[0].set(curveA[0]);
      before[1].set(curveA[1]);
      for (const side of curveA) side.forEach((value, x) => (side[x] = tune(value, this.tuning)));
      pen.line(before, ink.ghost);
    }
    if (curveA && curveB) pen.between(curveA, curveB, ink.delta);
    else if (curveA) pen.area(curveA, ink["a-soft"]);
    if (curveB) pen.line(curveB, ink.b);
    const rests = this.activity < STILL && !this.isTuned;
    if (curveA) pen.line(curveA, rests ? ink.ghost : ink.a);
    if (tall && !rests) pen.top(ink.ghost);
  }

  private get isTuned(): boolean {
    return this.tuning.gain !== 1 || this.tuning.offset !== 0;
  }

  private made(value: number): number {
    return this.isTuned ? tune(value, this.tuning) : value;
  }

  private compare(): Difference | null {
    const { a, b } = this.source;
    return a && b && difference(a, b, (value) => this.made(value));
  }

  /** Write the difference beside the curve. */
  private tell(result: Difference | null): void {
    if (!result) return;
    const { unit } = this.source;
    const r = Number.isNaN(result.r) ? "–" : result.r.toFixed(2).replace("0.", ".").replace("-", "−");
    const gap = Number.isNaN(result.meanAbs) ? "–" : result.meanAbs.toFixed(unit ? 1 : 3).replace(/^0\./, ".");
    this.stats.replaceChildren(cell("Δ", gap), cell("r", r));
    this.stats.title = `mean |A − B| ${gap}${unit}, correlation ${r}`;
  }

  private columns(curve: Curve, timeline: Timeline, first: number, width: number): [Float32Array, Float32Array] {
    const pair: [Float32Array, Float32Array] = [buffer(first, width), buffer(first + 1, width)];
    curve.columns(timeline.view, ...pair);
    return pair;
  }

  /** Lowest and highest of what is drawn, with 0 in it for weights. */
  private extent(): readonly [number, number] {
    const { a, b, unit } = this.source;
    const ends = [a, b].flatMap((curve, slot) => curve?.range().map((value) => (slot ? value : this.made(value))) ?? []);
    const [low, high] = [Math.min(...ends, unit ? Infinity : 0), Math.max(...ends, unit ? -Infinity : 0)];
    const lack = Math.max((unit ? 1 : LEAST_RANGE) - (high - low), 0); // else noise would look like motion
    return unit ? [low - lack / 2, high + lack / 2] : [low, high + lack];
  }

  private head(select: (name: string) => void): HTMLElement {
    const { name, note, a, b } = this.source;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "gutter name";
    button.title = note ? `${name}: ${note}` : name;
    button.addEventListener("click", () => select(name));
    const label = document.createElement("span");
    label.textContent = name;
    label.className = note ? "label noted" : "label";
    const values = document.createElement("span");
    values.className = "values";
    for (const curve of [a, b]) {
      const value = document.createElement("span");
      if (curve) values.append(value);
      this.values.push(value);
    }
    button.append(label, values);
    return button;
  }
}

/** Rounded, without the minus of -0.0. */
function shown(value: number, digits: number): string {
  return (Number(value.toFixed(digits)) || 0).toFixed(digits).replace("-", "−");
}

function cell(label: string, text: string): HTMLElement {
  const row = document.createElement("span");
  const name = document.createElement("i");
  name.textContent = label;
  row.append(name, text);
  return row;
}

type Columns = readonly [Float32Array, Float32Array];

/** Draws columns of lowest and highest values into a lane. */
class Pen {
  private readonly height: number;
  private readonly thick = Math.max(1, 0.9 * devicePixelRatio);

  constructor(
    private readonly context: CanvasRenderingContext2D,
    private readonly scale: readonly [number, number],
  ) {
    this.height = context.canvas.height;
    context.lineJoin = "round";
    context.lineWidth = this.thick;
  }

  baseline(colour: string): void {
    const [low, high] = this.scale;
    const y = Math.round(this.y(low <= 0 && high >= 0 ? 0 : low));
    this.context.fillStyle = colour;
    this.context.fillRect(0, y, this.context.canvas.width, Math.max(1, Math.round(devicePixelRatio)));
  }

  /** The value of the lane's upper edge. */
  top(colour: string): void {
    const { context } = this;
    context.font = `${9.5 * devicePixelRatio}px system-ui, sans-serif`;
    context.textBaseline = "top";
    context.textAlign = "right";
    context.fillStyle = colour;
    const high = this.scale[1];
    context.fillText(high.toFixed(high < 1 ? 2 : high < 10 ? 1 : 0), context.canvas.width, 0);
  }

  /** The curve itself: what lies between lowest and highest, with a rim. */
  line([lows, highs]: Columns, colour: string): void {
    this.shape(highs, lows);
    this.context.fillStyle = this.context.strokeStyle = colour;
    this.context.fill();
    this.context.stroke();
  }

  /** From the curve down to zero. */
  area([, highs]: Columns, colour: string): void {
    this.shape(highs, null);
    this.context.fillStyle = colour;
    this.context.fill();
  }

  /** What lies between the middles of two curves. */
  between(a: Columns, b: Columns, colour: string): void {
    const { context } = this;
    context.fillStyle = colour;
    for (let x = 0; x < a[0].length; x++) {
      const one = this.y((a[0][x]! + a[1][x]!) / 2);
      const other = this.y((b[0][x]! + b[1][x]!) / 2);
      if (!Number.isNaN(one + other)) context.fillRect(x, Math.min(one, other), 1, Math.abs(one - other));
    }
  }

  /** The outline along `top` and back along `bottom`, or along zero; columns without values are left out. */
  private shape(top: Float32Array, bottom: Float32Array | null): void {
    const { context } = this;
    const zero = this.y(Math.max(this.scale[0], 0));
    let [first, last] = [-1, -1];
    for (let x = 0; x < top.length; x++) {
      if (Number.isNaN(top[x])) continue;
      if (first < 0) first = x;
      last = x;
    }
    context.beginPath();
    if (first < 0) return;
    for (let x = first; x <= last; x++) context.lineTo(x + 0.5, this.y(top[x]!));
    for (let x = last; x >= first; x--) context.lineTo(x + 0.5, bottom ? this.y(bottom[x]!) : zero);
    context.closePath();
  }

  private y(value: number): number {
    const [low, high] = this.scale;
    const room = this.height - 2 * this.thick;
    return this.thick + room * (1 - (value - low) / (high - low));
  }
}
