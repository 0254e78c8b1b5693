// Which channel moves which target, on heads as other tools name them; and what a VRM or a damaged file says of itself.
import assert from "node:assert/strict";
import test from "node:test";
import { source } from "./source.mjs";

const { ARKIT, match, reduce } = await source("stage/names.ts");
const { expressionTargets, headNode, isHead, readDocument } = await source("stage/document.ts");
const { settled } = await source("stage/headpose.ts");

const CASES = [
  ["jawOpen", "jawOpen", "as it is"],
  ["JawOpen", "jawOpen", "Unreal's capitals"],
  ["jaw_open", "jawOpen", "underscores"],
  ["Jaw_Open", "jawOpen", "Character Creator"],
  ["blendShape1.eyeBlink_L", "eyeBlinkLeft", "Face Cap"],
  ["head_blendShape.mouthSmileRight", "mouthSmileRight", "Maya"],
  ["Wolf3D_Head.mouthClose", "mouthClose", "a mesh's name before it"],
  ["Face:mouthLowerDown_R", "mouthLowerDownRight", "a name space"],
  ["Mouth_Smile_L", "mouthSmileLeft", "every word apart"],
  ["mouth_left", "mouthLeft", "a side that is the channel itself"],
  ["jaw_R", "jawRight", "the same with one letter"],
  ["browInnerUp_L", "browInnerUp", "ICT splits it in two"],
  ["cheekPuff_R", "cheekPuff", "ICT splits it in two"],
  ["blink_l", "eyeBlinkLeft", "VRM 0"],
  ["blinkRight", "eyeBlinkRight", "VRM 1"],
  ["Fcl_EYE_Close_L", "eyeBlinkLeft", "VRoid"],
  ["mouthOpen", null, "Ready Player Me's own, beside jawOpen"],
  ["mouthSmile", null, "both sides: would be moved twice"],
  ["Key 1", null, "nobody knows"],
  ["left", null, "a side alone"],
  ["", null, "no name at all"],
];

for (const [target, channel, why] of CASES) {
  test(`${JSON.stringify(target)} is moved by ${channel}: ${why}`, () => {
    const [link] = match(ARKIT, [target]).links;
    assert.equal(link?.source ?? null, channel);
  });
}

test("vowels and blink move a head without ARKit names, and only such a head", () => {
  const vowels = ["aa", "Fcl_MTH_I", "vrc.v_ou", "viseme_E", "o", "Blink"];
  const sources = match(ARKIT, vowels).links.map(({ source, reduced }) => [source, reduced]);
  assert.deepEqual(sources, ["aa", "ih", "ou", "ee", "oh", "blink"].map((name) => [name, true]));
  assert.deepEqual(match(ARKIT, [...ARKIT, ...vowels]).unused, vowels);
});

test("the report lists what moves, what is missing and what nothing moves", () => {
  const found = match(["jawOpen", "tongueOut"], ["JawOpen", "teeth_jawOpen", "hat"]);
  assert.deepEqual([found.matched, found.missing, found.unused], [["jawOpen"], ["tongueOut"], ["hat"]]);
  assert.equal(found.links.length, 2);
});

test("reduced vowels stay within [0, 1] and never sum to more than 1", () => {
  const into = { aa: 0, ih: 0, ou: 0, ee: 0, oh: 0, blink: 0 };
  for (let bits = 0; bits < 256; bits++) {
    const names = ["jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmile", "mouthStretch", "mouthDimple"];
    reduce((name) => (bits >> names.findIndex((known) => name.startsWith(known))) & 1, into);
    const mouth = into.aa + into.ih + into.ou + into.ee + into.oh;
    assert.ok(mouth <= 1 + 1e-9 && Object.values(into).every((value) => value >= 0 && value <= 1));
  }
  reduce((name) => Number(name === "jawOpen" || name.startsWith("eyeBlink")), into);
  assert.deepEqual([into.aa, into.blink], [1, 1]);
});

test("heads are found by the names of their joints", () => {
  const heads = ["head", "Head", "mixamorig:Head", "mixamorigHead", "CC_Base_Head", "J_Bip_C_Head", "DEF-head"];
  assert.ok(heads.every(isHead));
  assert.ok(!["HeadTop_End", "forehead", "Headphones", "neck"].some(isHead));
  assert.equal(headNode({ nodes: [{ name: "Head", mesh: 0 }, { name: "Bip Head" }] }), 1);
  assert.equal(headNode({ extensions: { VRMC_vrm: { humanoid: { humanBones: { head: { node: 7 } } } } } }), 7);
});

test("expressions of VRM 0 and 1 say which targets they move and how far", () => {
  const group = { presetName: "a", name: "A", binds: [{ mesh: 3, index: 5, weight: 80 }] };
  const vrm0 = { nodes: [{}, { mesh: 3 }], extensions: { VRM: { blendShapeMaster: { blendShapeGroups: [group] } } } };
  assert.deepEqual(expressionTargets(vrm0), [{ name: "a", node: 1, index: 5, gain: 0.8 }]);
  const jaw = { morphTargetBinds: [{ node: 2, index: 4, weight: 1 }] };
  const vrm1 = { extensions: { VRMC_vrm: { expressions: { custom: { JawOpen: jaw } } } } };
  assert.deepEqual(expressionTargets(vrm1), [{ name: "JawOpen", node: 2, index: 4, gain: 1 }]);
});

const BROKEN = [
  [{ asset: { version: "2.0" }, extensionsUsed: ["KHR_draco_mesh_compression"] }, /Draco/],
  [{ asset: { version: "2.0" }, extensionsRequired: ["EXT_meshopt_compression"] }, /Meshopt/],
  [{ asset: { version: "2.0" }, extensionsUsed: ["KHR_texture_basisu"] }, /KTX2/],
  [{ asset: { version: "2.0" }, buffers: [{ uri: "body.bin" }] }, /another file, body\.bin/],
  [{ asset: { version: "2.0" }, images: [{ uri: "http://example.org/skin.png" }] }, /another file/],
  [{ asset: { version: "1.0" } }, /version 2 is needed/],
  [{ hello: "world" }, /no glTF/],
];

for (const [json, sentence] of BROKEN) {
  test(`a file is refused before anything is fetched: ${sentence}`, () => {
    assert.throws(() => readDocument(new TextEncoder().encode(JSON.stringify(json)).buffer), sentence);
  });
}

test("bytes that are no head are refused with a sentence", () => {
  const cut = Uint8Array.from([...new TextEncoder().encode("glTF"), 2, 0, 0, 0, 255, 0, 0, 0, ...Array(20).fill(1)]);
  assert.throws(() => readDocument(cut.buffer), /cut off/);
  assert.throws(() => readDocument(new ArrayBuffer(0)), /no 3-D head/);
  assert.throws(() => readDocument(new Uint8Array(64).fill(200).buffer), /no 3-D head/);
});

test("head poses step away from their median place, 3 cm at most, and turn as they did", () => {
  const rows = Float32Array.from([0.1, 0, 5, 1, 0, 0, 0, 0.12, 0, 5, 0.8, 0.6, 0, 0, 0.2, 1, 5, 1, 0, 0, 0]);
  const steps = settled(rows);
  const near = (values, wanted) => values.forEach((value, at) => assert.ok(Math.abs(value - wanted[at]) < 1e-6));
  near(steps.slice(0, 7), [-0.02, 0, 0, 1, 0, 0, 0]);
  near(steps.slice(7, 14), [0, 0, 0, 0.8, 0.6, 0, 0]);
  near(steps.slice(14, 17), [0.03, 0.03, 0]);
  assert.equal(rows[2], 5); // the clip itself stays
});
