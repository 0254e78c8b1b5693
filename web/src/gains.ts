// What an animator turns after the model: gain and offset per channel. The same arithmetic and the same file as
// `voxface animate --gains` (src/voxface/runtime/polish.py). No DOM here.

import type { Gains } from "./api";
import { ARKIT } from "./regions";

export type { Gains };

/** Gain 1 and offset 0 where a channel is not named, so this changes nothing. */
export const NEUTRAL: Gains = { gain: {}, offset: {} };

/** Numbers that a file of gains may hold, from -LIMIT to LIMIT. */
export const LIMIT = 10;

const KNOWN: ReadonlySet<string> = new Set(ARKIT);

/** What the gains make of frames with these channels: `into[i] = clip01(values[i] * gain + offset)`; what is no ARKit
 * channel passes unchanged. Names are looked up here, once; what comes back only calculates. */
export function over(
  gains: Gains,
  channels: readonly string[],
): (values: Float32Array, into: Float32Array) => void {
  const weights = channels.map((name) => KNOWN.has(name));
  const gain = Float32Array.from(channels, (name) => gains.gain[name] ?? 1);
  const offset = Float32Array.from(channels, (name) => gains.offset[name] ?? 0);
  return (values, into) => {
    for (let at = 0; at < gain.length; at++) {
      const value = values[at]!;
      into[at] = weights[at] ? Math.min(Math.max(value * gain[at]! + offset[at]!, 0), 1) : value;
    }
  };
}

/** How many channels the gains change. */
export function tuned(gains: Gains): number {
  return ARKIT.filter((name) => (gains.gain[name] ?? 1) !== 1 || (gains.offset[name] ?? 0) !== 0).length;
}

/** The TOML that `voxface animate --gains` reads: only what differs from gain 1 and offset 0. */
export function toToml(gains: Gains): string {
  const tables = [table("gain", gains.gain, 1), table("offset", gains.offset, 0)].filter((text) => text);
  return ["# voxface animate speech.wav --gains gains.toml", ...tables].join("\n\n") + "\n";
}

function table(name: string, values: Readonly<Record<string, number>>, neutral: number): string {
  const lines = ARKIT.map((channel) => [channel, tidy(values[channel] ?? neutral)] as const)
    .filter(([, value]) => value !== neutral)
    .map(([channel, value]) => `${channel} = ${decimal(value)}`);
  return lines.length ? [`[${name}]`, ...lines].join("\n") : "";
}

/** A number that a file of gains may hold, with four decimals: finer than a slider, and 0.1 + 0.2 is 0.3. */
export function tidy(value: number): number {
  return Math.round(Math.min(Math.max(value, -LIMIT), LIMIT) * 1e4) / 1e4;
}

/** A TOML float needs its point. */
function decimal(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** Gains of a TOML file as toToml and people write it: the tables [gain] and [offset], one `channel = number` a line;
 * the table [idle], which the viewer has no use for, is passed over.
 *
 * Throws an Error with a sentence that names the line: anything else is in the file. */
export function fromToml(text: string): Gains {
  const gains: Gains = { gain: {}, offset: {} };
  let name = "";
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.replace(/^\uFEFF/, "").replace(/#.*$/, "").trim();
    const header = /^\[\s*(\w+)\s*\]$/.exec(line);
    if (header) name = known(header[1]!, index);
    else if (line && name !== "idle") take(gains, name, line, index);
  });
  return gains;
}

function known(name: string, index: number): string {
  if (name === "gain" || name === "offset" || name === "idle") return name;
  throw new Error(`Line ${index + 1}: the table [${name}] is not known; gains have [gain] and [offset].`);
}

function take(gains: Gains, table: string, line: string, index: number): void {
  const match = /^"?(\w+)"?\s*=\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)$/.exec(line);
  if (!match || !table) throw new Error(`Line ${index + 1}: ${line} is no \`channel = number\` of [gain] or [offset].`);
  const channel = match[1]!;
  const value = Number(match[2]);
  if (!KNOWN.has(channel)) throw new Error(`Line ${index + 1}: ${channel} is no ARKit channel.`);
  if (Math.abs(value) > LIMIT) throw new Error(`Line ${index + 1}: ${channel} must be from -${LIMIT} to ${LIMIT}.`);
  gains[table as keyof Gains][channel] = value;
}
