// Head pose as six curves that people can read: turns in degrees, places in centimetres.

import { type Clip, HEAD_NUMBERS } from "../clip";
import { Curve, Rows } from "./series";

export interface HeadLane {
  readonly name: string;
  readonly unit: string;
  /** The lane shows at least -reach to reach. */
  readonly reach: number;
}

export const HEAD_LANES: readonly HeadLane[] = [
  { name: "headYaw", unit: "°", reach: 15 },
  { name: "headPitch", unit: "°", reach: 15 },
  { name: "headRoll", unit: "°", reach: 15 },
  { name: "headX", unit: " cm", reach: 3 },
  { name: "headY", unit: " cm", reach: 3 },
  { name: "headZ", unit: " cm", reach: 3 },
];

const DEGREES = 180 / Math.PI;

/** One curve per entry of HEAD_LANES, none without a head. R = Ry(yaw) · Rx(pitch) · Rz(roll) (SPEC C4): yaw positive to
 * the subject's left, pitch positive down. */
export function headCurves(clip: Clip): Curve[] {
  const { head, frames: count, fps: rate, startS } = clip;
  if (!head) return [];
  const stride = HEAD_LANES.length;
  const data = new Float32Array(count * stride);
  for (let frame = 0; frame < count; frame++) {
    const at = frame * HEAD_NUMBERS;
    const [w, i, j, k] = [head[at + 3]!, head[at + 4]!, head[at + 5]!, head[at + 6]!];
    const row = frame * stride;
    data[row] = Math.atan2(2 * (i * k + w * j), 1 - 2 * (i * i + j * j)) * DEGREES;
    data[row + 1] = Math.asin(Math.min(Math.max(2 * (w * i - j * k), -1), 1)) * DEGREES;
    data[row + 2] = Math.atan2(2 * (i * j + w * k), 1 - 2 * (i * i + k * k)) * DEGREES;
    for (let axis = 0; axis < 3; axis++) data[row + 3 + axis] = head[at + axis]! * 100;
  }
  const rows = new Rows(data, stride, rate, startS);
  return HEAD_LANES.map((_, column) => new Curve(rows, column));
}
