// The keyboard: one table that the listener and the help page read.

export interface Key {
  /** As `KeyboardEvent.key` says it, with "Shift+" before it where Shift makes another key of it. */
  readonly keys: readonly string[];
  /** As people read it. */
  readonly shown: string;
  readonly does: string;
  readonly run: () => void;
}

const TYPING = "input:not([type=range]), textarea, [contenteditable=true]";
const OWN_ARROWS = "select, input[type=range], [role=tab]";

/** Run the table's entries for keys that nobody else took: not while somebody types, not with Ctrl, Alt or Meta. */
export function listenForKeys(table: readonly Key[]): void {
  window.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave(event.target);
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || taken(event)) return;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const named = event.shiftKey && event.key.length > 1 ? `Shift+${name}` : name;
    const found = table.find((entry) => entry.keys.includes(named));
    if (!found) return;
    event.preventDefault();
    found.run();
  });
}

/** Escape empties a search and gives the keys back. */
function leave(at: EventTarget | null): void {
  if (!(at instanceof HTMLInputElement) || !at.matches(TYPING)) return;
  if (at.type === "search") {
    at.value = "";
    at.dispatchEvent(new Event("input", { bubbles: true }));
  }
  at.blur();
}

function taken(event: KeyboardEvent): boolean {
  const at = event.target;
  if (!(at instanceof Element)) return false;
  if (at.closest("dialog[open]") || at.matches(TYPING)) return true;
  if (event.key === " " || event.key === "Enter") return at.matches("button, select, a, summary");
  return /^(Arrow|Home|End|Page)/.test(event.key) && at.matches(OWN_ARROWS);
}

/** Fill a <dl> with the table. */
export function fillHelp(list: HTMLElement, table: readonly Key[]): void {
  list.replaceChildren(
    ...table.flatMap(({ shown, does }) => {
      const term = document.createElement("dt");
      for (const part of shown.split(" ")) {
        const key = document.createElement("kbd");
        key.textContent = part;
        term.append(key, " ");
      }
      const meaning = document.createElement("dd");
      meaning.textContent = does;
      return [term, meaning];
    }),
  );
}
