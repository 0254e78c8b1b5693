// The page's own modules, for tests that need no browser.
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

/** What a file of web/src exports. */
export const source = async (file) =>
  (await runnerImport(fileURLToPath(new URL(`../src/${file}`, import.meta.url)), { logLevel: "error" })).module;
