// Frames that arrive now: the server's events (viewer/live.py) as the face that is shown, and a line about their coming.

import type { LiveInfo } from "./api";

/** How the frames of the last seconds came. */
export interface Timing {
  readonly frames: number;
  readonly ignored: number;
  readonly fps: number;
  /** So much later than by an even clock come 95 of 100; null: nothing came. */
  readonly jitter_ms: number | null;
  readonly lost: number;
  /** Between a frame's timecode and its arrival; null: the sender has another clock. */
  readonly age_ms: number | null;
  readonly subject?: string;
}

interface Frame {
  readonly weights: number[] | null;
  readonly head: number[] | null;
}

const GONE = "voxface does not answer; it may have been stopped.";

export class Live {
  readonly channels: readonly string[];
  /** In the order of the channels; as the newest frame with a face has them. */
  weights: readonly number[];
  /** x, y, z, w, i, j, k of the head, or null. */
  head: readonly number[] | null = null;
  timing: Timing | null = null;

  /** Told at every frame; `onLine` whenever `line` says something new. */
  onFrame: () => void = () => undefined;
  onLine: () => void = () => undefined;

  readonly #info: LiveInfo;
  #gone = false;

  constructor(info: LiveInfo, events: EventTarget = new EventSource("/api/live")) {
    this.#info = info;
    this.channels = info.channels;
    this.weights = info.channels.map(() => 0);
    events.addEventListener("frame", (event) => this.#take(JSON.parse((event as MessageEvent<string>).data) as Frame));
    events.addEventListener("timing", (event) => {
      this.timing = JSON.parse((event as MessageEvent<string>).data) as Timing;
      this.#gone = false;
      this.onLine();
    });
    events.addEventListener("error", () => {
      this.#gone = true; // until it answers again, which an EventSource tries by itself
      this.onLine();
    });
  }

  /** What is shown, in words. */
  line(): string {
    const { where } = this.#info;
    const { timing } = this;
    if (this.#gone) return GONE;
    if (!timing?.subject || timing.jitter_ms === null) {
      const odd = timing?.ignored ? ` ${timing.ignored} packets were none of Live Link.` : "";
      return `Nothing comes at ${where}. Send: voxface live --to livelink://${where}${odd}`;
    }
    const age = timing.age_ms === null ? "" : ` · age ${timing.age_ms.toFixed(0)} ms`;
    return `${timing.subject} · ${timing.fps.toFixed(1)} fps · jitter ${timing.jitter_ms.toFixed(1)} ms${age} · ${timing.lost} lost`;
  }

  #take({ weights, head }: Frame): void {
    if (!weights) return; // no face was found: the last one stays
    this.weights = weights;
    this.head = head;
    this.onFrame();
  }
}
