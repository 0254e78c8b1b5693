/**
 * The clock of what is seen: the sound's own, smoothed. An audio element tells its time in coarse steps that differ by
 * browser; between them the page's clock runs on, and small differences are worked off so that time never runs backwards.
 */

/** What the player needs of an audio element; tests give a small one of their own. */
export type Sound = Pick<
  HTMLAudioElement,
  "currentTime" | "duration" | "ended" | "paused" | "playbackRate" | "src" | "play" | "pause" | "load"
> &
  EventTarget;

/** state: playing, paused, loaded or at the end. seek: jumped, also by a loop. blocked: the browser wants a click or a
 * key before sound. broken: the sound cannot be played; time runs on without it. */
export type PlayerEvent = "state" | "seek" | "blocked" | "broken";

const JUMP_S = 0.15; // further apart than this the clock follows the sound at once
const CATCH_UP = 0.1; // of a smaller difference, per new time that the sound tells
const PATIENCE_MS = 120; // a sound that tells no new time for so long stands still: loading, or a busy machine

export class Player {
  /** The element that sounds; the recorder takes its sound from here. */
  readonly sound: Sound;
  readonly #clock: () => number; // ms
  readonly #listeners = new Map<PlayerEvent, Set<() => void>>();
  #duration = 0; // seconds of clip and sound together
  #audible = false; // there is a sound, and it can be played
  #playing = false;
  #rate = 1;
  #loop: readonly [number, number] | null = null;
  #at = 0; // seconds, at #since
  #since = 0; // ms of the clock
  #last = 0; // last answer while playing: the floor of the next
  #heard = 0; // last time that the sound told, seconds
  #heardAt = -Infinity; // when it did, ms of the clock

  constructor(sound: Sound = new Audio(), clock: () => number = () => performance.now()) {
    this.sound = sound;
    this.#clock = clock;
    sound.addEventListener("error", () => this.#breakSound());
    sound.addEventListener("timeupdate", () => this.now()); // four times a second, also in a hidden tab: loops go on
  }

  /** Take a sound by its address, or none with null; `duration_s` is the longer one of clip and sound. */
  load(url: string | null, duration_s: number): void {
    this.pause();
    this.#duration = duration_s;
    this.#loop = null;
    this.#audible = url !== null;
    if (url !== null) {
      this.sound.src = url;
      this.sound.load();
    }
    this.#stand(0);
    this.#tell("state");
  }

  get playing(): boolean {
    return this.#playing;
  }

  /** Start, from the beginning (of the loop) if it stands at the end. */
  play(): void {
    if (this.#playing || this.#duration === 0) return;
    const [first, last] = this.#range();
    if (this.#at >= last - 1e-3 || this.#at < first) this.#stand(first);
    this.#playing = true;
    this.#stand(this.#at);
    this.#tell("state");
  }

  pause(): void {
    if (!this.#playing) return;
    this.#at = this.now();
    this.#playing = false;
    this.#since = this.#clock();
    this.sound.pause();
    this.#tell("state");
  }

  /** Go to a time in seconds, playing or not. */
  seek(seconds: number): void {
    this.#stand(Math.min(this.#duration, Math.max(0, seconds)));
    this.#tell("seek");
  }

  /** 0.25 to 2; the pitch of the sound stays. */
  get rate(): number {
    return this.#rate;
  }

  set rate(rate: number) {
    this.#at = this.now();
    this.#since = this.#clock();
    this.#rate = Math.min(2, Math.max(0.25, rate));
    this.sound.playbackRate = this.#rate;
    this.#tell("state");
  }

  /** Stretch in seconds that is played again and again, or null. */
  get loop(): readonly [number, number] | null {
    return this.#loop;
  }

  set loop(range: readonly [number, number] | null) {
    const [first, last] = range ?? [0, 0];
    this.#loop = range && last - first > 0.02 ? [Math.max(0, first), Math.min(this.#duration, last)] : null;
    this.#tell("state");
  }

  /** Seconds on the clock of the sound. While playing it never runs backwards but for a seek or a loop. */
  now(): number {
    if (!this.#playing) return this.#at;
    const clock = this.#clock();
    let seconds = this.#at + ((clock - this.#since) / 1000) * this.#rate;
    if (this.#sounding()) seconds = this.#agreed(seconds, clock);
    const [, last] = this.#range();
    if (seconds >= last) return this.#turnAround(last);
    this.#last = Math.max(this.#last, seconds);
    return this.#last;
  }

  /** Call `listener` at each such event. */
  on(event: PlayerEvent, listener: () => void): void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
  }

  /** The sound runs at this moment: not before it has started, nor after its own end in a longer clip. */
  #sounding(): boolean {
    return this.#audible && !this.sound.paused && !this.sound.ended;
  }

  /** The page's time, drawn towards the sound's; it waits where the sound stands still or is far behind. */
  #agreed(seconds: number, clock: number): number {
    const told = this.sound.currentTime;
    const fresh = told !== this.#heard;
    if (fresh) this.#heardAt = clock;
    this.#heard = told;
    const apart = told - seconds;
    let agreed = seconds;
    if (clock - this.#heardAt > PATIENCE_MS || (fresh && apart < -JUMP_S)) agreed = this.#last;
    else if (fresh) agreed = apart > JUMP_S ? told : seconds + apart * CATCH_UP;
    this.#at = agreed;
    this.#since = clock;
    return agreed;
  }

  #range(): readonly [number, number] {
    return this.#loop ?? [0, this.#duration];
  }

  /** At the end: again from the front of the loop, or stop. */
  #turnAround(last: number): number {
    if (this.#loop) {
      this.#stand(this.#loop[0]);
      this.#tell("seek");
      return this.#at;
    }
    this.#playing = false;
    this.#at = last;
    this.sound.pause();
    this.#tell("state");
    return last;
  }

  /** Stand at a time, and let the sound start from there if it plays. */
  #stand(seconds: number): void {
    this.#at = this.#last = seconds;
    this.#since = this.#clock();
    if (!this.#audible) return;
    const silent = seconds >= (this.sound.duration || Infinity); // the clip is longer than its sound
    if (!silent) this.sound.currentTime = seconds;
    this.#heard = this.sound.currentTime;
    this.#heardAt = -Infinity; // time waits until the sound has really begun
    if (silent || !this.#playing) this.sound.pause();
    else if (this.sound.paused || this.sound.ended) this.#startSound();
  }

  #startSound(): void {
    this.sound.playbackRate = this.#rate;
    this.sound.play().catch((error: Error) => {
      if (error.name === "NotAllowedError") {
        this.#playing = false;
        this.#tell("state");
        this.#tell("blocked");
      } else if (error.name !== "AbortError") this.#breakSound(); // AbortError: paused before it had begun
    });
  }

  #breakSound(): void {
    if (!this.#audible) return; // the element and its promise both tell
    this.#audible = false;
    this.#tell("broken");
  }

  #tell(event: PlayerEvent): void {
    this.#listeners.get(event)?.forEach((listener) => listener());
  }
}
