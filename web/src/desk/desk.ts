// The desk under the face: sound, lanes and sliders over one stretch of time. It owns #desk of index.html.

import type { Peaks } from "../api";
import type { Clip } from "../clip";
import { download } from "../download";
import { type Gains, NEUTRAL, toToml, tuned } from "../gains";
import type { GestureEvents } from "./gesture";
import { readInk } from "./ink";
import { Lanes, type Order } from "./lanes";
import { Sliders } from "./sliders";
import { wireSplit } from "./split";
import { wireTabs } from "./tabs";
import { clock, type Range, Timeline, type TimeView } from "./timeline";
import { Waveform } from "./waveform";

export interface DeskEvents extends GestureEvents {
  /** A person has moved the sliders; `Desk.gains` says where to. */
  gains(): void;
}

/** Numbers beside the lanes change at most this often. */
const READ_EVERY_MS = 80;

export class Desk {
  private readonly timeline = new Timeline(
    () => this.viewed(),
    () => this.placed(),
  );
  private readonly waveform: Waveform;
  private readonly lanes: Lanes;
  private readonly sliders: Sliders;
  private selected: string | null = null;
  private reading = 0; // the timer that waits to write numbers

  constructor(
    private readonly root: HTMLElement,
    private readonly events: DeskEvents,
  ) {
    const ink = readInk(root);
    const heard = {
      seek: (second: number) => events.seek(second),
      loop: (range: Range | null) => {
        this.setLoop(range);
        events.loop(range);
      },
      select: (name: string) => this.select(name === this.selected ? null : name),
    };
    this.waveform = new Waveform(this.at("waveform"), this.timeline, heard, ink);
    this.lanes = new Lanes(this.at("lanes"), this.timeline, heard, ink);
    this.sliders = new Sliders(
      this.at("gains"),
      () => this.tuned(),
      (name) => this.select(name),
    );
    this.wire();
    wireSplit(document.getElementById("split")!, root);
    this.setClips(null, null);
    this.setAudio(null, 0);
  }

  /** A: the prediction, which the sliders tune; B: what it is compared with. */
  setClips(a: Clip | null, b: Clip | null): void {
    this.root.classList.toggle("comparing", Boolean(a && b));
    this.at<HTMLSelectElement>("order").querySelector<HTMLOptionElement>('[value="difference"]')!.disabled = !(a && b);
    this.lanes.setClips(a, b);
    this.lanes.setGains(this.gains());
    this.lanes.select(this.selected);
    this.looked();
    this.viewed();
    this.read();
  }

  /** peaks: null while they are on their way, or without sound. durationS: the longest of sound and clips. */
  setAudio(peaks: Peaks | null, durationS: number): void {
    this.waveform.setPeaks(peaks);
    this.root.classList.toggle("bare", !durationS);
    if (durationS !== this.timeline.durationS) this.timeline.reset(durationS);
    else this.viewed();
    this.read();
  }

  /** Show the playing position; for every frame, so it moves two elements and allocates nothing. */
  cursor(seconds: number): void {
    this.timeline.move(seconds);
    this.waveform.move();
    this.lanes.move();
    this.reading ||= window.setTimeout(this.read, READ_EVERY_MS);
  }

  gains(): Gains {
    return this.sliders.gains;
  }

  /** Put the sliders here; tells nobody. */
  setGains(gains: Gains): void {
    this.sliders.set(gains);
    this.showTuned();
  }

  setLoop(range: Range | null): void {
    this.timeline.setLoop(range);
  }

  select(channel: string | null): void {
    if (channel === this.selected) return;
    this.selected = channel;
    this.lanes.select(channel);
    this.sliders.select(channel);
  }

  /** Show `factor` times as much, around the playhead. */
  zoom(factor: number): void {
    this.timeline.zoom(factor, this.timeline.cursorS);
  }

  fit(): void {
    this.timeline.fit();
  }

  get view(): TimeView {
    return this.timeline.view;
  }

  focusSearch(): void {
    this.at<HTMLInputElement>("search").select();
  }

  /** Colours have changed. */
  theme(): void {
    const ink = readInk(this.root);
    this.waveform.setInk(ink);
    this.lanes.setInk(ink);
  }

  private wire(): void {
    wireTabs(this.root.querySelector('[role="tablist"]')!);
    for (const id of ["moving", "tall"]) {
      const button = this.at(id);
      button.addEventListener("click", () => {
        button.setAttribute("aria-pressed", String(!pressed(button)));
        this.looked();
      });
    }
    window.addEventListener("resize", () => this.viewed()); // another screen may have other pixels
    this.at("order").addEventListener("change", () => this.looked());
    this.at("search").addEventListener("input", () => this.looked());
    this.at("zoom-in").addEventListener("click", () => this.zoom(0.5));
    this.at("zoom-out").addEventListener("click", () => this.zoom(2));
    this.at("zoom-fit").addEventListener("click", () => this.fit());
    this.at("gains-reset").addEventListener("click", () => {
      this.sliders.set(NEUTRAL);
      this.tuned();
    });
    this.at("gains-copy").addEventListener("click", () => void this.copy());
    this.at("gains-save").addEventListener("click", () => {
      download(new Blob([toToml(this.gains())], { type: "application/toml" }), "gains.toml");
    });
  }

  private at<E extends HTMLElement = HTMLElement>(id: string): E {
    return this.root.querySelector<E>(`#${id}`)!;
  }

  private looked(): void {
    const search = this.at<HTMLInputElement>("search").value;
    const order = this.at<HTMLSelectElement>("order").value as Order;
    this.lanes.setLook({ search, moving: pressed(this.at("moving")), tall: pressed(this.at("tall")), order });
    this.sliders.find(search);
    const { shown, all } = this.lanes.count;
    this.at("lanes-count").textContent = shown === all ? `${all} lanes` : `${shown} of ${all} lanes`;
  }

  private tuned(): void {
    this.showTuned();
    this.events.gains();
  }

  private showTuned(): void {
    const gains = this.gains();
    const count = tuned(gains);
    const badge = this.at("tuned");
    badge.hidden = !count;
    badge.textContent = String(count);
    this.lanes.setGains(gains);
  }

  private async copy(): Promise<void> {
    const button = this.at("gains-copy");
    const told = await navigator.clipboard.writeText(toToml(this.gains())).then(
      () => "Copied",
      () => "Not allowed: download it",
    );
    const label = button.lastChild!;
    label.textContent = told;
    setTimeout(() => (label.textContent = "Copy TOML"), 1600);
  }

  private viewed(): void {
    const { fromS, toS } = this.timeline.view;
    const digits = toS - fromS < 10 ? 2 : 0;
    this.at("span").textContent = `${clock(fromS, digits)} – ${clock(toS, digits)}`;
    this.waveform.draw();
    this.lanes.redraw();
    this.placed();
  }

  private placed(): void {
    this.waveform.place();
    this.lanes.place();
  }

  private readonly read = (): void => {
    window.clearTimeout(this.reading);
    this.reading = 0;
    this.lanes.read();
    this.waveform.say();
  };
}

function pressed(button: HTMLElement): boolean {
  return button.getAttribute("aria-pressed") === "true";
}
