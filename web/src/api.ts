// The local server's answers, and how the page asks for them. Every failure is a ServerError with the server's sentence.

import { clipOf, type Clip } from "./clip";

export interface ClipInfo {
  id: string;
  name: string;
  label: string;
  fps: number;
  start_s: number;
  frames: number;
  channels: string[];
  head: boolean;
  emotion: boolean;
  unknown: string[];
  observed: boolean[];
  notes: string[];
  /** The sound that it was made from. */
  audio: AudioInfo | null;
}

export interface AudioInfo {
  id: string;
  name: string;
  duration_s: number;
  /** Pairs of /api/audio/<id>.peaks per second. */
  peaks_hz: number;
}

export interface Gains {
  gain: Record<string, number>;
  offset: Record<string, number>;
}

export interface SessionInfo {
  version: string;
  clips: ClipInfo[];
  /** The sound of clips that have none of their own. */
  audio: AudioInfo | null;
  text: string | null;
  notes: string[];
  gains: Gains;
  /** What is shown in place of clips: frames that arrive now. */
  live: LiveInfo | null;
}

export interface LiveInfo {
  /** Where the server listens for them, as 127.0.0.1:11111. */
  where: string;
  channels: string[];
}

/** Lowest and highest sample of each stretch of 1 / perSecond seconds, in turn, as 16-bit numbers. */
export interface Peaks {
  readonly perSecond: number;
  readonly pairs: Int16Array;
}

export class ServerError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const GONE = "The voxface server does not answer; it may have been stopped. Start `voxface view` again.";

export async function fetchSession(): Promise<SessionInfo> {
  return (await asked("/api/session")).json() as Promise<SessionInfo>;
}

export async function fetchHead(): Promise<ArrayBuffer> {
  return (await asked("/head.glb")).arrayBuffer();
}

export async function fetchClip(info: ClipInfo): Promise<Clip> {
  return clipOf(info, await (await asked(`/api/clips/${info.id}.bin`)).arrayBuffer());
}

export async function fetchPeaks(audio: AudioInfo): Promise<Peaks> {
  const bytes = await (await asked(`/api/audio/${audio.id}.peaks`)).arrayBuffer();
  return { perSecond: audio.peaks_hz, pairs: new Int16Array(bytes) };
}

export function soundUrl(audio: AudioInfo): string {
  return `/api/audio/${audio.id}.wav`;
}

/** Hears how much of a file has gone to the server, 0 to 1. */
type Moved = (share: number) => void;

/** Let the server animate a sound. `keep`: the clip that stays shown, which the server must not forget, or "". */
export function animate(sound: File, keep: string, moved: Moved): Promise<{ clip: ClipInfo; audio: AudioInfo }> {
  return send("/api/animate", sound, keep, moved);
}

/** Seconds of sound that the server has animated of what it is animating, or null. */
export async function fetchProgress(): Promise<number | null> {
  return ((await (await asked("/api/progress")).json()) as { heard_s: number | null }).heard_s;
}

/** Let the server read a clip file: csv, json, jsonl, npz. `keep` as of `animate`. */
export function readClip(file: File, keep: string, moved: Moved): Promise<{ clip: ClipInfo }> {
  return send("/api/clip", file, keep, moved);
}

async function asked(path: string): Promise<Response> {
  const answer = await fetch(path, { cache: "no-store" }).catch(() => {
    throw new ServerError("E-SERVER", GONE);
  });
  if (!answer.ok) throw problem(answer.status, await answer.text());
  return answer;
}

/** XMLHttpRequest, since fetch does not tell how much of a body has gone. */
function send<T>(path: string, file: File, keep: string, moved: Moved): Promise<T> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${path}?${new URLSearchParams({ name: file.name, keep })}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => moved(event.loaded / Math.max(event.total, 1));
    request.onerror = () => failed(new ServerError("E-SERVER", GONE));
    request.onload = () => {
      if (request.status === 200) done(JSON.parse(request.responseText) as T);
      else failed(problem(request.status, request.responseText));
    };
    request.send(file);
  });
}

function problem(status: number, body: string): ServerError {
  try {
    const { error } = JSON.parse(body) as { error: { code: string; message: string } };
    return new ServerError(error.code, error.message);
  } catch {
    return new ServerError("E-SERVER", `The server answered ${status} to a request of its own page.`);
  }
}
