// The sound over time, with a ruler: scrub, zoom, and the two ends of the loop.

import type { Peaks } from "../api";
import { Gesture, type GestureEvents, SHORTEST_LOOP_S } from "./gesture";
import { fresh, type Ink } from "./ink";
import { Overlay } from "./overlay";
import { columns } from "./pen";
import { type Curve, curvesOfPeaks } from "./series";
import { clock, rulerStep, type Timeline } from "./timeline";

const RULER = 20; // CSS pixels
const MARK_APART = 64; // CSS pixels, at least
const FULL_SCALE = 32_768;

export class Waveform {
  private readonly canvas: HTMLCanvasElement;
  private readonly overlay: LoopOverlay;
  private curves: { low: Curve; high: Curve } | null = null;
  private loudest = 1;
  private size = { width: 0, height: 0 };

  /** element: role="slider" with a canvas in it. */
  constructor(
    private readonly element: HTMLElement,
    private readonly timeline: Timeline,
    events: GestureEvents,
    private ink: Ink,
  ) {
    this.canvas = element.querySelector("canvas")!;
    this.overlay = new LoopOverlay(element.parentElement!, timeline, events);
    new Gesture(element, timeline, events, true);
    new ResizeObserver(([entry]) => {
      this.size = entry!.contentRect;
      this.draw();
    }).observe(element);
  }

  setPeaks(peaks: Peaks | null): void {
    this.curves = peaks && curvesOfPeaks(peaks);
    const range = [...(this.curves?.low.range() ?? []), ...(this.curves?.high.range() ?? [])];
    this.loudest = Math.max(...range.map(Math.abs), FULL_SCALE / 50); // quiet speech fills the lane, hiss does not
    this.draw();
  }

  setInk(ink: Ink): void {
    this.ink = ink;
    this.draw();
  }

  place(): void {
    this.overlay.place();
  }

  move(): void {
    this.overlay.move();
  }

  /** Tell the position to people who do not see it. */
  say(): void {
    const { cursorS, durationS } = this.timeline;
    this.element.setAttribute("aria-valuemax", durationS.toFixed(2));
    this.element.setAttribute("aria-valuenow", cursorS.toFixed(2));
    this.element.setAttribute("aria-valuetext", `${clock(cursorS)} of ${clock(durationS)}`);
  }

  draw(): void {
    const context = fresh(this.canvas, this.size.width, this.size.height);
    if (!context) return;
    this.drawRuler(context);
    if (this.curves) this.drawSound(context, this.curves);
  }

  private drawRuler(context: CanvasRenderingContext2D): void {
    const { width, height } = context.canvas;
    const ratio = devicePixelRatio;
    const { view } = this.timeline;
    const step = rulerStep(view, this.size.width / MARK_APART);
    const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
    context.font = `${11 * ratio}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    for (let mark = Math.ceil(view.fromS / step); mark * step <= view.toS; mark++) {
      const x = Math.round(this.timeline.share(mark * step) * width);
      context.fillStyle = this.ink.grid;
      context.fillRect(x, 4 * ratio, Math.max(1, Math.round(ratio)), height);
      context.fillStyle = this.ink.muted;
      const label = clock(mark * step, digits);
      const left = x + 5 * ratio;
      if (left + context.measureText(label).width <= width) context.fillText(label, left, (RULER / 2) * ratio);
    }
  }

  private drawSound(context: CanvasRenderingContext2D, curves: { low: Curve; high: Curve }): void {
    const { width, height } = context.canvas;
    const [lows] = columns(0, curves.low, this.timeline.view, width);
    const [, highs] = columns(1, curves.high, this.timeline.view, width);
    const top = RULER * devicePixelRatio;
    const middle = (top + height) / 2;
    const scale = ((height - top) / 2 - 2 * devicePixelRatio) / this.loudest;
    context.fillStyle = this.ink.wave;
    for (let x = 0; x < width; x++) {
      if (Number.isNaN(lows[x])) continue;
      const high = middle - highs[x]! * scale;
      const low = middle - lows[x]! * scale;
      context.fillRect(x, high, 1, Math.max(low - high, devicePixelRatio));
    }
  }
}

/** Playhead and loop with two handles that can be dragged, or moved by the arrow keys. */
class LoopOverlay extends Overlay {
  private readonly handles: readonly HTMLElement[];

  constructor(host: HTMLElement, timeline: Timeline, events: GestureEvents) {
    super(host, timeline);
    this.handles = ([0, 1] as const).map((end) => this.handle(end, events));
    this.band.append(...this.handles);
  }

  override place(): void {
    super.place();
    const { loop, durationS } = this.timeline;
    this.handles.forEach((handle, end) => {
      handle.setAttribute("aria-valuemax", durationS.toFixed(2));
      handle.setAttribute("aria-valuenow", (loop?.[end] ?? 0).toFixed(2));
      handle.setAttribute("aria-valuetext", clock(loop?.[end] ?? 0));
    });
  }

  private handle(end: 0 | 1, events: GestureEvents): HTMLElement {
    const handle = document.createElement("div");
    handle.className = "handle";
    handle.tabIndex = 0;
    handle.role = "slider";
    handle.setAttribute("aria-valuemin", "0");
    handle.setAttribute("aria-label", end ? "End of the loop" : "Start of the loop");
    const set = (second: number): void => {
      const { loop, durationS } = this.timeline;
      if (!loop) return;
      const other = loop[1 - end]!;
      const bound = end ? Math.max(second, other + SHORTEST_LOOP_S) : Math.min(second, other - SHORTEST_LOOP_S);
      const within = Math.min(Math.max(bound, 0), durationS);
      events.loop(end ? [other, within] : [within, other]);
    };
    handle.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      event.stopPropagation();
      const rect = this.element.getBoundingClientRect();
      set(this.timeline.second((event.clientX - rect.left) / rect.width));
    });
    handle.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key];
      if (steps === undefined || !this.timeline.loop) return;
      event.preventDefault();
      set(this.timeline.loop[end] + steps);
    });
    return handle;
  }
}
