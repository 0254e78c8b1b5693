// What the desk draws and says is what the numbers are, however long the clip.
import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { Curve, Rows, curvesOfPeaks } = await source("desk/series.ts");
const { Timeline, clock, rulerStep } = await source("desk/timeline.ts");
const { difference, tune, activity } = await source("desk/compare.ts");
const { headCurves } = await source("desk/headlanes.ts");
const { clipOf } = await source("clip.ts");
const { sources } = await source("desk/sources.ts");
const { lipGap, lipGains } = await source("desk/lips.ts");
const { NEUTRAL } = await source("gains.ts");

/** A curve of `count` values among `stride` others, that a person could not guess. */
function wild(count, stride = 3, first = 1, rate = 60, startS = 0) {
  const data = new Float32Array(count * stride);
  let seed = 1;
  for (let at = 0; at < data.length; at++) data[at] = (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  return new Curve(new Rows(data, stride, rate, startS), first);
}

const plain = (data, rate, startS) => new Curve(new Rows(data, 1, rate, startS), 0);

/** Lowest and highest under a column, the slow way: every value and both ends of the line. */
function slow(curve, fromS, toS) {
  const { count, rate, startS } = curve.rows;
  const inside = [];
  for (let at = 0; at < count; at++) {
    const second = startS + at / rate;
    if (second >= fromS - 1e-9 && second <= toS + 1e-9) inside.push(curve.at(second));
  }
  const ends = [fromS, toS].map((second) => Math.min(Math.max(second, startS), curve.endS));
  const all = [...inside, ...ends.map((second) => curve.at(second))];
  return [Math.min(...all), Math.max(...all)];
}

for (const [count, view] of [
  [5000, { fromS: 0, toS: 5000 / 60 }],
  [5000, { fromS: 11.3, toS: 12.1 }],
  [70_000, { fromS: 3, toS: 1100 }],
  [40, { fromS: 0, toS: 0.66 }],
]) {
  test(`columns of ${count} values, ${view.fromS} to ${view.toS} s, are their lowest and highest values`, () => {
    const curve = wild(count);
    const [lows, highs] = [new Float32Array(50), new Float32Array(50)];
    curve.columns(view, lows, highs);
    const width = (view.toS - view.fromS) / 50;
    for (let x = 0; x < 50; x++) {
      const [low, high] = slow(curve, view.fromS + x * width, view.fromS + (x + 1) * width);
      assert.ok(Math.abs(lows[x] - low) < 1e-4 && Math.abs(highs[x] - high) < 1e-4, `column ${x}`);
    }
  });
}

test("where a clip has no frames its lane is empty", () => {
  const [lows, highs] = [new Float32Array(4), new Float32Array(4)];
  wild(60, 1, 0, 60, 2).columns({ fromS: 0, toS: 8 }, lows, highs); // 2 s to 3 s of 8 s
  assert.deepEqual([...lows].map(Number.isNaN), [true, false, true, true]);
  const none = wild(0);
  none.columns({ fromS: 0, toS: 1 }, lows, highs);
  assert.ok([...highs].every(Number.isNaN));
  assert.ok(Number.isNaN(none.at(0)));
  assert.deepEqual(none.range(), [0, 0]);
});

test("a million frames: the highest value of all is found in a column", () => {
  const data = new Float32Array(1_000_000);
  data[654_321] = 0.7;
  const curve = plain(data, 60, 0);
  const [lows, highs] = [new Float32Array(300), new Float32Array(300)];
  curve.columns({ fromS: 0, toS: data.length / 60 }, lows, highs);
  assert.deepEqual([...highs].flatMap((value, x) => (value > 0 ? [x] : [])), [Math.floor((654_321 / 1_000_000) * 300)]);
  assert.ok(Math.abs(activity(curve) - 0.7) < 1e-6);
});

test("peaks become two curves", () => {
  const { low, high } = curvesOfPeaks({ perSecond: 200, pairs: Int16Array.of(-5, 7, -9, 11) });
  assert.deepEqual([low.range(), high.range()], [[-9, -5], [7, 11]]);
});

test("values at a time lie between frames, and hold beyond them", () => {
  const curve = plain(Float32Array.of(0, 1), 10, 5);
  assert.ok(Math.abs(curve.at(5.025) - 0.25) < 1e-9);
  assert.deepEqual([curve.at(0), curve.at(9)], [0, 1]);
});

test("mean difference and correlation are the textbook's, over the time that both share", () => {
  const a = plain(Float32Array.of(9, 0, 1, 0, 1, 9), 10, 0);
  const b = plain(Float32Array.of(0.5, 1, 0.5, 1), 10, 0.1);
  const { meanAbs, r } = difference(a, b);
  assert.ok(Math.abs(meanAbs - 0.25) < 1e-6 && Math.abs(r - 1) < 1e-6, `${meanAbs} ${r}`);
  const halved = difference(a, b, (value) => tune(value, { gain: 0.5, offset: 0.5 }));
  assert.ok(halved.meanAbs < 1e-6);
});

test("a curve that rests has no correlation, and clips that share no time have no difference", () => {
  const rest = plain(new Float32Array(60), 60, 0);
  assert.ok(Number.isNaN(difference(wild(60), rest).r));
  assert.ok(Number.isNaN(difference(wild(60), wild(60, 1, 0, 60, 100)).meanAbs));
});

test("head pose is told in degrees and centimetres: yaw to the left, pitch down, roll", () => {
  const half = Math.PI / 180 / 2;
  const turned = (axis, degrees) => {
    const row = [0.01, -0.02, 0.03, Math.cos(degrees * half), 0, 0, 0];
    row[4 + axis] = Math.sin(degrees * half);
    return row;
  };
  const head = Float32Array.from([turned(1, 20), turned(0, 10), turned(2, -5)].flat());
  const clip = { head, frames: 3, fps: 1, startS: 0 };
  const frame = (second) => headCurves(clip).map((curve) => Math.round(curve.at(second) * 1000) / 1000 || 0);
  assert.deepEqual(frame(0), [20, 0, 0, 1, -2, 3]);
  assert.deepEqual(frame(1), [0, 10, 0, 1, -2, 3]);
  assert.deepEqual(frame(2), [0, 0, -5, 1, -2, 3]);
  assert.deepEqual(headCurves({ ...clip, head: null }), []);
});

test("emotions are lanes from 0 to 1, of the clip that has them", () => {
  const info = { id: "c1", name: "a.json", fps: 2, start_s: 1, frames: 2, channels: ["jawOpen"], unknown: [], observed: [true] };
  const numbers = Float32Array.from([0.5, 0.6, ...Array(14).fill(0), 0.9, 0, 0, 0.1, 0, 0, 0, 0.7, 0, 0, 0.3, 0, 0, 0]);
  const felt = clipOf({ ...info, head: true, emotion: true }, numbers.buffer);
  const calm = clipOf({ ...info, head: false, emotion: false }, numbers.slice(0, 2).buffer);
  const lanes = sources(calm, felt).filter(({ region }) => region === "emotion");
  assert.deepEqual(lanes.map(({ name }) => name), "Angry Disgusted Fearful Happy Neutral Sad Surprised".split(" "));
  const read = (name) => lanes.find((lane) => lane.name === name).b.at(1.25).toFixed(3);
  assert.deepEqual([read("Angry"), read("Happy"), read("Sad")], ["0.800", "0.200", "0.000"]);
  assert.ok(lanes.every(({ a, scale }) => a === null && scale[0] === 0 && scale[1] === 1));
  assert.deepEqual(sources(calm, null).filter(({ region }) => region === "emotion"), []);
  assert.throws(() => clipOf({ ...info, head: true, emotion: false }, numbers.buffer), /Load the page again/);
});

test("the lip gap is the house's formula, under gains, and none without its channels", () => {
  const parts = { jawOpen: 0.5, mouthClose: 0.2, mouthLowerDownLeft: 0.4, mouthLowerDownRight: 0.4 };
  const all = { eyeBlinkLeft: 1, ...parts, mouthUpperUpLeft: 0.2, mouthUpperUpRight: 0 };
  const clip = { channels: Object.keys(all), weights: Float32Array.from(Object.values(all)), frames: 1, fps: 1, startS: 0 };
  assert.ok(Math.abs(lipGap(clip, NEUTRAL).at(0) - (0.5 - 0.2 + 0.125 * (0.4 + 0.4 + 0.2))) < 1e-6);
  const gains = { gain: { jawOpen: 3, mouthClose: 0 }, offset: {} };
  assert.ok(Math.abs(lipGap(clip, gains).at(0) - (1 + 0.125)) < 1e-6); // 3 * 0.5 is clipped to 1
  assert.notEqual(lipGains(gains), lipGains(NEUTRAL));
  assert.equal(lipGap({ ...clip, channels: ["jawOpen"], weights: new Float32Array(1) }, NEUTRAL), null);
});

test("zooming keeps the second under the pointer, and stays within the recording", () => {
  const timeline = new Timeline(() => {}, () => {});
  timeline.reset(10);
  timeline.zoom(0.5, 4);
  assert.ok(Math.abs(timeline.share(4) - 0.4) < 1e-9);
  timeline.zoom(100, 4);
  assert.deepEqual(timeline.view, { fromS: 0, toS: 10 });
  timeline.zoom(1e-6, 10);
  assert.ok(timeline.view.toS - timeline.view.fromS >= 0.05 - 1e-9 && timeline.view.toS <= 10);
  timeline.pan(-99);
  assert.equal(timeline.view.fromS, 0);
});

test("the page turns when playing leaves it, but not when a person looks elsewhere", () => {
  const timeline = new Timeline(() => {}, () => {});
  timeline.reset(100);
  timeline.zoom(0.1, 0); // 0 to 10 s
  timeline.move(9.9);
  timeline.move(10.1);
  assert.ok(timeline.view.fromS > 9 && timeline.view.fromS <= 10.1);
  timeline.pan(50);
  const away = timeline.view;
  timeline.move(10.2);
  assert.deepEqual(timeline.view, away);
});

test("a loop stays within the recording", () => {
  const timeline = new Timeline(() => {}, () => {});
  timeline.reset(3);
  timeline.setLoop([-1, 9]);
  assert.deepEqual(timeline.loop, [0, 3]);
});

test("times are written for people", () => {
  assert.equal(clock(75.5), "1:15.50");
  assert.equal(clock(59.999), "1:00.00");
  assert.equal(clock(3599.999, 0), "1:00:00");
  assert.equal(clock(-0.001), "0:00.00");
  assert.equal(rulerStep({ fromS: 0, toS: 11 }, 6), 2);
});
