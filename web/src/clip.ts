// A face clip as the page holds it: weights by channel name on an even time grid (SPEC C1).

import type { ClipInfo } from "./api";

/** Numbers of a head pose: x, y, z in metres, then the unit quaternion w, i, j, k (SPEC C4). */
export const HEAD_NUMBERS = 7;

/** What an emotion track tells, in its order (SPEC C1). */
export const EMOTIONS = ["Angry", "Disgusted", "Fearful", "Happy", "Neutral", "Sad", "Surprised"] as const;

export interface Clip {
  readonly id: string;
  /** File name. */
  readonly name: string;
  /** What people read beside it: the file name, or more where two files are called alike. */
  readonly label: string;
  /** Frame k shows the face at startS + k / fps seconds on the clock of the sound. */
  readonly fps: number;
  readonly startS: number;
  readonly frames: number;
  readonly channels: readonly string[];
  /** frames x channels, row by row. */
  readonly weights: Float32Array;
  /** frames x HEAD_NUMBERS, row by row. */
  readonly head: Float32Array | null;
  /** frames x EMOTIONS, row by row, 0 … 1. */
  readonly emotion: Float32Array | null;
  /** Channels that are no ARKit channel; they are drawn as lanes and move nothing on our head. */
  readonly unknown: readonly string[];
  /** One per channel; false: the source could not measure it. */
  readonly observed: readonly boolean[];
  readonly notes: readonly string[];
}

/** A clip from what the server says of it and the bytes of /api/clips/<id>.bin. */
export function clipOf(info: ClipInfo, bytes: ArrayBuffer): Clip {
  const count = info.frames * info.channels.length;
  const poses = info.head ? info.frames * HEAD_NUMBERS : 0;
  const numbers = count + poses + (info.emotion ? info.frames * EMOTIONS.length : 0);
  if (bytes.byteLength !== numbers * 4) {
    throw new Error(`${info.name}: ${bytes.byteLength} bytes came, ${numbers * 4} were needed. Load the page again.`);
  }
  const { id, name, label, fps, frames, channels, unknown, observed, notes } = info;
  const weights = new Float32Array(bytes, 0, count);
  const head = info.head ? new Float32Array(bytes, count * 4, poses) : null;
  const emotion = info.emotion ? new Float32Array(bytes, (count + poses) * 4) : null;
  const startS = info.start_s;
  return { id, name, label, fps, startS, frames, channels, weights, head, emotion, unknown, observed, notes };
}

/** Seconds on the clock of the sound at which the last frame of a clip ends. */
export function endS(clip: Clip): number {
  return clip.startS + clip.frames / clip.fps;
}

/** Weights at a time, linearly between frames, as the first or last frame outside the clip; `into` has one place per
 * channel. A clip without frames gives the neutral face. */
export function sample(clip: Clip, seconds: number, into: Float32Array): void {
  blend(clip, clip.weights, clip.channels.length, seconds, into);
}

/** Head pose at a time: x, y, z, w, i, j, k into `into`; false where the clip has none. */
export function headAt(clip: Clip, seconds: number, into: Float32Array): boolean {
  if (!clip.head || !clip.frames) return false;
  blend(clip, clip.head, HEAD_NUMBERS, seconds, into);
  const length = Math.hypot(into[3]!, into[4]!, into[5]!, into[6]!) || 1;
  for (let at = 3; at < HEAD_NUMBERS; at++) into[at] = into[at]! / length;
  return true;
}

function blend(clip: Clip, rows: Float32Array, width: number, seconds: number, into: Float32Array): void {
  if (!clip.frames) {
    into.fill(0);
    return;
  }
  const place = Math.min(Math.max((seconds - clip.startS) * clip.fps, 0), clip.frames - 1);
  const first = Math.floor(place);
  const share = place - first;
  const low = first * width;
  const high = Math.min(first + 1, clip.frames - 1) * width;
  for (let at = 0; at < width; at++) into[at] = rows[low + at]! * (1 - share) + rows[high + at]! * share;
}
