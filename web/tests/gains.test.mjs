// Gains are the same numbers and the same file here and in `voxface animate --gains`.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { source } from "./source.mjs";

const { over, tidy, toToml, fromToml, tuned, NEUTRAL } = await source("gains.ts");
const { ARKIT, REGIONS, regionOf } = await source("regions.ts");

const python = process.env.VOXFACE_PYTHON; // an interpreter with voxface installed
const ask = (code, ...args) => JSON.parse(execFileSync(python, ["-c", code, ...args], { encoding: "utf8" }));
const needsPython = { skip: python ? false : "VOXFACE_PYTHON names no Python with voxface" };

const GAINS = { gain: { jawOpen: 1.25, mouthSmileLeft: 0 }, offset: { mouthClose: -0.05, jawOpen: 0.1 } };

test("a weight becomes weight * gain + offset within 0 and 1; other channels pass", () => {
  const channels = ["jawOpen", "mouthSmileLeft", "mouthClose", "eyeBlinkLeft", "headYaw"];
  const into = new Float32Array(5);
  over(GAINS, channels)(Float32Array.of(0.4, 0.9, 0.02, 0.5, -2), into);
  assert.deepEqual([...into].map((value) => Math.round(value * 1e6) / 1e6), [0.6, 0, 0, 0.5, -2]);
  over(GAINS, channels)(Float32Array.of(0.9, 0, 0, 0, 0), into);
  assert.equal(into[0], 1);
});

test("neutral gains change nothing", () => {
  const values = Float32Array.from(ARKIT, (_, at) => at / 52);
  const into = new Float32Array(52);
  over(NEUTRAL, ARKIT)(values, into);
  assert.deepEqual(into, values);
  assert.equal(tuned(NEUTRAL), 0);
});

test("the TOML holds only what differs, and is read back as it was written", () => {
  const text = toToml({ gain: { jawOpen: 1.25, mouthClose: 1, cheekPuff: 2 }, offset: { jawOpen: 0, tongueOut: -0.1 } });
  assert.match(text, /\[gain\]\ncheekPuff = 2\.0\njawOpen = 1\.25\n\n\[offset\]\ntongueOut = -0\.1\n$/);
  assert.deepEqual(fromToml(text), { gain: { jawOpen: 1.25, cheekPuff: 2 }, offset: { tongueOut: -0.1 } });
  assert.deepEqual(fromToml(toToml(NEUTRAL)), NEUTRAL);
});

test("sums of sliders are written as people would: 0.1 + 0.2 is 0.3", () => {
  assert.match(toToml({ gain: {}, offset: { jawOpen: 0.1 + 0.2 } }), /jawOpen = 0\.3\n/);
});

test("a region's gain times a channel's stays what a file may hold", () => {
  assert.equal(tidy(10 * 3), 10);
  assert.match(toToml({ gain: { jawOpen: 30 }, offset: {} }), /jawOpen = 10\.0\n/);
});

test("a file that people wrote: comments, quotes, spaces, [idle], CRLF, a byte order mark", () => {
  const text = '\uFEFF# mine\r\n[gain]\r\n"jawOpen" = 1 # wider\r\n mouthClose=+.5\r\n[idle]\r\nblink = "often"\r\n';
  assert.deepEqual(fromToml(text), { gain: { jawOpen: 1, mouthClose: 0.5 }, offset: {} });
});

for (const [what, text, sentence] of [
  ["an unknown table", "[gains]", /Line 1: the table \[gains\]/],
  ["an unknown channel", "[gain]\njawOpne = 1", /Line 2: jawOpne is no ARKit channel/],
  ["a number out of range", "[offset]\njawOpen = 11", /Line 2: jawOpen must be from -10 to 10/],
  ["a line outside of tables", "jawOpen = 1", /Line 1: jawOpen = 1 is no/],
  ["a word for a number", "[gain]\njawOpen = much", /Line 2: jawOpen = much is no/],
]) {
  test(`${what} is refused with its line`, () => assert.throws(() => fromToml(text), sentence));
}

test("the regions hold the 52 channels once each", () => {
  assert.equal(ARKIT.length, 52);
  assert.equal(new Set(ARKIT).size, 52);
  for (const region of REGIONS) for (const name of region.channels) assert.equal(regionOf(name), region);
});

test("the channels are those of voxface.ARKIT, in its order", needsPython, () => {
  assert.deepEqual(ARKIT, ask("import json, voxface; print(json.dumps(voxface.ARKIT))"));
});

test("Python reads the TOML and makes of a frame what the page makes of it", needsPython, () => {
  const values = Float32Array.from(ARKIT, (_, at) => ((at * 7) % 52) / 52);
  const here = new Float32Array(52);
  over(GAINS, ARKIT)(values, here);
  const code = `
import json, sys, tempfile, numpy as np
from pathlib import Path
from voxface import ARKIT
from voxface.runtime.polish import load_polish
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "gains.toml"
    path.write_text(sys.argv[1])
    polish = load_polish(path)
frame = np.array([json.loads(sys.argv[2])], np.float32)
print(json.dumps(polish.over(ARKIT)(frame)[0].tolist()))`;
  const there = ask(code, toToml(GAINS), JSON.stringify([...values]));
  there.forEach((value, at) => assert.ok(Math.abs(value - here[at]) < 1e-6, `${ARKIT[at]}: ${value} ${here[at]}`));
});
