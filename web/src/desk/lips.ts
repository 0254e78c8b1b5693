// How far the lips are apart: the one curve that tells most about speech, made of six channels.

import type { Clip } from "../clip";
import { type Gains, over } from "../gains";
import { Curve, Rows } from "./series";

export const LIP_GAP = "lipGap";

/** Weight of each channel, as in src/voxface/face/gap.py (SPEC C5). */
const PARTS: Readonly<Record<string, number>> = {
  jawOpen: 1,
  mouthClose: -1,
  mouthLowerDownLeft: 0.125,
  mouthLowerDownRight: 0.125,
  mouthUpperUpLeft: 0.125,
  mouthUpperUpRight: 0.125,
};
const NAMES = Object.keys(PARTS);
const SHARES = Object.values(PARTS);

/** 0 with closed lips, about 1 wide open, of a clip under these gains; null if it lacks one of the channels. */
export function lipGap(clip: Clip, gains: Gains): Curve | null {
  const columns = NAMES.map((name) => clip.channels.indexOf(name));
  if (columns.includes(-1)) return null;
  const tune = over(gains, NAMES);
  const values = new Float32Array(NAMES.length);
  const gap = new Float32Array(clip.frames);
  for (let frame = 0; frame < clip.frames; frame++) {
    const row = frame * clip.channels.length;
    columns.forEach((column, part) => (values[part] = clip.weights[row + column]!));
    tune(values, values);
    for (let part = 0; part < SHARES.length; part++) gap[frame]! += values[part]! * SHARES[part]!;
  }
  return new Curve(new Rows(gap, 1, clip.fps, clip.startS), 0);
}

/** What of the gains the lip gap depends on. */
export function lipGains({ gain, offset }: Gains): string {
  return NAMES.map((name) => `${gain[name] ?? 1} ${offset[name] ?? 0}`).join();
}
