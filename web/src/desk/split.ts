// The line between face and desk: dragged, or moved by the arrow keys; a double click puts it back.

/** What an arrow key moves it, in CSS pixels. */
const STEP = 24;

export function wireSplit(line: HTMLElement, desk: HTMLElement): void {
  const host = desk.parentElement!;
  const place = (width: number): void => {
    host.style.setProperty("--desk", `${Math.round(width)}px`); // frame.css keeps it within bounds
    line.setAttribute("aria-valuenow", String(Math.round((desk.offsetWidth / host.offsetWidth) * 100)));
  };
  line.addEventListener("pointerdown", (event) => line.setPointerCapture(event.pointerId));
  line.addEventListener("pointermove", (event) => {
    if (line.hasPointerCapture(event.pointerId)) place(host.getBoundingClientRect().right - event.clientX);
  });
  line.addEventListener("dblclick", () => host.style.removeProperty("--desk"));
  line.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    place(desk.offsetWidth + step);
  });
}
