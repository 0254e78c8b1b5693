// How far clip A is from clip B, channel by channel: the numbers beside the lanes.

import type { Curve } from "./series";

/** What the sliders make of a channel: clip01(value * gain + offset). */
export interface Tuning {
  readonly gain: number;
  readonly offset: number;
}

export const UNTUNED: Tuning = { gain: 1, offset: 0 };

export function tune(value: number, { gain, offset }: Tuning): number {
  return Math.min(Math.max(value * gain + offset, 0), 1);
}

/** meanAbs: mean of |A - B|; r: Pearson's correlation, NaN where one of them does not move. */
export interface Difference {
  readonly meanAbs: number;
  readonly r: number;
}

/** Longer clips are looked at in this many evenly spaced frames of A. */
const MOST_FRAMES = 20_000;

/** Over the frames of A within B's time, B linearly between its frames; NaN where they share no time. `made` maps A's
 * values to what is shown. */
export function difference(a: Curve, b: Curve, made: (value: number) => number = (value) => value): Difference {
  const { count, rate, startS } = a.rows;
  const begin = Math.max(0, Math.ceil((b.rows.startS - startS) * rate));
  const end = Math.min(count, 1 + Math.floor((b.endS - startS) * rate));
  const step = Math.max(1, Math.ceil((end - begin) / MOST_FRAMES));
  let [n, gap, sumA, sumB, aa, bb, ab] = [0, 0, 0, 0, 0, 0, 0];
  for (let at = begin; at < end; at += step) {
    const second = startS + at / rate;
    const [x, y] = [made(a.at(second)), b.at(second)];
    gap += Math.abs(x - y);
    [n, sumA, sumB, aa, bb, ab] = [n + 1, sumA + x, sumB + y, aa + x * x, bb + y * y, ab + x * y];
  }
  const [spreadA, spreadB] = [aa - (sumA * sumA) / n, bb - (sumB * sumB) / n];
  const moves = Math.min(spreadA, spreadB) > 1e-9 * n;
  return { meanAbs: gap / n, r: moves ? (ab - (sumA * sumB) / n) / Math.sqrt(spreadA * spreadB) : Number.NaN };
}

/** How much a curve moves: its highest less its lowest value. */
export function activity(curve: Curve): number {
  const [low, high] = curve.range();
  return high - low;
}

/** A channel whose activity is below this is at rest for the eye. */
export const STILL = 0.02;
