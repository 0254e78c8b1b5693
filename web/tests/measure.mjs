// How fast the page is in a real browser. Prints one JSON object; see benchmarks/viewer.py.
//
//   node measure.mjs URL CHROMIUM

import { chromium } from "playwright-core";

const [, , url, executablePath] = process.argv;
const FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath, args: FLAGS });

const firstPictures = [];
let context;
let page;
for (let time = 0; time < 5; time++) {
  await context?.close();
  // A quarter of a pixel per pixel: without a graphics card the picture's size decides about everything else.
  context = await browser.newContext({ viewport: { width: 960, height: 640 }, deviceScaleFactor: 0.25 });
  page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => window.voxface.app.firstPictureMs !== null, null, { polling: 20 });
  firstPictures.push(await page.evaluate(() => window.voxface.app.firstPictureMs));
}
await page.waitForFunction(() => window.voxface.app.view.a !== null, null, { polling: 20 });
await page.evaluate(() => {
  window.voxface.app.loop(true);
  window.voxface.stage.cost.reset();
  window.voxface.player.play();
});
await page.waitForFunction(() => window.voxface.stage.cost.frames >= 300, null, { polling: 200, timeout: 120_000 });
const cost = await page.evaluate(() => ({ median: window.voxface.stage.cost.median, high: window.voxface.stage.cost.high }));
await browser.close();
console.log(JSON.stringify({ firstPictures, cost }));
