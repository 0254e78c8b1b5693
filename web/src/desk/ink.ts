// Colours of the page for canvases, and canvases that match the pixels of the screen.

const NAMES = ["a", "a-soft", "b", "delta", "ghost", "grid", "muted", "wave"] as const;
type InkName = (typeof NAMES)[number];

export type Ink = Readonly<Record<InkName, string>>;

/** What the custom properties --ink-… of style.css are right now; a canvas cannot read light-dark() itself. */
export function readInk(root: HTMLElement): Ink {
  const probe = root.appendChild(document.createElement("span"));
  const ink = {} as Record<InkName, string>;
  for (const name of NAMES) {
    probe.style.color = `var(--ink-${name})`;
    ink[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return ink;
}

/** A cleared context in device pixels; the canvas has `width` x `height` CSS pixels. Null where there is nothing to see. */
export function fresh(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const wide = Math.round(width * devicePixelRatio);
  const high = Math.round(height * devicePixelRatio);
  if (wide < 1 || high < 1) return null;
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  context?.clearRect(0, 0, wide, high);
  return context;
}
