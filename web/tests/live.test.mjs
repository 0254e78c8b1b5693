// Frames that arrive now, from events as the server sends them: what is shown, and what is said about it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { Live } = await source("live.ts");
const INFO = { where: "127.0.0.1:11111", channels: ["jawOpen", "jawLeft"] };
const TIMING = { frames: 9, ignored: 0, fps: 59.94, jitter_ms: 2.13, lost: 1, age_ms: 4.4, subject: "me" };

function live() {
  const events = new EventTarget();
  const told = { frames: 0, lines: 0 };
  const found = new Live(INFO, events);
  found.onFrame = () => (told.frames += 1);
  found.onLine = () => (told.lines += 1);
  const say = (kind, value) => events.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(value) }));
  return { found, told, say, events };
}

test("the newest face is shown; a frame without one leaves it", () => {
  const { found, told, say } = live();
  assert.deepEqual(found.weights, [0, 0]);
  say("frame", { n: 1, weights: [0.5, 0.25], head: [0, 0, 0, 1, 0, 0, 0] });
  say("frame", { n: 2, weights: null, head: null });
  assert.deepEqual(found.weights, [0.5, 0.25]);
  assert.deepEqual(found.head, [0, 0, 0, 1, 0, 0, 0]);
  assert.equal(told.frames, 1);
});

test("the line says how frames come, what to send while none do, and that the server is gone", () => {
  const { found, told, say, events } = live();
  assert.match(found.line(), /Nothing comes at 127\.0\.0\.1:11111\. Send: voxface live --to livelink:/);
  say("timing", TIMING);
  assert.equal(found.line(), "me · 59.9 fps · jitter 2.1 ms · age 4 ms · 1 lost");
  say("timing", { ...TIMING, age_ms: null });
  assert.equal(found.line(), "me · 59.9 fps · jitter 2.1 ms · 1 lost");
  events.dispatchEvent(new Event("error"));
  assert.match(found.line(), /does not answer/);
  say("timing", { frames: 9, ignored: 3, fps: 0, jitter_ms: null, lost: 0, age_ms: null });
  assert.match(found.line(), /3 packets were none of Live Link/);
  assert.equal(told.lines, 4);
});
