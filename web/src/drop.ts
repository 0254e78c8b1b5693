// Files from outside: dropped on the page, chosen in a dialog, or pasted. What they are is told by their names.

export type What = "clip" | "head" | "gains" | "sound";

const BY_SUFFIX: Record<string, What> = {
  csv: "clip", json: "clip", jsonl: "clip", ndjson: "clip", npz: "clip", safetensors: "clip",
  glb: "head", gltf: "head", vrm: "head", toml: "gains",
};

/** Everything that is not known by name may hold sound; the server says best what it is instead. */
export function whatIs(name: string): What {
  return BY_SUFFIX[name.toLowerCase().split(".").pop() ?? ""] ?? "sound";
}

/** Call `take` with files, in their order; `over` shows where to let go. */
export function listenForFiles(over: HTMLElement, input: HTMLInputElement, take: (files: File[]) => void): void {
  let inside = 0; // dragenter and dragleave come for every element that is crossed
  const show = (count: number): void => {
    inside = Math.max(count, 0);
    over.hidden = inside === 0;
  };
  window.addEventListener("dragenter", (event) => {
    if (event.dataTransfer?.types.includes("Files")) show(inside + 1);
  });
  window.addEventListener("dragleave", () => show(inside - 1));
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    show(0);
    take([...(event.dataTransfer?.files ?? [])]);
  });
  window.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) take([...event.clipboardData.files]);
  });
  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    input.value = ""; // so that the same file can be chosen again
  });
}
