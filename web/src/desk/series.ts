// A curve over time and its lowest and highest values per block, so that an hour is drawn as fast as a second.

import type { Peaks } from "../api";
import type { Clip } from "../clip";
import type { TimeView } from "./timeline";

/** Values per block: the levels take 2 / 15 of the memory of the numbers. */
const BLOCK = 16;

/** Lowest and highest value of each block of values, or of blocks of the level below; columns as in the rows. */
interface Level {
  readonly lows: Float32Array;
  readonly highs: Float32Array;
}

/** Rows of `width` numbers each, `rate` rows per second, the first at startS. */
export class Rows {
  private built: Level[] | null = null;

  constructor(
    readonly data: Float32Array | Int16Array,
    readonly width: number,
    readonly rate: number,
    readonly startS: number,
  ) {}

  get count(): number {
    return this.data.length / this.width;
  }

  /** All columns at once, when a long stretch is first asked for: one walk through memory instead of one per column. */
  get levels(): readonly Level[] {
    if (this.built) return this.built;
    const { data, width } = this;
    this.built = [];
    for (let count = this.count, lows = data, highs = data; count > BLOCK; count = Math.ceil(count / BLOCK)) {
      const level = fold(lows, highs, count, width);
      this.built.push(level);
      [lows, highs] = [level.lows, level.highs];
    }
    return this.built;
  }
}

function fold(below: Rows["data"], above: Rows["data"], count: number, width: number): Level {
  const size = Math.ceil(count / BLOCK) * width;
  const lows = new Float32Array(size).fill(Number.POSITIVE_INFINITY);
  const highs = new Float32Array(size).fill(Number.NEGATIVE_INFINITY);
  for (let row = 0; row < count; row++) {
    const to = Math.floor(row / BLOCK) * width;
    const from = row * width;
    for (let column = 0; column < width; column++) {
      const low = below[from + column]!;
      const high = above[from + column]!;
      if (low < lows[to + column]!) lows[to + column] = low;
      if (high > highs[to + column]!) highs[to + column] = high;
    }
  }
  return { lows, highs };
}

/** One column of rows: a curve. */
export class Curve {
  constructor(
    readonly rows: Rows,
    readonly column: number,
  ) {}

  /** The curves of all channels of a clip, in its order. */
  static ofClip({ weights, channels, fps, startS }: Clip): Curve[] {
    const rows = new Rows(weights, Math.max(channels.length, 1), fps, startS);
    return channels.map((_, column) => new Curve(rows, column));
  }

  /** Value at a time, linearly between its neighbours; NaN for a curve without values. */
  at(second: number): number {
    const { count, rate, startS } = this.rows;
    if (!count) return Number.NaN;
    return this.between(Math.min(Math.max((second - startS) * rate, 0), count - 1));
  }

  /** The second of the last value. */
  get endS(): number {
    return this.rows.startS + (this.rows.count - 1) / this.rows.rate;
  }

  /** Lowest and highest value of all; [0, 0] for a curve without values. */
  range(): [number, number] {
    return this.rows.count ? this.extent(0, this.rows.count) : [0, 0];
  }

  /**
   * Lowest and highest value under each of `lows.length` columns of the view, both ends of neighbouring columns joined
   * by the line between values; NaN where the curve has none.
   */
  columns(view: TimeView, lows: Float32Array, highs: Float32Array): void {
    const { count, rate, startS } = this.rows;
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
      this.under(Math.max(from, 0), Math.min(to, count - 1), x, lows, highs);
    }
  }

  /** Between places `from` and `to` (fractions of a value): what stands between, and the line's ends at both. */
  private under(from: number, to: number, x: number, lows: Float32Array, highs: Float32Array): void {
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
    const { data, width } = this.rows;
    const levels = end - begin > 2 * BLOCK ? this.rows.levels : [];
    let [lows, highs] = [data, data];
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const take = (from: number, to: number): void => {
      for (let at = from * width + this.column; at < to * width; at += width) {
        if (lows[at]! < low) low = lows[at]!;
        if (highs[at]! > high) high = highs[at]!;
      }
    };
    for (const level of levels) {
      if (end - begin <= 2 * BLOCK) break;
      const [first, last] = [Math.ceil(begin / BLOCK), Math.floor(end / BLOCK)];
      take(begin, first * BLOCK);
      take(last * BLOCK, end);
      [begin, end, lows, highs] = [first, last, level.lows, level.highs];
    }
    take(begin, end);
    return [low, high];
  }

  private value(row: number): number {
    return this.rows.data[row * this.rows.width + this.column]!;
  }
}

/** The waveform: its lowest and its highest samples are two curves, each within ±32768. */
export function curvesOfPeaks({ pairs, perSecond }: Peaks): { low: Curve; high: Curve } {
  const rows = new Rows(pairs, 2, perSecond, 0.5 / perSecond);
  return { low: new Curve(rows, 0), high: new Curve(rows, 1) };
}
