// The clock of what is seen against a sound that tells its time coarsely, stalls, is refused, breaks or ends early.
import assert from "node:assert/strict";
import test from "node:test";
import { source } from "./source.mjs";

const { Player } = await source("stage/player.ts");

/** A sound on a clock of our own; tells its time in steps of `grain` seconds, as some browsers do. */
class FakeSound extends EventTarget {
  paused = true;
  playbackRate = 1;
  src = "";
  refusal = null;
  stalled = false;
  #at = 0;

  constructor(duration, grain = 0) {
    super();
    Object.assign(this, { duration, grain });
  }
  get ended() {
    return this.#at >= this.duration;
  }
  get currentTime() {
    return this.grain ? Math.floor(this.#at / this.grain) * this.grain : this.#at;
  }
  set currentTime(seconds) {
    this.#at = seconds;
  }
  load() {
    this.#at = 0;
  }
  pause() {
    this.paused = true;
  }
  async play() {
    if (this.refusal) throw Object.assign(new Error("no"), { name: this.refusal });
    this.paused = false;
  }
  pass(ms) {
    if (this.paused || this.stalled) return;
    this.#at = Math.min(this.duration, this.#at + (ms / 1000) * this.playbackRate);
    if (this.ended) this.paused = true;
  }
}

/** A player, its sound, and `run`: pass so many frames of so many ms and give the times that were shown. */
function setUp(duration, { sound_s = duration, grain = 0 } = {}) {
  let clock = 1000;
  const sound = new FakeSound(sound_s, grain);
  const player = new Player(sound, () => clock);
  const events = [];
  for (const event of ["state", "seek", "blocked", "broken"]) player.on(event, () => events.push(event));
  player.load("voice.wav", duration);
  const run = (frames, ms) =>
    Array.from({ length: frames }, () => {
      clock += ms;
      sound.pass(ms);
      return player.now();
    });
  return { player, sound, events, run };
}

const rising = (times) => times.every((time, at) => at === 0 || time >= times[at - 1]);

for (const hertz of [30, 60, 144]) {
  test(`at ${hertz} Hz time never runs backwards and stays within 40 ms of a sound that tells coarse times`, () => {
    const { player, sound, run } = setUp(60, { grain: 0.04 });
    player.play();
    const times = run(4 * hertz, 1000 / hertz);
    assert.ok(rising(times));
    assert.ok(Math.abs(player.now() - sound.currentTime) < 0.04);
    const steps = times.slice(hertz).map((time, at, rest) => (at ? time - rest[at - 1] : 1 / hertz));
    assert.ok(Math.max(...steps) < 2 / hertz, "smooth between the coarse times");
  });
}

test("a hidden tab shows no frame for a minute; afterwards time is the sound's at once", () => {
  const { player, sound, run } = setUp(120);
  player.play();
  run(60, 16);
  run(1, 60_000);
  assert.ok(Math.abs(player.now() - sound.currentTime) < 0.02);
});

test("while the sound stalls, time waits for it and then goes on with it", () => {
  const { player, sound, run } = setUp(10);
  player.play();
  run(60, 16);
  sound.stalled = true;
  const waited = run(120, 16);
  assert.ok(rising(waited) && waited.at(-1) - sound.currentTime < 0.2);
  sound.stalled = false;
  assert.ok(rising(run(120, 16)));
  assert.ok(Math.abs(player.now() - sound.currentTime) < 0.05);
});

test("a clip longer than its sound is played to its end, and then stands there", () => {
  const { player, events, run } = setUp(3, { sound_s: 1 });
  player.play();
  assert.ok(rising(run(250, 16)));
  assert.equal(player.now(), 3);
  assert.equal(player.playing, false);
  assert.equal(events.at(-1), "state");
  player.play();
  assert.equal(player.now(), 0);
});

test("a loop turns around at its end, at half and at double speed", () => {
  for (const rate of [0.5, 2]) {
    const { player, events, run } = setUp(10);
    player.loop = [2, 3];
    player.rate = rate;
    player.play();
    const times = run(400, 16);
    assert.ok(Math.min(...times) >= 2 && Math.max(...times) < 3);
    assert.equal(events.filter((event) => event === "seek").length, Math.floor((400 * 0.016 * rate) / 1));
  }
});

test("seeking works while playing and while paused, within the clip", () => {
  const { player, sound, run } = setUp(5);
  player.seek(2);
  assert.deepEqual([player.now(), sound.currentTime, player.playing], [2, 2, false]);
  player.play();
  run(10, 16);
  player.seek(1);
  assert.ok(player.now() === 1 && player.playing);
  player.seek(99);
  player.pause();
  assert.equal(player.now(), 5);
});

test("a browser that refuses to sound without a click says so, and nothing plays", async () => {
  const { player, sound, events } = setUp(5);
  sound.refusal = "NotAllowedError";
  player.play();
  await Promise.resolve();
  assert.deepEqual([events.at(-1), player.playing], ["blocked", false]);
});

test("a sound that cannot be played is told once, and the face goes on without it", async () => {
  const { player, sound, events, run } = setUp(5);
  sound.refusal = "NotSupportedError";
  player.play();
  sound.dispatchEvent(new Event("error"));
  await Promise.resolve();
  run(100, 16);
  assert.equal(events.filter((event) => event === "broken").length, 1);
  assert.ok(Math.abs(player.now() - 1.6) < 0.05);
});

test("a clip without sound plays on the page's clock", () => {
  const { player, run } = setUp(5);
  player.load(null, 2);
  player.rate = 0.25;
  player.play();
  run(100, 16);
  assert.ok(Math.abs(player.now() - 0.4) < 1e-9);
});
