// One clip on its way to the stage: sampled at a time, turned by the gains, its head motion made fit for looking at.

import { headAt, sample, HEAD_NUMBERS, type Clip } from "./clip";
import { over, type Gains } from "./gains";
import { settled } from "./stage/headpose";
import type { Stage } from "./stage/stage";

export class Face {
  readonly clip: Clip;
  readonly #near: Clip;
  readonly #raw: Float32Array;
  readonly #turned: Float32Array;
  readonly #head = new Float32Array(HEAD_NUMBERS);
  #turn: (values: Float32Array, into: Float32Array) => void;

  constructor(clip: Clip, gains: Gains) {
    this.clip = clip;
    this.#near = { ...clip, head: clip.head && settled(clip.head) };
    this.#raw = new Float32Array(clip.channels.length);
    this.#turned = new Float32Array(clip.channels.length);
    this.#turn = over(gains, clip.channels);
  }

  /** From now on with these gains. */
  gains(gains: Gains): void {
    this.#turn = over(gains, this.clip.channels);
  }

  /** Weights at a time, turned, in the order of the clip's channels; the array is used again by the next call. */
  at(seconds: number): Float32Array {
    sample(this.clip, seconds, this.#raw);
    this.#turn(this.#raw, this.#turned);
    return this.#turned;
  }

  /** Pose a head of the stage as this face is at a time. */
  pose(stage: Stage, slot: 0 | 1, seconds: number, moves: boolean): void {
    const head = moves && headAt(this.#near, seconds, this.#head) ? this.#head : null;
    stage.pose(slot, this.clip.channels, this.at(seconds), head);
  }
}
