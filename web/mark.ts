// The built page says what it was built from, so that a test in Python, without node, sees a page that is out of date.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { Plugin } from "vite";

/** SHA-256 over names and bytes of everything the page is built from; src/voxface/viewer/page.py computes the same. */
function sourceMark(): string {
  const inside = (folder: string) => readdirSync(folder, { recursive: true }).map((name) => `${folder}/${name}`);
  const top = readdirSync(".").filter((name) => /\.(ts|html)$|^package-lock\.json$/.test(name));
  const mark = createHash("sha256");
  for (const name of [...top, ...inside("public"), ...inside("src")].filter((path) => statSync(path).isFile()).sort()) {
    mark.update(`${name}\n${createHash("sha256").update(readFileSync(name)).digest("hex")}\n`);
  }
  return mark.digest("hex");
}

/** Writes built.txt beside the page. */
export function markSources(): Plugin {
  return {
    name: "mark-sources",
    generateBundle() {
      this.emitFile({ type: "asset", fileName: "built.txt", source: `${sourceMark()}\n` });
    },
  };
}
