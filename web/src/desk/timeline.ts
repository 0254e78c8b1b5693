// What stretch of time the desk shows, and which part of it loops. Waveform and lanes share one.

/** The shown stretch, in seconds on the clock of the sound. */
export interface TimeView {
  readonly fromS: number;
  readonly toS: number;
}

export type Range = readonly [number, number];

/** The shortest stretch that can be shown, in seconds: a frame and a half of a video. */
const CLOSEST_S = 0.05;

export class Timeline {
  durationS = 0;
  view: TimeView = { fromS: 0, toS: 1 };
  loop: Range | null = null;
  cursorS = 0;

  /** viewed: the view or the duration changed; looped: the loop changed. */
  constructor(
    private readonly viewed: () => void,
    private readonly looped: () => void,
  ) {}

  /** Begin anew with this many seconds, all of them shown. */
  reset(durationS: number): void {
    this.durationS = Math.max(durationS, 0);
    this.fit();
  }

  fit(): void {
    this.show(0, Math.max(this.durationS, CLOSEST_S));
  }

  /** Show `factor` times as much, with the given second kept where it is. */
  zoom(factor: number, aroundS: number): void {
    const { fromS, toS } = this.view;
    const span = clamp((toS - fromS) * factor, CLOSEST_S, Math.max(this.durationS, CLOSEST_S));
    const share = (aroundS - fromS) / (toS - fromS);
    this.show(aroundS - share * span, aroundS + (1 - share) * span);
  }

  pan(byS: number): void {
    this.show(this.view.fromS + byS, this.view.toS + byS);
  }

  /** Take the playing position; turn the page where it leaves the shown stretch, unless people looked elsewhere. */
  move(cursorS: number): void {
    const followed = this.sees(this.cursorS);
    this.cursorS = cursorS;
    if (!followed || this.sees(cursorS)) return;
    const span = this.view.toS - this.view.fromS;
    this.show(cursorS - span * 0.05, cursorS + span * 0.95); // a little way in from the left
  }

  setLoop(loop: Range | null): void {
    this.loop = loop && [clamp(loop[0], 0, this.durationS), clamp(loop[1], 0, this.durationS)];
    this.looped();
  }

  /** Where a second lies in the view: 0 at its left edge, 1 at its right. */
  share(second: number): number {
    return (second - this.view.fromS) / (this.view.toS - this.view.fromS);
  }

  /** The second at a share of the view, within the recording. */
  second(share: number): number {
    return clamp(this.view.fromS + share * (this.view.toS - this.view.fromS), 0, this.durationS);
  }

  private sees(second: number): boolean {
    return second >= this.view.fromS && second <= this.view.toS;
  }

  private show(fromS: number, toS: number): void {
    const span = toS - fromS;
    const from = clamp(fromS, 0, Math.max(this.durationS - span, 0));
    this.view = { fromS: from, toS: from + span };
    this.viewed();
  }
}

/** Steps of the ruler, in seconds: round numbers for people. */
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/** The smallest round step that leaves at most `most` marks in the view. */
export function rulerStep(view: TimeView, most: number): number {
  const span = view.toS - view.fromS;
  return STEPS.find((step) => span / step <= most) ?? 2 * 3600;
}

/** 75.5 as "1:15.50"; an hour as "1:00:00.00". */
export function clock(seconds: number, digits = 2): string {
  const whole = Math.max(Number(seconds.toFixed(digits)), 0);
  const minutes = Math.floor(whole / 60);
  const rest = (whole - minutes * 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
