// One lane: a channel's name, its value at the playhead, its curve in A and B, and how far these are apart.

import { activity, type Difference, difference, STILL, type Tuning, tune, UNTUNED } from "./compare";
import { fresh, type Ink } from "./ink";
import { columns, Pen } from "./pen";
import type { Curve } from "./series";
import type { Timeline } from "./timeline";

/** What a lane shows.
 *
 * region: id of its group
 * scale:  lowest and highest value of the lane
 * unit:   behind a value; "" for weights
 * note:   what a person should know of it, or ""
 * observed: false: a source could not measure it
 */
export interface LaneSource {
  readonly name: string;
  readonly region: string;
  readonly scale: readonly [number, number];
  readonly unit: string;
  readonly note: string;
  readonly observed: boolean;
  readonly a: Curve | null;
  readonly b: Curve | null;
}

/** A lane that fits its curve still shows at least this much of a weight. */
const LEAST_RANGE = 0.1;

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
    public source: LaneSource,
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

  /** Another curve for A. */
  replace(a: Curve | null): void {
    this.source = { ...this.source, a };
    this.apart = this.moved = undefined;
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
    this.tell(this.difference);
    const pen = new Pen(context, tall ? this.extent() : this.source.scale);
    const a = this.source.a && columns(0, this.source.a, timeline.view, context.canvas.width);
    const b = this.source.b && columns(1, this.source.b, timeline.view, context.canvas.width);
    const rests = this.activity < STILL && !this.isTuned;
    pen.baseline(ink.grid);
    if (a && this.isTuned) {
      pen.line(a, ink.ghost);
      for (const side of a) side.forEach((value, x) => (side[x] = tune(value, this.tuning)));
    }
    if (a && b) pen.between(a, b, ink.delta);
    else if (a) pen.area(a, ink["a-soft"]);
    if (b) pen.line(b, ink.b);
    if (a) pen.line(a, rests ? ink.ghost : ink.a);
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

  /** Lowest and highest of what is drawn, with 0 in it for weights. */
  private extent(): readonly [number, number] {
    const { a, b, unit } = this.source;
    const reach = [...(a?.range() ?? []), ...(b?.range() ?? [])];
    const ends = this.isTuned && a ? [...reach, ...a.range().map((value) => this.made(value))] : reach;
    const [low, high] = [Math.min(...ends, unit ? Infinity : 0), Math.max(...ends, unit ? -Infinity : 0)];
    const lack = Math.max((unit ? 1 : LEAST_RANGE) - (high - low), 0); // else noise would look like motion
    return unit ? [low - lack / 2, high + lack / 2] : [low, high + lack];
  }

  private head(select: (name: string) => void): HTMLElement {
    const { name, note, observed, a, b } = this.source;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "gutter name";
    button.title = note ? `${name}: ${note}` : name;
    button.addEventListener("click", () => select(name));
    const label = document.createElement("span");
    label.append(...broken(name));
    label.className = observed ? "label" : "label noted";
    const values = document.createElement("span");
    values.className = "values";
    for (const [slot, curve] of [["a", a], ["b", b]] as const) {
      const value = document.createElement("span");
      value.dataset.slot = slot;
      if (curve) values.append(value);
      this.values.push(value);
    }
    button.append(label, values);
    return button;
  }
}

/** A name that may be broken before its capitals, where a lane is narrow. */
function broken(name: string): Node[] {
  return name.split(/(?=[A-Z])/).flatMap((part) => [document.createElement("wbr"), new Text(part)]);
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
