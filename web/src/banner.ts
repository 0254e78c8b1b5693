// Sentences over the page: errors stay until they are closed, notes too; the same sentence stands there once.

export type Kind = "error" | "note";

export class Banner {
  readonly #root: HTMLElement;
  readonly #status: HTMLElement;

  /** root: where the rows stand. status: a polite live region for what needs no row. */
  constructor(root: HTMLElement, status: HTMLElement) {
    this.#root = root;
    this.#status = status;
  }

  /** A row with a button that closes it. `topic`: a later row of the same topic takes its place, `clear` removes it. */
  say(kind: Kind, text: string, topic = text): void {
    this.clear(topic);
    const row = document.createElement("div");
    row.className = "banner";
    row.dataset["kind"] = kind;
    row.dataset["topic"] = topic;
    const words = document.createElement("p");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "button bare";
    close.setAttribute("aria-label", "Close");
    close.textContent = "×";
    close.onclick = () => this.clear(topic);
    row.append(words, close);
    this.#root.append(row);
    this.#root.hidden = false;
  }

  /** Take away the row of a topic, if there is one. */
  clear(topic: string): void {
    for (const row of [...this.#root.children]) {
      if (row instanceof HTMLElement && row.dataset["topic"] === topic) row.remove();
    }
    this.#root.hidden = !this.#root.children.length;
  }

  /** For screen readers and nobody else. */
  whisper(text: string): void {
    this.#status.textContent = text;
  }

  /** The sentences that stand there. */
  get rows(): string[] {
    return [...this.#root.querySelectorAll("p")].map((words) => words.textContent ?? "");
  }
}
