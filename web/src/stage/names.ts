/** Names of channels against names of morph targets: what moves what on a head that somebody else made. No WebGL here. */
export { ARKIT } from "../regions";

/** What a head without a mouth of ARKit channels may still know: VRM's lip sync presets and a blink of both eyes. */
export const REDUCED = ["aa", "ih", "ou", "ee", "oh", "blink"] as const;
export type Reduced = (typeof REDUCED)[number];

/** One target and the channel, or the reduced pose, that moves it. */
export interface Link {
  readonly target: string;
  readonly source: string;
  readonly reduced: boolean;
}

/**
 * links:   every target that something moves
 * matched: channels that move at least one target by name, in the order of the channels
 * missing: channels that move nothing by name
 * unused:  targets that nothing moves
 */
export interface Matching {
  readonly links: readonly Link[];
  readonly matched: readonly string[];
  readonly missing: readonly string[];
  readonly unused: readonly string[];
}

const SEPARATORS = /[\s.:|/_-]+/;
const SIDES: Record<string, string> = { l: "left", r: "right" };
const ALIASES: Record<string, string> = {
  blinkleft: "eyeblinkleft",
  blinkright: "eyeblinkright",
  eyecloseleft: "eyeblinkleft",
  eyecloseright: "eyeblinkright",
};
const LETTERS: Record<string, Reduced> = { a: "aa", i: "ih", u: "ou", e: "ee", o: "oh" };
const BEFORE_LETTERS = new Set(["mth", "mouth", "viseme", "v", "vowel"]); // "Fcl_MTH_A", "viseme_E", "vrc.v_oh"

/** A target's name without prefixes, longest first: "blendShape1.eyeBlink_L" gives [..., "eyeblinkleft", "left"]. */
function endings(target: string): string[] {
  const pieces = target.toLowerCase().split(SEPARATORS).filter(Boolean);
  const last = pieces.length - 1;
  if (last > 0) pieces[last] = SIDES[pieces[last]!] ?? pieces[last]!;
  return pieces.map((_, first) => pieces.slice(first).join(""));
}

/** The channel of this target by name, or null. `table` goes from lower-case names to channels. */
function channelOf(target: string, table: ReadonlyMap<string, string>): string | null {
  for (const ending of endings(target)) {
    const channel = table.get(ending) ?? table.get(ALIASES[ending] ?? "");
    if (channel !== undefined) return channel;
    const both = table.get(ending.replace(/(left|right)$/, "")); // ICT splits browInnerUp and cheekPuff in two
    if (both !== undefined) return both;
  }
  return null;
}

/** The reduced pose of this target by name, or null. */
function reducedOf(target: string): Reduced | null {
  const found = endings(target);
  const plain = REDUCED.find((name) => found.includes(name));
  if (plain) return plain;
  const pieces = target.toLowerCase().split(SEPARATORS).filter(Boolean);
  const [before, letter] = pieces.slice(-2);
  if (pieces.length === 1) return LETTERS[pieces[0]!] ?? null;
  return before && letter && BEFORE_LETTERS.has(before) ? (LETTERS[letter] ?? null) : null;
}

/**
 * Say which channel moves which target: exact names first, then without regard to case, prefixes ("blendShape1.",
 * "Head_"), separators and the spelling of sides (`_L`, `_Left`, `Left`). Vowels and the blink of both eyes are used
 * only on heads that have no jaw or no eyelids by name, so that nothing moves twice.
 */
export function match(channels: readonly string[], targets: readonly string[]): Matching {
  const exact = new Set(channels);
  const table = new Map(channels.map((channel) => [endings(channel)[0] ?? channel, channel]));
  const links: Link[] = [];
  for (const target of new Set(targets)) {
    const source = exact.has(target) ? target : channelOf(target, table);
    if (source !== null) links.push({ target, source, reduced: false });
  }
  const matched = new Set(links.map((link) => link.source));
  const mouth = matched.has("jawOpen");
  const lids = matched.has("eyeBlinkLeft") || matched.has("eyeBlinkRight");
  const linked = new Set(links.map((link) => link.target));
  for (const target of new Set(targets)) {
    const pose = linked.has(target) ? null : reducedOf(target);
    if (pose !== null && !(pose === "blink" ? lids : mouth)) links.push({ target, source: pose, reduced: true });
  }
  const moved = new Set(links.map((link) => link.target));
  return {
    links,
    matched: channels.filter((channel) => matched.has(channel)),
    missing: channels.filter((channel) => !matched.has(channel)),
    unused: [...new Set(targets)].filter((target) => !moved.has(target)),
  };
}

/**
 * Five vowels and a blink, each in [0, 1], out of ARKit weights in [0, 1]; vowels sum to 1 at most. This loses most of
 * a face: lips that press, roll or sneer have no place in it. Our own tuning.
 */
export function reduce(weight: (channel: string) => number, into: Record<Reduced, number>): void {
  const both = (name: string): number => (weight(`${name}Left`) + weight(`${name}Right`)) / 2;
  const open = Math.max(0, weight("jawOpen") - weight("mouthClose"));
  const funnel = weight("mouthFunnel");
  const pucker = weight("mouthPucker");
  const round = Math.min(1, funnel + pucker);
  const spread = Math.min(1, both("mouthSmile") + both("mouthStretch")) * (1 - round);
  into.aa = Math.min(1, open * 1.6) * (1 - round);
  into.oh = Math.min(1, funnel * (0.5 + open));
  into.ou = Math.min(1, pucker * (1 - 0.5 * open));
  into.ee = 0.6 * spread;
  into.ih = Math.min(1, both("mouthDimple") + 0.4 * spread * Math.min(1, 4 * open)) * (1 - round);
  const sum = into.aa + into.oh + into.ou + into.ee + into.ih;
  if (sum > 1) for (const vowel of ["aa", "oh", "ou", "ee", "ih"] as const) into[vowel] /= sum;
  into.blink = both("eyeBlink");
}
