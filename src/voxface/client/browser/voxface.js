// Sound of a page → a voxface server → the face that is due now, on the clock of the page's AudioContext.
//
//   const voice = await Voice.open(context, { url: "ws://127.0.0.1:5000/v1/stream" });
//   voice.listen(await navigator.mediaDevices.getUserMedia({ audio: true }));   // or any AudioNode
//   each frame: for (const [name, weight] of voice.weights(context.currentTime)) …
//
// Needs worklet.js beside it, and nothing else. Docs: docs/clients.md. The protocol: docs/live.md.

const FRAME = 236; // bytes: uint32 number, float64 seconds, 52 float32 weights, 4 float32 of the head's quaternion
const WEIGHTS = 52;
const HOLD_S = 0.25; // how long the last face stays when no newer one came; in the same time more it goes to rest
const GAP_S = 0.1; // faces further apart belong to different moments: nothing is drawn between them
const RETRY_S = [0.5, 10]; // first and longest wait before connecting again
const FINAL = ["E-HELLO", "E-TOKEN", "E-PACKET", "E-ORDER"]; // errors that another try would only meet again

/**
 * @typedef {object} Options
 * @property {string} url of the server's WebSocket, ws:// or wss://
 * @property {number} [fps] frames per second, 1 to 240
 * @property {string} [bundle] a model that the server has
 * @property {boolean} [idle] eyes, brows and head move by themselves
 * @property {string | Record<string, number>} [emotion] a name or weights; left out: what is heard
 * @property {string} [token] where the server needs one
 * @property {number} [delay] seconds from sound to face; what `output` plays is as late. See `latency`
 * @property {boolean} [retry] connect again when the server went away; true if left out
 */

/**
 * One voice and its face.
 *
 * Events, each a CustomEvent: "ready" (what the server offers), "interrupted", "done" (after `end`), "error" (code,
 * message, hint), "gone" (retry_s: seconds until it connects again, or null).
 */
export class Voice extends EventTarget {
  /** Names of the weights, in the order of `values`; empty before "ready". @type {readonly string[]} */
  names = [];
  /** What `weights` gave last, in the order of `names`. */
  values = new Float32Array(WEIGHTS);
  /** The head's turn as `weights` left it: unit quaternion w, i, j, k; +X is the face's left, +Y up, +Z its front. */
  head = new Float32Array([1, 0, 0, 0]);
  /** "connecting", "ready", "gone" or "closed". */
  state = "connecting";
  /** Sound goes in here: what `listen` connects to. @type {GainNode} */
  input;
  /** The same sound, `delay` later, in step with the face: connect it to what should be heard. @type {GainNode} */
  output;

  #context;
  #options;
  #ear;
  #socket = /** @type {WebSocket | null} */ (null);
  #frames = /** @type {{due: number, weights: Float32Array, head: Float32Array}[]} */ ([]); // oldest first
  #marks = /** @type {{t: number, due: number}[]} */ ([]); // from second t of the session on: when that is shown
  #cut = /** @type {{t?: number, first?: number} | null} */ (null); // sound begins anew: where in the session, and when
  #asked = 0; // interrupts without an answer
  #since = 0; // sound from before the last interrupt may still be on its way to us: seconds of the context's clock
  #map = new Map();
  #lags = /** @type {number[]} */ ([]); // seconds from sound to frame
  #late = 0;
  #retryAt = 0; // seconds of the context's clock
  #wait = RETRY_S[0];
  #problem = "";

  /** Load the worklet and connect. @param {AudioContext} context @param {Options} options @returns {Promise<Voice>} */
  static async open(context, options) {
    await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    return new Voice(context, options);
  }

  /** Use `open`. @param {AudioContext} context @param {Options} options */
  constructor(context, options) {
    super();
    this.#context = context;
    this.#options = { fps: 60, bundle: "default", delay: 0.2, retry: true, ...options };
    this.input = new GainNode(context);
    this.output = new GainNode(context);
    const delayTime = this.#options.delay;
    this.input.connect(new DelayNode(context, { delayTime, maxDelayTime: delayTime + 1 })).connect(this.output);
    const mono = /** @type {const} */ ({ channelCount: 1, channelCountMode: "explicit" });
    this.#ear = new AudioWorkletNode(context, "voxface-ear", { numberOfOutputs: 0, ...mono });
    this.#ear.port.onmessage = ({ data }) => this.#hear(data);
    this.input.connect(this.#ear);
    this.#connect();
  }

  /** Hear a microphone or another stream, or a node of the context. @param {MediaStream | AudioNode} source */
  listen(source) {
    const node = source instanceof AudioNode ? source : new MediaStreamAudioSourceNode(this.#context, { mediaStream: source });
    node.connect(this.input);
    return node;
  }

  /**
   * The face that is due at a time of the context: name → weight, 0 to 1. The same Map each time; call it in order.
   * @param {number} now @returns {ReadonlyMap<string, number>}
   */
  weights(now = this.#context.currentTime) {
    const frames = this.#frames;
    while (frames.length > 1 && frames[1].due <= now) frames.shift();
    const [first, next] = frames;
    const span = next ? next.due - first.due : Infinity;
    const due = first && first.due <= now;
    const share = due && span < GAP_S ? (now - first.due) / span : 0;
    const keep = due && span >= GAP_S ? Math.max(0, Math.min(1, 2 - (now - first.due) / HOLD_S)) : Number(due ?? 0);
    const between = (/** @type {number} */ a, /** @type {number} */ b) => keep * (a + share * (b - a));
    for (let at = 0; at < this.names.length; at++) {
      this.values[at] = first ? between(first.weights[at], (next ?? first).weights[at]) : 0;
      this.#map.set(this.names[at], this.values[at]);
    }
    if (due) this.head.forEach((_, at) => (this.head[at] = first.head[at] + share * ((next ?? first).head[at] - first.head[at])));
    return this.#map;
  }

  /**
   * Seconds. declared: what the server says that it needs; measured: from sound to frame, 95 of 100 of the last; delay:
   * as chosen, should be more than that; ahead: frames in hand. late: how many frames came after they were due.
   */
  get latency() {
    const sorted = [...this.#lags].sort((a, b) => a - b);
    const ahead = Math.max(0, (this.#frames.at(-1)?.due ?? 0) - this.#context.currentTime);
    const measured = sorted[Math.floor(sorted.length * 0.95)] ?? 0;
    return { declared: this.declared ?? 0, measured, delay: this.#options.delay, ahead, late: this.#late };
  }

  /** Stop speaking: the mouth comes to rest within 120 ms, and what `output` had still to play is not heard. */
  interrupt() {
    const { gain } = this.output;
    const now = this.#context.currentTime;
    this.#since = now;
    gain.cancelScheduledValues(now).setValueAtTime(0, now).setValueAtTime(1, now + this.#options.delay);
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send('{"type":"interrupt"}');
    this.#cut = {};
    this.#asked += 1;
  }

  /** No more sound will come: the last frames arrive, then "done". */
  end() {
    this.#ear.port.onmessage = null;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send('{"type":"end"}');
  }

  /** Leave the server and the sound. */
  close() {
    this.state = "closed";
    this.#ear.port.onmessage = null;
    this.input.disconnect();
    this.#socket?.close(1000);
  }

  #connect() {
    const { url, fps, bundle, idle, emotion, token } = this.#options;
    const socket = (this.#socket = new WebSocket(url));
    socket.binaryType = "arraybuffer";
    this.state = "connecting";
    this.#problem = "";
    this.#asked = 0;
    this.#marks = [];
    this.#cut = { t: 0 };
    const hello = { type: "hello", version: 1, rate_hz: this.#context.sampleRate, fps, bundle, idle, emotion, token };
    socket.onopen = () => socket.send(JSON.stringify(hello));
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.#read(JSON.parse(data)) : this.#take(data));
    socket.onclose = ({ code }) => this.#lose(code);
  }

  /** A packet of the worklet. @param {{first: number, samples: Int16Array}} packet */
  #hear({ first, samples }) {
    const socket = this.#socket;
    if (this.state === "gone" && first >= this.#retryAt) this.#connect();
    if (socket?.readyState !== WebSocket.OPEN || first < this.#since) return;
    if (socket.bufferedAmount > 4 * this.#context.sampleRate) return socket.close(); // 2 s wait: the network is gone
    socket.send(samples);
    if (this.#cut) this.#cut.first ??= first;
    this.#resume();
  }

  /** Sound that begins anew is tied to the clock when both its place in the session and its time are known. */
  #resume() {
    const { t, first } = this.#cut ?? {};
    if (t === undefined || first === undefined) return;
    this.#marks.push({ t, due: first + this.#options.delay });
    this.#cut = null;
  }

  /** Frames. @param {ArrayBuffer} data */
  #take(data) {
    const view = new DataView(data);
    const now = this.#context.currentTime;
    for (let at = 0; at + FRAME <= data.byteLength; at += FRAME) {
      const t = view.getFloat64(at + 4, true);
      const mark = this.#marks.findLast((one) => one.t <= t + 1e-6);
      if (!mark) continue;
      const due = mark.due + t - mark.t;
      this.#lags.push(now - due + this.#options.delay);
      if (due < now) this.#late += 1;
      if (due <= (this.#frames.at(-1)?.due ?? -1)) continue;
      const weights = new Float32Array(data, at + 12, WEIGHTS);
      this.#frames.push({ due, weights, head: new Float32Array(data, at + 12 + 4 * WEIGHTS, 4) });
    }
    this.#lags.splice(0, this.#lags.length - 200);
  }

  /** A message. @param {any} said */
  #read(said) {
    if (said.type === "ready") {
      this.names = said.names;
      this.declared = said.latency_ms / 1000;
      this.state = "ready";
      this.#wait = RETRY_S[0];
    } else if (said.type === "interrupted" && --this.#asked === 0) {
      const now = this.#context.currentTime;
      this.#frames = this.#frames.filter((frame) => frame.due <= now);
      this.#marks = [{ t: said.t, due: now }]; // the face comes to rest from now on
      this.#cut = { ...this.#cut, t: said.resumes_s };
      this.#resume();
    } else if (said.type === "error") this.#problem = said.code;
    this.#tell(said.type, said);
  }

  /** @param {number} code */
  #lose(code) {
    if (this.state === "closed") return;
    const again = this.#options.retry && code !== 1000 && !FINAL.includes(this.#problem);
    this.state = again ? "gone" : "closed";
    this.#retryAt = this.#context.currentTime + this.#wait;
    this.#tell("gone", { code, retry_s: again ? this.#wait : null });
    this.#wait = Math.min(2 * this.#wait, RETRY_S[1]);
  }

  /** @param {string} type @param {object} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
