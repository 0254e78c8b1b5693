// The viewer's page on frames that arrive now. Prints one JSON object: what was seen.
//
//   node live.mjs PLAN.json      (tests/test_viewer_live.py writes the plan, sends the frames and judges)

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const found = { complaints: [] };
const FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run", "--disable-sync"];
const browser = await chromium.launch({ executablePath: plan.chromium, args: FLAGS });
const page = await browser.newPage({ viewport: plan.size, deviceScaleFactor: 0.5, colorScheme: "dark", reducedMotion: "reduce" });
page.setDefaultTimeout(20_000);
page.on("console", (said) => said.type() === "error" && found.complaints.push(said.text()));
page.on("pageerror", (error) => found.complaints.push(String(error)));
const until = (condition) => page.waitForFunction(condition, null, { polling: 20 });
/** Mean red of a box around the mouth: what an open one shows is dark. */
const mouth = () =>
  page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); // what came is posed
    const picture = await createImageBitmap(await window.voxface.stage.picture());
    const { width, height } = picture;
    const paint = new OffscreenCanvas(width, height).getContext("2d");
    paint.drawImage(picture, 0, 0);
    const { data } = paint.getImageData(0.46 * width, 0.69 * height, 0.08 * width, 0.15 * height);
    return data.reduce((sum, value, at) => sum + (at % 4 ? 0 : value), 0) / (data.length / 4);
  });
const jaw = () => window.voxface.app.live.weights[window.voxface.app.live.channels.indexOf("jawOpen")];

try {
  await page.goto(plan.url);
  await until(() => window.voxface?.app.live && window.voxface.stage.cost.frames);
  found.waiting = await page.textContent("#live");
  console.error("ready"); // now the frames may come
  await until(() => window.voxface.app.live.weights.some((weight) => weight > 0.5));
  await until(() => /fps/.test(document.getElementById("live").textContent));
  found.open = [await page.evaluate(jaw), await mouth()];
  if (plan.picture) await page.screenshot({ path: plan.picture });
  found.line = await page.textContent("#live");
  found.hidden = await page.isHidden("#desk");
  console.error("shut");
  await until(() => !window.voxface.app.live.weights.some((weight) => weight > 0.5));
  found.shut = [await page.evaluate(jaw), await mouth()];
  console.error("stop");
  await until(() => /does not answer/.test(document.getElementById("live").textContent));
} catch (error) {
  found.failed = String(error.stack ?? error);
}
await browser.close();
console.log(JSON.stringify(found));
