// Sliders of gain and offset: one row per channel, one per region, whose gain multiplies and whose offset adds to those
// of its channels.

import { type Gains, LIMIT, tidy } from "../gains";
import { REGIONS, regionOf } from "../regions";

/** What a slider spans; a number typed beside it may go as far as a file of gains may. */
const KINDS = {
  gain: { neutral: 1, low: 0, high: 3, step: 0.01 },
  offset: { neutral: 0, low: -0.5, high: 0.5, step: 0.005 },
} as const;
type Kind = keyof typeof KINDS;

export class Sliders {
  private readonly rows = new Map<string, Row>(); // by channel
  private readonly regions = new Map<string, Row>(); // by id of the region

  constructor(
    private readonly list: HTMLElement,
    private readonly changed: () => void,
    select: (name: string) => void,
  ) {
    list.replaceChildren(heading(), ...REGIONS.map(({ id, label, channels }) => this.group(id, label, channels, select)));
  }

  /** The gains of all channels that differ from gain 1 or offset 0, their regions counted in. */
  get gains(): Gains {
    const gains: Gains = { gain: {}, offset: {} };
    for (const [name, row] of this.rows) {
      const region = this.regions.get(regionOf(name)!.id)!;
      const gain = tidy(row.value("gain") * region.value("gain"));
      const offset = tidy(row.value("offset") + region.value("offset"));
      if (gain !== 1) gains.gain[name] = gain;
      if (offset !== 0) gains.offset[name] = offset;
    }
    return gains;
  }

  /** Show these gains, regions at rest; tells nobody. */
  set(gains: Gains): void {
    for (const region of this.regions.values()) region.reset();
    for (const [name, row] of this.rows) {
      row.set("gain", gains.gain[name] ?? 1);
      row.set("offset", gains.offset[name] ?? 0);
    }
  }

  find(search: string): void {
    const wanted = search.trim().toLowerCase();
    for (const group of this.list.querySelectorAll("details")) {
      const rows = [...group.querySelectorAll<HTMLElement>(".tuning[data-channel]")];
      for (const row of rows) row.hidden = !row.dataset.channel!.toLowerCase().includes(wanted);
      group.hidden = rows.every((row) => row.hidden);
      if (wanted) group.open = true;
    }
  }

  select(name: string | null): void {
    for (const [channel, { element }] of this.rows) {
      element.classList.toggle("selected", channel === name);
      if (channel !== name) continue;
      element.closest("details")!.open = true;
      element.scrollIntoView({ block: "nearest" });
    }
  }

  private group(id: string, label: string, channels: readonly string[], select: (name: string) => void): HTMLElement {
    const group = document.createElement("details");
    group.open = id === "jaw" || id === "mouth";
    const summary = document.createElement("summary");
    summary.textContent = label;
    const whole = new Row(`All of ${label.toLowerCase()}`, this.changed);
    whole.element.classList.add("whole");
    this.regions.set(id, whole);
    const rows = channels.map((name) => {
      const row = new Row(name, this.changed);
      row.element.dataset.channel = name;
      row.element.addEventListener("focusin", () => select(name));
      this.rows.set(name, row);
      return row.element;
    });
    group.append(summary, whole.element, ...rows);
    return group;
  }
}

/** A label, a slider and a number for gain, the same for offset, and a button that puts both back. */
class Row {
  readonly element = document.createElement("div");
  private readonly values: Record<Kind, number> = { gain: 1, offset: 0 };
  private readonly inputs: Record<Kind, readonly HTMLInputElement[]>;

  constructor(
    private readonly label: string,
    private readonly changed: () => void,
  ) {
    this.element.className = "tuning";
    const name = document.createElement("span");
    name.className = "label";
    name.textContent = name.title = label;
    this.inputs = { gain: this.pair("gain"), offset: this.pair("offset") };
    this.element.append(name, ...this.inputs.gain, ...this.inputs.offset, this.resetButton());
  }

  value(kind: Kind): number {
    return this.values[kind];
  }

  set(kind: Kind, value: number): void {
    this.values[kind] = value;
    const [slider, number] = this.inputs[kind];
    slider!.value = String(value);
    number!.value = String(value);
    const { low, high } = KINDS[kind];
    slider!.style.setProperty("--at", String(Math.min(Math.max((value - low) / (high - low), 0), 1)));
    slider!.classList.toggle("moved", value !== KINDS[kind].neutral);
    this.element.classList.toggle("tuned", this.values.gain !== 1 || this.values.offset !== 0);
  }

  reset(): void {
    for (const kind of ["gain", "offset"] as const) this.set(kind, KINDS[kind].neutral);
  }

  private pair(kind: Kind): readonly [HTMLInputElement, HTMLInputElement] {
    const { low, high, step, neutral } = KINDS[kind];
    const slider = input("range", kind, low, high, step, neutral, `${this.label}: ${kind}`);
    const number = input("number", kind, -LIMIT, LIMIT, step, neutral, `${this.label}: ${kind}, exact`);
    for (const place of ["--at", "--zero"]) slider.style.setProperty(place, String((neutral - low) / (high - low)));
    slider.addEventListener("input", () => this.take(kind, slider.valueAsNumber));
    slider.addEventListener("dblclick", () => number.select());
    number.addEventListener("change", () => this.take(kind, number.valueAsNumber));
    number.addEventListener("focus", () => number.select());
    return [slider, number];
  }

  /** An emptied number goes back to what changes nothing. */
  private take(kind: Kind, typed: number): void {
    const value = Number.isNaN(typed) ? KINDS[kind].neutral : tidy(typed);
    this.set(kind, value);
    this.changed();
  }

  private resetButton(): HTMLElement {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button bare reset";
    button.title = "Back to gain 1, offset 0";
    button.setAttribute("aria-label", `Reset ${this.label}`);
    button.append(icon("i-reset"));
    button.addEventListener("click", () => {
      this.reset();
      this.changed();
    });
    return button;
  }
}

function input(
  type: "range" | "number",
  kind: Kind,
  low: number,
  high: number,
  step: number,
  value: number,
  label: string,
): HTMLInputElement {
  const element = document.createElement("input");
  Object.assign(element, { type, className: kind, min: String(low), max: String(high), step: String(step) });
  element.value = String(value);
  element.setAttribute("aria-label", label);
  return element;
}

function heading(): HTMLElement {
  const row = document.createElement("div");
  row.className = "tuning heading";
  row.setAttribute("aria-hidden", "true");
  for (const [className, text] of [["gain", "Gain"], ["offset", "Offset"]] as const) {
    const cell = row.appendChild(document.createElement("span"));
    cell.className = className;
    cell.textContent = text;
  }
  return row;
}

function icon(id: string): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.classList.add("icon");
  svg.appendChild(document.createElementNS(space, "use")).setAttribute("href", `#${id}`);
  return svg;
}
