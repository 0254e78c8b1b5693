// Khronos' validator on a GLB: prints its issues as JSON; ends with 1 where there is any error, warning or hint.
// node tools/validate_glb.mjs FILE   (the package gltf-validator comes with `npm ci` in web/)
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const validator = createRequire(new URL("../web/package.json", import.meta.url))("gltf-validator");
const report = await validator.validateBytes(new Uint8Array(await readFile(process.argv[2])), { maxIssues: 100 });
const { numErrors, numWarnings, numHints, numInfos, messages } = report.issues;
console.log(JSON.stringify({ errors: numErrors, warnings: numWarnings, hints: numHints, infos: numInfos, messages }));
process.exitCode = numErrors + numWarnings + numHints ? 1 : 0;
