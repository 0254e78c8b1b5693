// Pointer, touch and wheel over a plot of time: scrub, zoom around the pointer, pan, loop by shift-drag.

import type { Range, Timeline } from "./timeline";

export interface GestureEvents {
  seek(second: number): void;
  loop(range: Range | null): void;
}

/** A loop shorter than this is a click, in seconds. */
export const SHORTEST_LOOP_S = 0.03;

/** A finger that moved less than this, in CSS pixels, has not decided for scrubbing. */
const SLOP = 8;

export class Gesture {
  /** Where each pressed pointer is, as a share of the plot's width. */
  private readonly pressed = new Map<number, number>();
  private rect = new DOMRect();
  private loopFromS: number | null = null;
  private undecided = 0; // where a finger went down that may be about to scroll or pinch, in CSS pixels; 0: none

  /** wheelZooms: the bare wheel zooms; else it needs Ctrl, which a pinch on a touch pad sends, too. */
  constructor(
    private readonly plot: HTMLElement,
    private readonly timeline: Timeline,
    private readonly events: GestureEvents,
    private readonly wheelZooms: boolean,
  ) {
    plot.addEventListener("pointerdown", (event) => this.press(event));
    plot.addEventListener("pointermove", (event) => this.drag(event));
    plot.addEventListener("pointerup", (event) => this.lift(event));
    plot.addEventListener("pointercancel", (event) => this.pressed.delete(event.pointerId)); // the list scrolls
    plot.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  private press(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.rect = this.plot.getBoundingClientRect();
    this.plot.setPointerCapture(event.pointerId);
    this.pressed.set(event.pointerId, this.share(event.clientX));
    if (this.pressed.size > 1) return;
    const second = this.timeline.second(this.share(event.clientX));
    this.loopFromS = event.shiftKey ? second : null;
    this.undecided = event.pointerType === "touch" ? event.clientX : 0;
    if (!event.shiftKey && !this.undecided) this.events.seek(second);
  }

  private lift(event: PointerEvent): void {
    if (this.undecided) this.events.seek(this.timeline.second(this.share(event.clientX))); // a tap
    this.undecided = 0;
    this.pressed.delete(event.pointerId);
  }

  private drag(event: PointerEvent): void {
    const before = this.pressed.get(event.pointerId);
    if (before === undefined) return;
    if (this.undecided && Math.abs(event.clientX - this.undecided) < SLOP && this.pressed.size < 2) return;
    this.undecided = 0;
    const now = this.share(event.clientX);
    if (this.pressed.size > 1) this.pinch(event.pointerId, before, now);
    else if (this.loopFromS !== null) this.mark(this.loopFromS, this.timeline.second(now));
    else this.events.seek(this.timeline.second(now));
    this.pressed.set(event.pointerId, now);
  }

  /** Two fingers hold on to the seconds under them. */
  private pinch(id: number, before: number, now: number): void {
    const other = [...this.pressed].find(([pointer]) => pointer !== id)?.[1];
    if (other === undefined) return;
    const span = this.timeline.view.toS - this.timeline.view.fromS;
    const held = this.timeline.view.fromS + other * span;
    const [wide, narrow] = [Math.abs(now - other), Math.abs(before - other)];
    if (Math.min(wide, narrow) > 0.02) this.timeline.zoom(narrow / wide, held);
    else this.timeline.pan((before - now) * span);
  }

  private mark(fromS: number, toS: number): void {
    const long = Math.abs(toS - fromS) >= SHORTEST_LOOP_S;
    this.events.loop(long ? [Math.min(fromS, toS), Math.max(fromS, toS)] : null);
  }

  private wheel(event: WheelEvent): void {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    const pans = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!pans && !this.wheelZooms && !event.ctrlKey) return; // the list scrolls
    event.preventDefault();
    this.rect = this.plot.getBoundingClientRect();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 32 : 1; // pixels
    const { fromS, toS } = this.timeline.view;
    if (pans) this.timeline.pan(((sideways * unit) / this.rect.width) * (toS - fromS));
    else this.timeline.zoom(2 ** ((event.deltaY * unit) / 240), fromS + this.share(event.clientX) * (toS - fromS));
  }

  private share(clientX: number): number {
    return (clientX - this.rect.left) / Math.max(this.rect.width, 1);
  }
}
