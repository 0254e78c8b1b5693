// The page: what is shown, heard and turned, and the one loop that draws it while something moves.

import * as api from "./api";
import { Banner } from "./banner";
import { endS, type Clip } from "./clip";
import { Desk } from "./desk/desk";
import type { Range } from "./desk/timeline";
import { whatIs } from "./drop";
import { Face } from "./face";
import { fromToml, NEUTRAL } from "./gains";
import { Live } from "./live";
import { readPlace, writePlace } from "./place";
import { Player } from "./stage/player";
import { CAMERAS } from "./stage/presets";
import { Stage, type CameraName, type HeadReport, type Slot } from "./stage/stage";

/** What the page looks like now, for whoever writes it into buttons and texts. */
export interface View {
  /** Newest last; from them A and B are chosen. */
  readonly clips: readonly api.ClipInfo[];
  readonly a: Clip | null;
  readonly b: Clip | null;
  readonly comparing: boolean;
  readonly headMotion: boolean;
  readonly durationS: number;
  readonly text: string | null;
  /** What is being waited for, and how far it is (0 to 1, null: nobody knows), or null. */
  readonly waiting: { readonly text: string; readonly share: number | null } | null;
}

/** How often the server is asked how far it is. */
const PROGRESS_MS = 400;

type Faces = [Face | null, Face | null];

const EMPTY: View = {
  clips: [], a: null, b: null, comparing: false, headMotion: true, durationS: 0, text: null, waiting: null,
};

export class App {
  readonly player = new Player();
  readonly stage: Stage;
  readonly desk: Desk;
  readonly banner: Banner;
  /** Told after every change of `view`. */
  onView: () => void = () => undefined;
  /** Told at every frame that is drawn. */
  onFrame: (seconds: number) => void = () => undefined;
  /** Milliseconds from the start of the page to its first picture of a head; null before. */
  firstPictureMs: number | null = null;

  #view = EMPTY;
  #faces: Faces = [null, null];
  #session: api.SessionInfo | null = null;
  #sound: api.AudioInfo | null = null;
  #live: Live | null = null;
  #pending = 0; // the animation frame that is asked for
  #headThere = false;

  constructor(canvas: HTMLCanvasElement, desk: HTMLElement, banner: Banner) {
    this.banner = banner;
    this.stage = new Stage(canvas);
    this.desk = new Desk(desk, {
      seek: (seconds) => this.seek(seconds),
      loop: (range) => this.#loop(range),
      gains: () => this.#turn(),
    });
    this.stage.onChange = () => this.change();
    this.stage.onLost = (text) => banner.say("error", text, "webgl");
    this.stage.onRestored = () => {
      banner.clear("webgl");
      this.change();
    };
    if (this.stage.problem) banner.say("error", this.stage.problem, "webgl");
    this.player.on("state", () => {
      this.change();
      this.onView();
      if (!this.player.playing) this.#remember();
      else banner.clear("blocked");
    });
    this.player.on("blocked", () =>
      banner.say("note", "The browser plays no sound before you have touched the page: press Play.", "blocked"),
    );
  }

  get view(): View {
    return this.#view;
  }

  /** Load what `voxface view` was started with, and the place in the address. */
  async start(): Promise<void> {
    const [session] = await Promise.all([api.fetchSession(), this.ourHead()]);
    this.#session = session;
    this.desk.setGains(session.gains);
    const place = readPlace(location.hash);
    if (session.live) this.#follow(session.live);
    const known = (id?: string) => session.clips.find((clip) => clip.id === id);
    const again = known(place.a);
    const [a, b] = again ? [again, known(place.b)] : session.clips;
    this.#set({ clips: session.clips });
    for (const note of session.notes) this.banner.say("note", note);
    if (place.camera && place.camera in CAMERAS) this.stage.camera(place.camera as CameraName);
    await this.show(a ?? null, b ?? null);
    if (place.seconds) this.seek(place.seconds);
  }

  /** Frames that arrive now, in place of clips; null where clips are shown. */
  get live(): Live | null {
    return this.#live;
  }

  #follow(info: api.LiveInfo): void {
    this.#live = new Live(info);
    this.#live.onFrame = () => this.change();
    this.#live.onLine = () => this.onView();
    this.onView();
  }

  /** Show these clips of the session as A and B. */
  async show(a: api.ClipInfo | null, b: api.ClipInfo | null): Promise<void> {
    const [first, second] = await Promise.all([a, b].map((info) => this.#clip(info)));
    this.#faces = [first, second].map((clip, slot) => clip && new Face(clip, this.#gains(slot))) as Faces;
    const sound = a?.audio ?? b?.audio ?? this.#session?.audio ?? null;
    const durationS = Math.max(sound?.duration_s ?? 0, ...[first, second].map((clip) => (clip ? endS(clip) : 0)));
    if (sound?.id !== this.#sound?.id || durationS !== this.#view.durationS) this.#hear(sound, durationS);
    const said = this.#session?.clips.some((clip) => clip.id === a?.id) ?? false; // the text is that of the first clips
    this.#set({ a: first ?? null, b: second ?? null, durationS, text: (said && this.#session?.text) || null });
    this.compare(Boolean(first && second));
    this.desk.setClips(first ?? null, second ?? null);
    [first, second].forEach((clip, slot) => {
      this.banner.clear(`clip ${slot}`);
      if (clip?.notes.length) this.banner.say("note", clip.notes.join(" "), `clip ${slot}`);
    });
    this.change();
  }

  /** Open files from outside, one after the other; what fails becomes a sentence. */
  async open(files: readonly File[]): Promise<void> {
    for (const file of files) {
      try {
        await this.#open(file);
      } catch (error) {
        this.tell(error);
      } finally {
        this.#set({ waiting: null });
      }
    }
  }

  /** An error as a sentence that stays. */
  tell(error: unknown): void {
    this.banner.say("error", error instanceof Error ? error.message : String(error));
  }

  seek(seconds: number): void {
    this.player.seek(seconds);
    this.change();
    if (!this.player.playing) this.#remember();
  }

  compare(on: boolean): void {
    const { a, b } = this.#view;
    const both = on && a !== null && b !== null;
    this.stage.compare(both, [a?.label ?? "", b?.label ?? ""]);
    this.#set({ comparing: both });
    this.change();
  }

  headMotion(on: boolean): void {
    this.#set({ headMotion: on });
    this.change();
  }

  camera(preset: CameraName): void {
    this.stage.camera(preset);
    this.#remember();
  }

  /** Loop over a stretch, or over all (true), or not at all. */
  loop(range: Range | boolean): void {
    const chosen = range === true ? ([0, this.#view.durationS] as const) : range || null;
    this.desk.setLoop(chosen);
    this.#loop(chosen);
  }

  /** Draw at the next animation frame. */
  change(): void {
    this.#pending ||= requestAnimationFrame(this.#frame);
  }

  readonly #frame = (): void => {
    this.#pending = 0;
    const seconds = this.player.now();
    const { cost } = this.stage;
    cost.begin();
    this.desk.cursor(seconds);
    this.onFrame(seconds);
    cost.end();
    this.#faces.forEach((face, slot) => {
      if (slot === 0 || this.#view.comparing) face?.pose(this.stage, slot as Slot, seconds, this.#view.headMotion);
    });
    if (this.#live) this.stage.pose(0, this.#live.channels, this.#live.weights, this.#view.headMotion ? this.#live.head : null);
    if (this.stage.draw() && this.#headThere) this.firstPictureMs ??= performance.now();
    if (this.player.playing) this.change();
  };

  /** Show voxface's own head. */
  async ourHead(): Promise<void> {
    await this.stage.load(await api.fetchHead(), 0);
    this.#headThere = true;
    this.banner.clear("head");
    this.change();
  }

  async #clip(info: api.ClipInfo | null): Promise<Clip | null> {
    const shown = [this.#view.a, this.#view.b].find((clip) => clip?.id === info?.id);
    return info && (shown ?? api.fetchClip(info));
  }

  async #open(file: File): Promise<void> {
    const what = whatIs(file.name);
    if (this.#live && what !== "head") throw new Error(`${file.name}: this page shows what arrives. Start voxface view ${file.name}.`);
    this.#wait(`Reading ${file.name}…`, null);
    if (what === "gains") {
      this.desk.setGains(await named(file, async () => fromToml(await file.text())));
      this.#turn();
    } else if (what === "head") {
      this.#tellHead(file.name, await named(file, async () => this.stage.load(await file.arrayBuffer(), 0)));
      this.change();
    } else if (what === "clip") {
      const { a } = this.#view;
      const { clip } = await api.readClip(file, a?.id ?? "", (share) => this.#wait(`Reading ${file.name}…`, share));
      await this.#add(clip, a, 1);
    } else {
      const { a, b } = this.#view;
      const stays = b ?? (this.#sound ? null : a); // a clip that was silent is looked at with its sound
      await this.#add(await this.#animated(file, stays), stays, 0);
    }
  }

  /** Let the server animate a sound, and tell how far it is; `stays` is still shown then. */
  async #animated(file: File, stays: Clip | null): Promise<api.ClipInfo> {
    let gone = 0;
    const watch = setInterval(async () => {
      const seconds = gone < 1 ? null : await api.fetchProgress().catch(() => null);
      if (seconds !== null && this.#view.waiting) this.#wait(`Animating ${file.name}… ${seconds.toFixed(0)} s`, null);
    }, PROGRESS_MS);
    try {
      const sent = (share: number): void => this.#wait(`Sending ${file.name}…`, (gone = share));
      return (await api.animate(file, stays?.id ?? "", sent)).clip;
    } finally {
      clearInterval(watch);
    }
  }

  /** Show a new clip in its slot beside the one that stays; alone it is A. */
  async #add(info: api.ClipInfo, stays: Clip | null, slot: Slot): Promise<void> {
    this.#set({ clips: (await api.fetchSession()).clips }); // the server forgets the oldest
    const other = this.#view.clips.find((clip) => clip.id === stays?.id) ?? null;
    const isB = slot === 1 && other !== null;
    await (isB ? this.show(other, info) : this.show(info, other));
    if (!isB) this.seek(0);
    this.banner.whisper(`${info.label}: ${info.frames} frames.`);
  }

  #tellHead(name: string, { missing, notes }: HeadReport): void {
    const some = missing.slice(0, 8).join(", ") + (missing.length > 8 ? " …" : "");
    const lacks = missing.length ? [`It lacks ${missing.length} of the 52 channels, which stay still: ${some}.`] : [];
    this.banner.say("note", [`${name} is shown; V brings back voxface's own head.`, ...lacks, ...notes].join(" "), "head");
  }

  #gains(slot: number): api.Gains {
    return slot === 0 ? this.desk.gains() : NEUTRAL;
  }

  #turn(): void {
    this.#faces[0]?.gains(this.desk.gains());
    this.change();
  }

  #loop(range: Range | null): void {
    this.player.loop = range; // whose "state" tells the view
  }

  #hear(sound: api.AudioInfo | null, durationS: number): void {
    this.#sound = sound;
    this.player.load(sound ? api.soundUrl(sound) : null, durationS);
    this.loop(false);
    this.desk.setAudio(null, durationS);
    if (!sound) return;
    api.fetchPeaks(sound).then(
      (peaks) => this.#sound === sound && this.desk.setAudio(peaks, durationS),
      (error: unknown) => this.tell(error),
    );
  }

  #wait(text: string, share: number | null): void {
    this.#set({ waiting: { text, share } });
  }

  #set(part: Partial<View>): void {
    this.#view = { ...this.#view, ...part };
    this.onView();
  }

  #remember(): void {
    const { a, b } = this.#view;
    writePlace({ seconds: this.player.now(), camera: this.stage.view ?? "", a: a?.id ?? "", b: b?.id ?? "" });
  }
}

/** What `work` gives; its errors with the name of the file. */
async function named<T>(file: File, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${file.name}: ${error instanceof Error ? error.message : error}`);
  }
}
