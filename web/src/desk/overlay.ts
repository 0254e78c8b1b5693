// Playhead and loop over a plot: elements that only move, so that playing redraws no canvas.

import type { Timeline } from "./timeline";

export class Overlay {
  readonly element = document.createElement("div");
  protected readonly band = document.createElement("div");
  private readonly playhead = document.createElement("div");
  private width = 0;

  constructor(
    host: HTMLElement,
    protected readonly timeline: Timeline,
  ) {
    this.element.className = "overlay";
    this.band.className = "band";
    this.playhead.className = "playhead";
    this.element.append(this.band, this.playhead);
    host.append(this.element);
    new ResizeObserver(([entry]) => {
      this.width = entry?.contentRect.width ?? 0;
      this.place();
    }).observe(this.element);
  }

  /** Put playhead and loop where the timeline says. */
  place(): void {
    this.move();
    const { loop } = this.timeline;
    this.band.hidden = !loop;
    if (!loop) return;
    const from = this.x(loop[0]);
    this.band.style.transform = `translateX(${from}px)`;
    this.band.style.width = `${Math.max(this.x(loop[1]) - from, 1)}px`;
  }

  /** Put the playhead where the timeline says. */
  move(): void {
    this.playhead.style.transform = `translateX(${this.x(this.timeline.cursorS)}px)`;
  }

  /** Beyond the edges by a width at most: elements far outside would be clipped anyway. */
  private x(second: number): number {
    return Math.min(Math.max(this.timeline.share(second), -1), 2) * this.width;
  }
}
