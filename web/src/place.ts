// Where somebody was, in the address of the page: a reload, or a second window, shows the same moment.

export interface Place {
  readonly seconds: number;
  readonly camera: string;
  /** Ids of the clips, "" for none. */
  readonly a: string;
  readonly b: string;
}

/** The place in an address's hash, as far as it says one. */
export function readPlace(hash: string): Partial<Place> {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const seconds = Number(said.get("t") ?? NaN);
  const texts = ["camera", "a", "b"].filter((name) => said.has(name)).map((name) => [name, said.get(name)]);
  return { ...Object.fromEntries(texts), ...(Number.isFinite(seconds) ? { seconds } : {}) };
}

/** Put a place into the address, without a step in the browser's history. */
export function writePlace({ seconds, camera, a, b }: Place): void {
  const said = new URLSearchParams({ t: seconds.toFixed(3), ...(camera && { camera }), a, ...(b && { b }) });
  history.replaceState(null, "", `#${said}`);
}
