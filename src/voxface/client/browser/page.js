// The example page: a microphone or a recording → a face of lines, all channels as bars, and the latency.

import { Voice } from "./voxface.js";

const at = (id) => document.getElementById(id);
const url = `${location.protocol.replace("http", "ws")}//${location.host}/v1/stream`;

const delay = Number(new URLSearchParams(location.search).get("delay") ?? 0.2); // seconds, as in /client/?delay=0.5

let context = null;
let voice = null;
let source = null;

/** A fresh voice for a new source; a browser lets sound begin only after a click. */
async function start() {
  source?.stop?.();
  voice?.close();
  context ??= new AudioContext({ latencyHint: "interactive" });
  await context.resume();
  const [bundle, token] = [at("bundle").value, at("token").value || undefined];
  voice = await Voice.open(context, { url, bundle, token, delay });
  voice.addEventListener("error", ({ detail }) => tell(`${detail.code}: ${detail.message} ${detail.hint}`));
  voice.addEventListener("gone", ({ detail }) => detail.retry_s && tell(`The server is gone; again in ${detail.retry_s} s.`));
  at("interrupt").disabled = false;
  Object.assign(window, { context, voice }); // for tests and for the curious
}

async function useMicrophone() {
  const media = await navigator.mediaDevices.getUserMedia({ audio: true });
  await start();
  source = voice.listen(media);
}

/** What is played is heard as much later as it is seen. */
async function play(file) {
  await start();
  const buffer = await context.decodeAudioData(await file.arrayBuffer());
  voice.output.connect(context.destination);
  source = voice.listen(new AudioBufferSourceNode(context, { buffer }));
  source.start();
}

function interrupt() {
  source?.stop?.();
  voice.interrupt();
}

const tell = (text) => (at("said").textContent = text);
const or = (work) => (event) => Promise.resolve(work(event)).catch((error) => tell(String(error.message ?? error)));
at("microphone").onclick = or(useMicrophone);
at("file").onchange = or(({ target }) => target.files[0] && play(target.files[0]));
at("interrupt").onclick = interrupt;

// ---- what is seen ----------------------------------------------------------------------------------------------------

let frames = 0;

function draw() {
  requestAnimationFrame(draw);
  if (!voice) return;
  const face = voice.weights(context.currentTime);
  if (frames++ % 4 === 0) drawBars(face); // nobody reads numbers faster
  drawFace((name) => face.get(name) ?? 0);
  if (voice.state !== "ready") return;
  const ms = (seconds) => `${Math.round(1000 * seconds)} ms`;
  const { declared, measured, delay, ahead, late } = voice.latency;
  tell(`sound to face ${ms(measured)} (declared ${ms(declared)}) · shown after ${ms(delay)} · ${ms(ahead)} in hand · ${late} late`);
}

/** All channels in two columns, on a canvas: hundreds of elements would take longer than a frame has. */
function drawBars(face) {
  const paint = at("bars").getContext("2d");
  const { width, height } = paint.canvas;
  const rows = Math.ceil(face.size / 2) || 1;
  const step = height / rows;
  const { color, borderColor, outlineColor } = getComputedStyle(paint.canvas);
  paint.clearRect(0, 0, width, height);
  paint.font = `${Math.round(0.72 * step)}px system-ui, sans-serif`;
  paint.textBaseline = "middle";
  [...face].forEach(([name, weight], place) => {
    const x = place < rows ? 0 : width / 2 + 10;
    const y = (place % rows) * step;
    const bar = width / 2 - 400;
    paint.fillStyle = color;
    paint.fillText(name, x, y + step / 2);
    paint.fillText(weight.toFixed(2), x + 320 + bar + 8, y + step / 2);
    paint.fillStyle = outlineColor;
    paint.fillRect(x + 320, y + 0.3 * step, bar * weight, 0.4 * step);
    paint.fillStyle = borderColor;
    paint.fillRect(x + 320 + bar * weight, y + 0.3 * step, bar * (1 - weight), 0.4 * step);
  });
}

/** The face's left is on our right. */
function drawFace(weight) {
  const both = (name) => (weight(`${name}Left`) + weight(`${name}Right`)) / 2;
  for (const [side, x] of [["Left", 34], ["Right", -34]]) {
    const eye = at(`eye${side}`);
    const look = weight(`eyeLook${side === "Left" ? "Out" : "In"}${side}`) - weight(`eyeLook${side === "Left" ? "In" : "Out"}${side}`);
    eye.setAttribute("transform", `translate(${x} -30)`);
    eye.children[0].setAttribute("ry", String(Math.max(0.8, 9 * (1 - weight(`eyeBlink${side}`)))));
    eye.children[1].setAttribute("cx", String(8 * look));
    eye.children[1].setAttribute("r", String(weight(`eyeBlink${side}`) > 0.6 ? 0 : 6));
    const inner = -52 - 14 * weight("browInnerUp") + 10 * weight(`browDown${side}`);
    const outer = -52 - 10 * weight(`browOuterUp${side}`) + 6 * weight(`browDown${side}`);
    at(`brow${side}`).setAttribute("d", `M${Math.sign(x) * 18} ${inner} Q${x} ${(inner + outer) / 2 - 6} ${Math.sign(x) * 50} ${outer}`);
  }
  const wide = 30 * (1 + 0.35 * both("mouthSmile") + 0.2 * both("mouthStretch") - 0.5 * weight("mouthPucker") - 0.35 * weight("mouthFunnel"));
  const open = 90 * Math.max(0, weight("jawOpen") - weight("mouthClose")) + 9 * both("mouthLowerDown");
  const up = 6 * both("mouthUpperUp");
  const corner = 52 - 12 * both("mouthSmile") + 9 * both("mouthFrown");
  at("mouth").setAttribute("d", `M${-wide} ${corner} Q0 ${50 - up} ${wide} ${corner} Q0 ${54 + 2 * open} ${-wide} ${corner}Z`);
  const [w, , y, z] = voice.head;
  at("features").setAttribute("transform", `translate(${(80 * y * Math.sign(w)).toFixed(1)} 0) rotate(${(-114 * z * Math.sign(w)).toFixed(1)})`);
}

draw();
