// The lanes of all channels: grouped, found, sorted; each drawn only while it is on the screen.

import type { Clip } from "../clip";
import { type Gains, NEUTRAL } from "../gains";
import { REGIONS, regionOf } from "../regions";
import { STILL } from "./compare";
import { Gesture, type GestureEvents } from "./gesture";
import type { Ink } from "./ink";
import { Lane } from "./lane";
import { LIP_GAP, lipGains, lipGap } from "./lips";
import { Overlay } from "./overlay";
import { notes, sources } from "./sources";
import type { Timeline } from "./timeline";

export type Order = "region" | "activity" | "difference";

/** Which lanes are shown, and how. */
export interface LanesLook {
  readonly search: string;
  readonly moving: boolean;
  readonly tall: boolean;
  readonly order: Order;
}

const GROUPS = [
  ...REGIONS.map(({ id, label }) => ({ id, label })),
  { id: "head", label: "Head pose" },
  { id: "emotion", label: "Emotion" },
  { id: "other", label: "Other channels" },
];

export class Lanes {
  private lanes: Lane[] = [];
  private readonly groups = new Map<string, HTMLDetailsElement>();
  private readonly overlay: Overlay;
  private readonly seen: IntersectionObserver;
  private look: LanesLook = { search: "", moving: false, tall: false, order: "region" };
  private size = { width: 0, height: 0 };
  private due = new Set<Lane>();
  private a: Clip | null = null;
  private gapOf = lipGains(NEUTRAL); // what the drawn lip gap was made of
  private frame = 0;

  /** list: scrolls; its parent carries the playhead. */
  constructor(
    private readonly list: HTMLElement,
    private readonly timeline: Timeline,
    private readonly events: GestureEvents & { select(name: string): void },
    private ink: Ink,
  ) {
    this.overlay = new Overlay(list.parentElement!, timeline);
    this.seen = new IntersectionObserver((entries) => this.noticed(entries), { root: list, rootMargin: "120px 0px" });
    new ResizeObserver(() => this.measure()).observe(list);
  }

  setClips(a: Clip | null, b: Clip | null): void {
    this.seen.disconnect();
    this.due.clear();
    [this.a, this.gapOf] = [a, lipGains(NEUTRAL)];
    this.lanes = sources(a, b).map((source) => new Lane(source, (name) => this.events.select(name)));
    for (const lane of this.lanes) {
      new Gesture(lane.element.querySelector("canvas")!, this.timeline, this.events, false);
    }
    this.list.replaceChildren();
    this.groups.clear();
    this.arrange();
    this.list.append(notes(a, b));
  }

  setLook(look: LanesLook): void {
    this.look = look;
    this.arrange();
  }

  setInk(ink: Ink): void {
    this.ink = ink;
    this.redraw();
  }

  /** Gains of A. */
  setGains(gains: Gains): void {
    const { gain, offset } = gains;
    this.tuneGap(gains);
    for (const lane of this.lanes) {
      const { name, unit } = lane.source;
      if (unit || !regionOf(name)) continue; // gains are for ARKit channels only
      if (lane.setTuning({ gain: gain[name] ?? 1, offset: offset[name] ?? 0 })) this.draw(lane);
    }
  }

  select(name: string | null): void {
    for (const { element, source } of this.lanes) {
      element.classList.toggle("selected", source.name === name);
      element.querySelector("button")!.setAttribute("aria-pressed", String(source.name === name));
      if (source.name === name) element.scrollIntoView({ block: "nearest" });
    }
  }

  /** How many lanes are shown, and how many there are. */
  get count(): { shown: number; all: number } {
    return { shown: this.lanes.filter((lane) => !lane.element.hidden).length, all: this.lanes.length };
  }

  move(): void {
    this.overlay.move();
  }

  place(): void {
    this.overlay.place();
  }

  /** Write the values at the playhead into the rows on the screen. */
  read(): void {
    for (const lane of this.lanes) if (lane.visible) lane.read(this.timeline.cursorS);
  }

  redraw(): void {
    for (const lane of this.lanes) this.draw(lane);
  }

  /** The lip gap is made anew where the channels that it is made of are tuned. */
  private tuneGap(gains: Gains): void {
    const lane = this.lanes.find(({ source }) => source.name === LIP_GAP);
    const key = lipGains(gains);
    if (!lane || !this.a || key === this.gapOf) return;
    this.gapOf = key;
    lane.replace(lipGap(this.a, gains));
    this.draw(lane);
  }

  private draw(lane: Lane): void {
    this.due.add(lane);
    this.frame ||= requestAnimationFrame(() => this.paint());
  }

  /** Draw what is due and on the screen; the rest stays due. */
  private paint(): void {
    this.frame = 0;
    for (const lane of this.due) {
      if (!lane.visible) continue;
      lane.draw(this.timeline, this.ink, this.size, this.look.tall);
      lane.read(this.timeline.cursorS);
      this.due.delete(lane);
    }
  }

  private noticed(entries: IntersectionObserverEntry[]): void {
    const rows = new Map(this.lanes.map((lane) => [lane.element as Element, lane]));
    for (const entry of entries) {
      const lane = rows.get(entry.target);
      if (lane) lane.visible = entry.isIntersecting;
    }
    if (!this.size.width) this.measure();
    this.frame ||= requestAnimationFrame(() => this.paint());
  }

  /** All plots are of one size: that of the first one on the screen. */
  private measure(): void {
    const plot = this.lanes.find((lane) => lane.visible)?.element.querySelector("canvas");
    if (!plot) return;
    const bar = this.list.offsetWidth - this.list.clientWidth;
    this.list.closest<HTMLElement>("#desk")!.style.setProperty("--bar", `${bar}px`);
    const { width, height } = plot.getBoundingClientRect();
    if (width === this.size.width && height === this.size.height) return;
    this.size = { width, height };
    this.redraw();
  }

  private arrange(): void {
    const shown = this.lanes.filter((lane) => this.shows(lane));
    for (const lane of this.lanes) lane.element.hidden = true;
    for (const lane of shown) lane.element.hidden = false;
    if (this.look.order === "region") this.byRegion();
    else this.sorted(this.look.order);
    for (const lane of this.lanes) this.seen.observe(lane.element);
    this.list.classList.toggle("none", this.lanes.length > 0 && !shown.length);
    this.redraw();
  }

  private shows(lane: Lane): boolean {
    const { search, moving } = this.look;
    const { name, unit } = lane.source;
    const still = moving && lane.activity < (unit ? 0.2 : STILL);
    return !still && name.toLowerCase().includes(search.trim().toLowerCase());
  }

  private byRegion(): void {
    const last = this.list.querySelector(":scope > .notes");
    for (const { id, label } of GROUPS) {
      const lanes = this.lanes.filter((lane) => lane.source.region === id);
      if (!lanes.length) continue;
      const group = this.groups.get(id) ?? details(label);
      this.groups.set(id, group);
      group.append(...lanes.map((lane) => lane.element));
      const shown = lanes.filter((lane) => !lane.element.hidden).length;
      group.hidden = !shown;
      group.querySelector(".count")!.textContent = String(shown);
      if (this.look.search) group.open = true;
      this.list.insertBefore(group, last);
    }
  }

  private sorted(order: "activity" | "difference"): void {
    const key = (lane: Lane): number =>
      order === "activity" ? lane.activity / (lane.source.unit ? 60 : 1) : gap(lane);
    const last = this.list.querySelector(":scope > .notes");
    for (const group of this.groups.values()) group.hidden = true;
    for (const lane of [...this.lanes].sort((one, other) => key(other) - key(one))) {
      this.list.insertBefore(lane.element, last);
    }
  }
}

/** Weights before head pose, whose numbers are degrees and centimetres. */
function gap({ difference, source }: Lane): number {
  const meanAbs = difference?.meanAbs ?? Number.NaN;
  return Number.isNaN(meanAbs) ? -1 : meanAbs / (source.unit ? 60 : 1);
}

function details(label: string): HTMLDetailsElement {
  const group = document.createElement("details");
  group.open = true;
  const summary = document.createElement("summary");
  const count = document.createElement("span");
  count.className = "count";
  summary.append(label, count);
  group.append(summary);
  return group;
}
