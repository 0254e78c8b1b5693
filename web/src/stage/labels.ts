/** Two names over a canvas that shows two heads: elements `.stage-label[data-slot=a|b]`; the page styles them. */
export class Labels {
  readonly #canvas: HTMLCanvasElement;
  #shown: HTMLElement[] = [];

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
  }

  /** Show two names, or none with null. */
  show(names: readonly [string, string] | null): void {
    this.#shown.forEach((element) => element.remove());
    this.#shown = (names ?? []).map((name, slot) => {
      const element = document.createElement("span");
      element.className = "stage-label";
      element.dataset.slot = slot === 0 ? "a" : "b";
      element.textContent = name;
      element.style.position = "absolute";
      this.#canvas.parentElement?.append(element);
      return element;
    });
  }

  /** Put them at the lower left of their pictures, side by side or one above the other: faces stay free. */
  place(stacked: boolean): void {
    this.#shown.forEach((element, slot) => {
      element.style.left = `calc(${stacked || slot === 0 ? 0 : 50}% + 0.75rem)`;
      element.style.bottom = `calc(${stacked && slot === 0 ? 50 : 0}% + 0.75rem)`;
    });
  }
}
