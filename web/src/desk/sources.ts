// Which lanes two clips make, and what a person should know of the clips.

import { type Clip, EMOTIONS } from "../clip";
import { NEUTRAL } from "../gains";
import { REGIONS, regionOf } from "../regions";
import { HEAD_LANES, headCurves } from "./headlanes";
import type { LaneSource } from "./lane";
import { LIP_GAP, lipGap } from "./lips";
import { Curve, Rows } from "./series";

/** The lip gap, a lane per channel of either clip in the order of the regions, then head pose, emotions, and names
 * that are no ARKit's. */
export function sources(a: Clip | null, b: Clip | null): LaneSource[] {
  const here = [...new Set([...(a?.channels ?? []), ...(b?.channels ?? [])])];
  const known = REGIONS.flatMap(({ channels }) => channels.filter((name) => here.includes(name)));
  const others = here.filter((name) => !regionOf(name));
  const [curvesA, curvesB] = [a ? Curve.ofClip(a) : [], b ? Curve.ofClip(b) : []];
  const lane = (name: string): LaneSource => weight(name, a, b, curvesA, curvesB);
  return [...lips(a, b), ...known.map(lane), ...poses(a, b), ...emotions(a, b), ...others.map(lane)];
}

function lips(a: Clip | null, b: Clip | null): LaneSource[] {
  const [one, other] = [a && lipGap(a, NEUTRAL), b && lipGap(b, NEUTRAL)];
  const note = "how far the lips are apart, of jaw, lips and mouthClose";
  const lane = { name: LIP_GAP, region: "jaw", scale: [0, 1], unit: "", note, observed: true } as const;
  return one || other ? [{ ...lane, a: one, b: other }] : [];
}

function weight(name: string, a: Clip | null, b: Clip | null, curvesA: Curve[], curvesB: Curve[]): LaneSource {
  const [columnA, columnB] = [a?.channels.indexOf(name) ?? -1, b?.channels.indexOf(name) ?? -1];
  const blind = [a, b].filter((clip, slot) => clip?.observed[slot ? columnB : columnA] === false);
  return {
    ...{ name, region: regionOf(name)?.id ?? "other", scale: [0, 1], unit: "" },
    observed: !blind.length,
    note: blind.length ? `not observed in ${blind.map((clip) => clip!.label).join(" and ")}` : "",
    a: curvesA[columnA] ?? null,
    b: curvesB[columnB] ?? null,
  };
}

function poses(a: Clip | null, b: Clip | null): LaneSource[] {
  const [curvesA, curvesB] = [a ? headCurves(a) : [], b ? headCurves(b) : []];
  if (!curvesA.length && !curvesB.length) return [];
  return HEAD_LANES.map(({ name, unit, reach }, index) => {
    const [one, other] = [curvesA[index] ?? null, curvesB[index] ?? null];
    const far = Math.max(reach, ...[one, other].flatMap((curve) => curve?.range().map(Math.abs) ?? []));
    return { name, region: "head", scale: [-far, far], unit, note: "", observed: true, a: one, b: other };
  });
}

function emotions(a: Clip | null, b: Clip | null): LaneSource[] {
  const [rowsA, rowsB] = [a, b].map((clip) => clip?.emotion && new Rows(clip.emotion, EMOTIONS.length, clip.fps, clip.startS));
  if (!rowsA && !rowsB) return [];
  return EMOTIONS.map((name, column) => {
    const [one, other] = [rowsA ? new Curve(rowsA, column) : null, rowsB ? new Curve(rowsB, column) : null];
    return { name, region: "emotion", scale: [0, 1], unit: "", note: "", observed: true, a: one, b: other };
  });
}

/** What a person should know of the clips: missing and unknown names, and the server's own notes. */
export function notes(a: Clip | null, b: Clip | null): HTMLElement {
  const list = document.createElement("ul");
  list.className = "notes";
  if (!a && !b) list.appendChild(document.createElement("li")).textContent = "The channels of a clip will be here.";
  for (const clip of [a, b]) {
    if (!clip) continue;
    const missing = REGIONS.flatMap((region) => region.channels).filter((name) => !clip.channels.includes(name));
    const lines = [...clip.notes];
    if (missing.length) lines.push(`${missing.length} ARKit channels are not in it: ${missing.join(", ")}.`);
    if (clip.unknown.length) lines.push(`No ARKit channels: ${clip.unknown.join(", ")}.`);
    if (!clip.frames) lines.push("It has no frames.");
    for (const line of lines) {
      const item = list.appendChild(document.createElement("li"));
      item.textContent = `${clip.label}: ${line}`;
    }
  }
  return list;
}
