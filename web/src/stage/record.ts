/** Record a canvas and its sound as WebM (MP4 where a browser makes only that). */

const KINDS = ["video/webm;codecs=vp9,opus", "video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];
const PICTURE_BITS = 6_000_000; // per second
const PIECE_MS = 500;

/** Why this browser cannot record, for people; null if it can. */
function cannotRecord(canvas: HTMLCanvasElement): string | null {
  if (typeof MediaRecorder === "undefined" || !canvas.captureStream || !kindOf()) {
    return "This browser cannot record video. Use `voxface render CLIP -o face.mp4`, which makes a better one anyway.";
  }
  return null;
}

function kindOf(): string | undefined {
  return KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
}

/**
 * One recording at a time. The sound goes through Web Audio from the first recording on: a browser gives an element's
 * sound to one destination only, so it is split there, to the loudspeaker and to the file.
 */
export class Recorder {
  readonly #canvas: HTMLCanvasElement;
  readonly #sound: HTMLAudioElement;
  #context: AudioContext | null = null;
  #tap: MediaStreamAudioDestinationNode | null = null;
  #running: MediaRecorder | null = null;
  #pieces: Blob[] = [];

  constructor(canvas: HTMLCanvasElement, sound: HTMLAudioElement) {
    this.#canvas = canvas;
    this.#sound = sound;
  }

  get recording(): boolean {
    return this.#running !== null;
  }

  /**
   * Begin; what the canvas shows and the element sounds from now on is recorded.
   *
   * @throws Error: this browser cannot; the sentence says what to do instead
   */
  async start(): Promise<void> {
    const reason = cannotRecord(this.#canvas);
    if (reason) throw new Error(reason);
    if (this.#running) throw new Error("A recording is running already.");
    const stream = this.#canvas.captureStream();
    const sound = await this.#tapped();
    for (const track of sound.getAudioTracks()) stream.addTrack(track.clone());
    this.#pieces = [];
    this.#running = new MediaRecorder(stream, { mimeType: kindOf()!, videoBitsPerSecond: PICTURE_BITS });
    this.#running.ondataavailable = ({ data }) => data.size > 0 && this.#pieces.push(data);
    this.#running.start(PIECE_MS);
  }

  /** End the recording and give the file; its `type` says whether it is WebM or MP4. */
  async stop(): Promise<Blob> {
    const running = this.#running;
    if (!running) throw new Error("No recording is running.");
    this.#running = null;
    await new Promise((done) => {
      running.onstop = done;
      running.stop();
    });
    running.stream.getTracks().forEach((track) => track.stop());
    return new Blob(this.#pieces, { type: running.mimeType.split(";")[0]! });
  }

  async #tapped(): Promise<MediaStream> {
    if (!this.#context || !this.#tap) {
      this.#context = new AudioContext();
      this.#tap = this.#context.createMediaStreamDestination();
      const source = this.#context.createMediaElementSource(this.#sound);
      source.connect(this.#tap);
      source.connect(this.#context.destination);
    }
    await this.#context.resume();
    return this.#tap.stream;
  }
}
