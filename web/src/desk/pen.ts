// Draws columns of lowest and highest values into a lane.

import type { Curve } from "./series";
import type { TimeView } from "./timeline";

/** Lowest and highest value of each pixel column. */
export type Columns = readonly [Float32Array, Float32Array];

/** Two pairs: all lanes and the sound, which are as wide, are drawn with them, one after the other. */
let pairs: readonly Columns[] = [];

/** The columns of one curve (slot 0) or of a second beside it (slot 1), until those of the next lane are asked for. */
export function columns(slot: 0 | 1, curve: Curve, view: TimeView, width: number): Columns {
  if (pairs[0]?.[0].length !== width) pairs = [0, 1].map(() => [new Float32Array(width), new Float32Array(width)]);
  const pair = pairs[slot]!;
  curve.columns(view, ...pair);
  return pair;
}

/** Strokes and fills into one lane, whose canvas shows values from scale[0] at the bottom to scale[1] at the top. */
export class Pen {
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
