/** How long JavaScript works on one frame: poses plus the submission of draw calls; the GPU's own time is not in it. */
export class CostMeter {
  readonly #frames = new Float64Array(300); // ms, a ring
  #count = 0;
  #started = 0;
  #open = 0; // ms since the last frame was closed

  /** Start the watch. */
  begin(): void {
    this.#started = performance.now();
  }

  /** Stop the watch; its time belongs to the frame that is being made. */
  end(): void {
    this.#open += performance.now() - this.#started;
  }

  /** The frame is out. */
  close(): void {
    this.#frames[this.#count % this.#frames.length] = this.#open;
    this.#count += 1;
    this.#open = 0;
  }

  /** Frames drawn since the start or `reset`. */
  get frames(): number {
    return this.#count;
  }

  /** Median of the last 300 frames in ms; 0 before the first. */
  get median(): number {
    return this.#quantile(0.5);
  }

  /** 95 of 100 of the last 300 frames took less than this, ms. */
  get high(): number {
    return this.#quantile(0.95);
  }

  reset(): void {
    this.#count = 0;
    this.#open = 0;
  }

  #quantile(part: number): number {
    const kept = Math.min(this.#count, this.#frames.length);
    if (kept === 0) return 0;
    const sorted = this.#frames.slice(0, kept).sort();
    return sorted[Math.min(kept - 1, Math.floor(part * kept))]!;
  }
}
