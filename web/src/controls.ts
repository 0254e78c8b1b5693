// The page's buttons, lists and keys: each calls the app; what the app shows is written back into them.

import type { App } from "./app";
import type { ClipInfo } from "./api";
import { Theme } from "./desk/theme";
import { download } from "./download";
import { listenForFiles } from "./drop";
import { fillHelp, listenForKeys, type Key } from "./keys";
import { CAMERAS } from "./stage/presets";
import { Recorder } from "./stage/record";
import type { CameraName, LightName } from "./stage/stage";

export class Controls {
  readonly #app: App;
  readonly #theme: Theme;
  readonly #recorder: Recorder;
  #listed: readonly ClipInfo[] = [];

  constructor(app: App) {
    this.#app = app;
    this.#recorder = new Recorder(at<HTMLCanvasElement>("stage"), app.player.sound as HTMLAudioElement);
    this.#theme = new Theme(() => {
      app.stage.theme();
      app.desk.theme();
    });
    this.#buttons();
    this.#lists();
    const keys = this.#keys();
    listenForKeys(keys);
    fillHelp(at("help-keys"), keys);
    listenForFiles(at("drop"), at<HTMLInputElement>("file"), (files) => void app.open(files));
    app.onView = () => this.#write();
    app.onFrame = (seconds) => this.#clock(seconds);
    app.player.on("state", () => void this.#endRecording());
    this.#write();
  }

  #buttons(): void {
    const { stage, player } = this.#app;
    const press: Record<string, () => void> = {
      "open": () => at("file").click(),
      "empty-open": () => at("file").click(),
      "record": () => void this.#record(),
      "theme": () => this.#theme.toggle(),
      "help-open": () => at<HTMLDialogElement>("help").showModal(),
      "help-close": () => at<HTMLDialogElement>("help").close(),
      "compare": () => this.#app.compare(!this.#app.view.comparing),
      "head-motion": () => this.#app.headMotion(!this.#app.view.headMotion),
      "to-start": () => this.#app.seek(player.loop?.[0] ?? 0),
      "play": () => this.#play(),
      "loop": () => this.#app.loop(player.loop === null),
    };
    for (const [id, run] of Object.entries(press)) at(id).addEventListener("click", run);
    for (const button of cameraButtons()) {
      button.addEventListener("click", () => this.#camera(button.dataset["camera"] as CameraName));
    }
    at("stage").addEventListener("pointerup", () => requestAnimationFrame(() => this.#write()));
    on<HTMLSelectElement>("light", (list) => stage.light(list.value as LightName));
    on<HTMLSelectElement>("rate", (list) => (player.rate = Number(list.value)));
  }

  #lists(): void {
    const choose = (): void => {
      const [a, b] = ["clip-a", "clip-b"].map((id) => this.#info(at<HTMLSelectElement>(id).value));
      this.#app.show(a ?? null, b ?? null).catch((error: unknown) => this.#app.tell(error));
    };
    at("clip-a").addEventListener("change", choose);
    at("clip-b").addEventListener("change", choose);
  }

  #keys(): Key[] {
    const app = this.#app;
    const step = (seconds: number) => () => app.seek(app.player.now() + seconds);
    const frame = (count: number) => () => {
      app.player.pause();
      app.seek(app.player.now() + count / (app.view.a?.fps ?? 60));
    };
    const click = (id: string) => () => at(id).click();
    const edge = (end: 0 | 1) => () => {
      const range: [number, number] = [...(app.player.loop ?? [0, app.view.durationS])];
      range[end] = app.player.now();
      app.loop(range[0] < range[1] && range);
    };
    return [
      { keys: [" "], shown: "Space", does: "Play or pause", run: () => this.#play() },
      { keys: ["ArrowLeft"], shown: "←", does: "One frame back", run: frame(-1) },
      { keys: ["ArrowRight"], shown: "→", does: "One frame on", run: frame(1) },
      { keys: ["Shift+ArrowLeft"], shown: "Shift ←", does: "One second back", run: step(-1) },
      { keys: ["Shift+ArrowRight"], shown: "Shift →", does: "One second on", run: step(1) },
      { keys: ["Home"], shown: "Home", does: "To the start", run: () => app.seek(0) },
      { keys: ["End"], shown: "End", does: "To the end", run: () => app.seek(app.view.durationS) },
      { keys: ["["], shown: "[", does: "Loop from here", run: edge(0) },
      { keys: ["]"], shown: "]", does: "Loop to here", run: edge(1) },
      { keys: ["l"], shown: "L", does: "Loop on or off", run: click("loop") },
      { keys: ["+", "="], shown: "+", does: "Zoom in", run: () => app.desk.zoom(0.5) },
      { keys: ["-"], shown: "−", does: "Zoom out", run: () => app.desk.zoom(2) },
      { keys: ["0"], shown: "0", does: "Show all", run: () => app.desk.fit() },
      ...(Object.keys(CAMERAS) as CameraName[]).map((name, at) => ({
        keys: [`${at + 1}`], shown: `${at + 1}`, does: `Camera: ${name}`, run: () => this.#camera(name),
      })),
      { keys: ["c"], shown: "C", does: "Compare A and B", run: click("compare") },
      { keys: ["h"], shown: "H", does: "Head motion on or off", run: click("head-motion") },
      { keys: ["v"], shown: "V", does: "voxface's own head", run: () => void app.ourHead().catch((error) => app.tell(error)) },
      { keys: ["d"], shown: "D", does: "Dark or light", run: click("theme") },
      { keys: ["r"], shown: "R", does: "Record a video; again to stop", run: click("record") },
      { keys: ["m"], shown: "M", does: "Time per frame", run: () => at("meter").toggleAttribute("hidden") },
      { keys: ["/"], shown: "/", does: "Search channels", run: () => app.desk.focusSearch() },
      { keys: ["o"], shown: "O", does: "Open files", run: click("open") },
      { keys: ["?"], shown: "?", does: "This list", run: click("help-open") },
    ];
  }

  #play(): void {
    const { player } = this.#app;
    if (player.playing) player.pause();
    else player.play();
  }

  #camera(name: CameraName): void {
    this.#app.camera(name);
    this.#write();
  }

  /** From the start (of the loop) to the end, or until it is pressed again; then the file is downloaded. */
  async #record(): Promise<void> {
    const { player } = this.#app;
    if (this.#recorder.recording) return player.pause();
    try {
      this.#app.seek(player.loop?.[0] ?? 0);
      await this.#recorder.start();
      player.play();
      this.#write();
    } catch (error) {
      this.#app.tell(error);
    }
  }

  async #endRecording(): Promise<void> {
    if (!this.#recorder.recording || this.#app.player.playing) return;
    const video = await this.#recorder.stop();
    this.#write();
    if (!video.size) {
      this.#app.banner.say("error", "Nothing was recorded: too few pictures were drawn. Record for longer.", "record");
      return;
    }
    const stem = (this.#app.view.a?.name ?? "voxface").replace(/\.[^.]*$/, "");
    download(video, `${stem}.${video.type.endsWith("mp4") ? "mp4" : "webm"}`);
  }

  #clock(seconds: number): void {
    at("time").textContent = clock(seconds);
    const meter = at("meter");
    if (meter.hidden) return; // its numbers are sorted anew each time that they are asked for
    const { median, high } = this.#app.stage.cost;
    meter.textContent = `${median.toFixed(2)} ms a frame (95 %: ${high.toFixed(2)})`;
  }

  /** Everything that follows from what is shown. */
  #write(): void {
    const { view, player, stage, live } = this.#app;
    if (view.clips !== this.#listed) this.#list(view.clips);
    at<HTMLSelectElement>("clip-a").value = view.a?.id ?? "";
    at<HTMLSelectElement>("clip-b").value = view.b?.id ?? "";
    at("clips").hidden = !view.clips.length;
    at<HTMLButtonElement>("compare").disabled = !(view.a && view.b);
    at("empty").hidden = view.a !== null || view.waiting !== null || live !== null;
    document.body.classList.toggle("live", live !== null);
    at("live").hidden = live === null;
    at("live").textContent = live?.line() ?? "";
    at("loading").hidden = view.waiting === null;
    if (view.waiting) at("loading-text").textContent = waitingText(view.waiting.text, view.waiting.share);
    at("caption").hidden = !view.text;
    at("caption").textContent = view.text ?? "";
    at("duration").textContent = clock(view.durationS);
    at("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
    press("play", player.playing);
    press("loop", player.loop !== null);
    press("compare", view.comparing);
    press("head-motion", view.headMotion);
    press("record", this.#recorder.recording);
    for (const button of cameraButtons()) {
      button.setAttribute("aria-pressed", String(button.dataset["camera"] === stage.view));
    }
  }

  #list(clips: readonly ClipInfo[]): void {
    this.#listed = clips;
    for (const id of ["clip-a", "clip-b"]) {
      const none = id === "clip-b" ? [new Option("none", "")] : [];
      at<HTMLSelectElement>(id).replaceChildren(...none, ...clips.map((clip) => new Option(clip.label, clip.id)));
    }
  }

  #info(id: string): ClipInfo | undefined {
    return this.#app.view.clips.find((clip) => clip.id === id);
  }
}

function at<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

function on<E extends HTMLElement>(id: string, changed: (element: E) => void): void {
  at(id).addEventListener("change", () => changed(at<E>(id)));
}

function press(id: string, on: boolean): void {
  at(id).setAttribute("aria-pressed", String(on));
}

function cameraButtons(): HTMLElement[] {
  return [...at("cameras").querySelectorAll<HTMLElement>("[data-camera]")];
}

function waitingText(text: string, share: number | null): string {
  return share === null || share >= 1 ? text : `${text} ${Math.round(share * 100)} %`;
}

/** 83.456 as 1:23.46. */
function clock(seconds: number): string {
  const hundredths = Math.round(seconds * 100);
  const rest = ((hundredths % 6000) / 100).toFixed(2).padStart(5, "0");
  return `${Math.floor(hundredths / 6000)}:${rest}`;
}
