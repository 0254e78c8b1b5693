// A curve over time and its lowest and highest values per block, so that an hour is drawn as fast as a second.

import type { Peaks } from "../api";
import type { Clip } from "../clip";
import type { TimeView } from "./timeline";

/** One row of numbers in an array that may hold others between them: value k is data[first + k * stride], scaled. */
export interface Series {
  readonly data: Float32Array | Int16Array;
  readonly first: number;
  readonly stride: number;
  readonly count: number;
  /** Values per second; value k stands at startS + k / rate. */
  readonly rate: number;
  readonly startS: number;
}

/** Values per block: the levels of a curve take 2 / 15 of its own memory. */
const BLOCK = 16;

/** Lowest and highest value of each block of values, or of blocks of the level below. */
interface Level {
  readonly lows: Float32Array;
  readonly highs: Float32Array;
}

export class Curve {
  private levels: Level[] | null = null; // built when first a long stretch is asked for

  constructor(readonly series: Series) {}

  static ofChannel(clip: Clip, column: number): Curve {
    const { weights: data, frames: count, fps: rate, startS } = clip;
    return new Curve({ data, first: column, stride: clip.channels.length, count, rate, startS });
  }

  /** Value at a time, linearly between its neighbours; NaN for a curve without values. */
  at(second: number): number {
    const { count, rate, startS } = this.series;
    if (!count) return Number.NaN;
    const place = Math.min(Math.max((second - startS) * rate, 0), count - 1);
    const low = Math.floor(place);
    const share = place - low;
    return this.value(low) * (1 - share) + this.value(Math.min(low + 1, count - 1)) * share;
  }

  /** The second of the last value. */
  get endS(): number {
    return this.series.startS + (this.series.count - 1) / this.series.rate;
  }

  /** Lowest and highest value of all; [0, 0] for a curve without values. */
  range(): [number, number] {
    return this.series.count ? this.extent(0, this.series.count) : [0, 0];
  }

  /**
   * Lowest and highest value under each of `lows.length` columns of the view, both ends of neighbouring columns joined
   * by the line between values; NaN where the curve has none.
   */
  columns(view: TimeView, lows: Float32Array, highs: Float32Array): void {
    const { count, rate, startS } = this.series;
    const width = lows.length;
    const step = ((view.toS - view.fromS) / width) * rate;
    const origin = (view.fromS - startS) * rate;
    for (let x = 0; x < width; x++) {
      const from = origin + x * step;
      const to = from + step;
      if (!count || to <= 0 || from > count - 1) {
        lows[x] = highs[x] = Number.NaN;
        continue;
      }
      this.column(Math.max(from, 0), Math.min(to, count - 1), x, lows, highs);
    }
  }

  /** Between places `from` and `to` (fractions of a value): what stands between, and the line's ends at both. */
  private column(from: number, to: number, x: number, lows: Float32Array, highs: Float32Array): void {
    const left = this.between(from);
    const right = this.between(to);
    let low = Math.min(left, right);
    let high = Math.max(left, right);
    const inner = Math.ceil(from);
    const end = Math.floor(to) + 1;
    if (inner < end) {
      const [lowest, highest] = this.extent(inner, end);
      low = Math.min(low, lowest);
      high = Math.max(high, highest);
    }
    lows[x] = low;
    highs[x] = high;
  }

  private between(place: number): number {
    const low = Math.floor(place);
    const share = place - low;
    const value = this.value(low);
    return share ? value * (1 - share) + this.value(low + 1) * share : value;
  }

  /** Lowest and highest of values begin … end - 1 (at least one): coarse blocks inside, finer ones at both ends. */
  private extent(begin: number, end: number): [number, number] {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    const levels = end - begin > 2 * BLOCK ? (this.levels ??= this.build()) : [];
    let level = -1; // the values themselves
    const take = (from: number, to: number): void => {
      for (let at = from; at < to; at++) {
        const block = levels[level];
        low = Math.min(low, block ? block.lows[at]! : this.value(at));
        high = Math.max(high, block ? block.highs[at]! : this.value(at));
      }
    };
    while (level + 1 < levels.length && end - begin > 2 * BLOCK) {
      const inner = Math.ceil(begin / BLOCK);
      const last = Math.floor(end / BLOCK);
      take(begin, inner * BLOCK);
      take(last * BLOCK, end);
      [begin, end, level] = [inner, last, level + 1];
    }
    take(begin, end);
    return [low, high];
  }

  private build(): Level[] {
    const levels: Level[] = [];
    for (let count = this.series.count; count > BLOCK; count = Math.ceil(count / BLOCK)) {
      const below = levels.at(-1);
      levels.push(fold(count, below?.lows ?? null, below?.highs ?? null, (at) => this.value(at)));
    }
    return levels;
  }

  private value(at: number): number {
    return this.series.data[this.series.first + at * this.series.stride]!;
  }
}

function fold(
  count: number,
  lows: Float32Array | null,
  highs: Float32Array | null,
  value: (at: number) => number,
): Level {
  const blocks = Math.ceil(count / BLOCK);
  const level = { lows: new Float32Array(blocks).fill(Infinity), highs: new Float32Array(blocks).fill(-Infinity) };
  for (let at = 0; at < count; at++) {
    const block = Math.floor(at / BLOCK);
    level.lows[block] = Math.min(level.lows[block]!, lows ? lows[at]! : value(at));
    level.highs[block] = Math.max(level.highs[block]!, highs ? highs[at]! : value(at));
  }
  return level;
}

/** The waveform: its lowest and its highest samples are two curves, each in [-1, 1] · 32768. */
export function curvesOfPeaks(peaks: Peaks): { low: Curve; high: Curve } {
  const { pairs: data, perSecond: rate } = peaks;
  const count = data.length >> 1;
  const one = (first: number): Curve => new Curve({ data, first, stride: 2, count, rate, startS: 0.5 / rate });
  return { low: one(0), high: one(1) };
}
