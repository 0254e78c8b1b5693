/** Head motion for looking at: turns as they are, places as small steps away from where the head usually is. */
import { HEAD_NUMBERS } from "../clip";

/** x, y, z in metres (relative, see `settled`), then the unit quaternion w, i, j, k; axes of SPEC C4. */
export type HeadPose = ArrayLike<number>;

const REACH = 0.03; // metres: further than this and a talking head leaves the picture

/**
 * Rows of a clip, frames x 7, with each position replaced by its step away from the clip's median position, every axis
 * clipped to 3 cm. The same rule as in `voxface render`.
 */
export function settled(rows: Float32Array): Float32Array {
  const result = rows.slice();
  const frames = Math.floor(rows.length / HEAD_NUMBERS);
  for (let axis = 0; axis < 3; axis++) {
    const middle = median(Float32Array.from({ length: frames }, (_, frame) => rows[frame * HEAD_NUMBERS + axis]!));
    for (let at = axis; at < frames * HEAD_NUMBERS; at += HEAD_NUMBERS) {
      result[at] = Math.max(-REACH, Math.min(REACH, rows[at]! - middle));
    }
  }
  return result;
}

function median(values: Float32Array): number {
  const sorted = values.sort();
  const half = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
