// A walk through the page in a real browser. Prints one JSON object: what each step found, or {"failed": why}.
//
//   node click-through.mjs PLAN.json      (tests/test_viewer_browser.py writes the plan and judges the findings)

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { chromium } from "playwright-core";

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const found = { consoleErrors: [], requestsElsewhere: [], durations_ms: {} };

const FLAGS = [
  "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--autoplay-policy=document-user-activation-required",
];
const browser = await chromium.launch({ executablePath: plan.chromium, args: FLAGS });

/** A page of a fresh profile; everything it complains about or asks elsewhere is kept. */
async function open(path = "", { before, ...options } = {}) {
  // Half a pixel per pixel: the software renderer of a machine without a graphics card has a quarter of the work.
  const small = { viewport: { width: 960, height: 640 }, deviceScaleFactor: 0.5, reducedMotion: "reduce" };
  const context = await browser.newContext({ ...small, colorScheme: "dark", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("console", (said) => said.type() === "error" && found.consoleErrors.push(said.text()));
  page.on("pageerror", (error) => found.consoleErrors.push(String(error)));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!["blob:", "data:"].includes(url.protocol) && url.origin !== new URL(plan.url).origin) {
      found.requestsElsewhere.push(request.url());
    }
  });
  if (before) await page.addInitScript(before);
  await page.goto(plan.url + path);
  return page;
}

async function step(name, work) {
  const began = performance.now();
  try {
    found[name] = (await work()) ?? true;
  } catch (error) {
    found[name] = { failed: String(error.stack ?? error) };
  }
  found.durations_ms[name] = Math.round(performance.now() - began);
}

/** Wait by the clock: frames are rare in software rendering. */
const until = (page, condition) => page.waitForFunction(condition, null, { polling: 20 });
const rows = (page) => page.evaluate(() => window.voxface.app.banner.rows);
const closeRows = (page) =>
  page.evaluate(() => document.querySelectorAll("#banner button").forEach((button) => button.click()));
const now = (page) => page.evaluate(() => window.voxface.player.now());
const seek = (page, seconds) => page.evaluate((at) => window.voxface.app.seek(at), seconds);

/** Let go of files over the page, as a person does, and wait until they are worked off. */
async function drop(page, ...paths) {
  const files = paths.map((path) => [basename(path), readFileSync(path).toString("base64")]);
  await page.evaluate(async (files) => {
    const transfer = new DataTransfer();
    for (const [name, text] of files) {
      transfer.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name));
    }
    const event = (kind) => new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
    window.dispatchEvent(event("dragenter"));
    window.overlayShown = !document.getElementById("drop").hidden;
    window.dispatchEvent(event("drop"));
  }, files);
  await until(page, () => window.voxface.app.view.waiting === null);
}

/** A box of the picture (shares of width and height) as numbers: its mean colour, and how many of its pixels are as grey
 * as teeth and the dark behind them; skin, lips and tongue are redder. */
const look = (page, box = [0, 0, 1, 1]) =>
  page.evaluate(async ([left, top, right, bottom]) => {
    const { stage } = window.voxface;
    stage.draw = () => false; // what was asked for is posed, and drawn once: by `picture`
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    delete stage.draw;
    const picture = await createImageBitmap(await stage.picture());
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const paint = canvas.getContext("2d");
    paint.drawImage(picture, 0, 0);
    const [x, y] = [Math.round(left * picture.width), Math.round(top * picture.height)];
    const [width, height] = [Math.round(right * picture.width) - x, Math.round(bottom * picture.height) - y];
    const { data } = paint.getImageData(x, y, width, height);
    let [grey, red, green, blue] = [0, 0, 0, 0];
    for (let at = 0; at < data.length; at += 4) {
      red += data[at];
      green += data[at + 1];
      blue += data[at + 2];
      if (data[at] - data[at + 2] < 30) grey += 1;
    }
    const pixels = width * height;
    return { grey, pixels, mean: [red / pixels, green / pixels, blue / pixels] };
  }, box);

// ---- what is seen: software rendering is slow, so only what needs a picture ------------------------------------------

const page = await open("", { acceptDownloads: true });

await step("firstPictureMs", async () => {
  await until(page, () => window.voxface.app.firstPictureMs !== null);
  return page.evaluate(() => window.voxface.app.firstPictureMs);
});

await step("compare", async () => {
  await until(page, () => window.voxface.app.view.b !== null);
  const labels = () => page.$$eval(".stage-label", (found) => found.map((label) => label.textContent));
  const both = await labels();
  await page.click("#compare");
  const pressed = await page.getAttribute("#compare", "aria-pressed");
  return { both, one: await labels(), b: await page.inputValue("#clip-b"), pressed };
});

await step("play", async () => {
  await seek(page, 0);
  const before = await look(page);
  await page.click("#play");
  await until(page, () => window.voxface.player.now() > 0.5);
  const apart = await page.evaluate(() => Math.abs(window.voxface.player.now() - window.voxface.player.sound.currentTime));
  const blocked = (await rows(page)).length;
  await page.keyboard.press("Space");
  await until(page, () => !window.voxface.player.playing);
  const stopped = await now(page);
  await page.waitForTimeout(60);
  const shown = await page.textContent("#time");
  const after = await look(page);
  return { apart, blocked, stopped, still: (await now(page)) === stopped, shown, before: before.mean, after: after.mean };
});

await step("mouth", async () => {
  await page.evaluate(() => window.voxface.app.headMotion(false));
  await page.click('[data-camera="mouth"]');
  const at = {};
  for (const [name, seconds] of Object.entries(plan.mouth)) {
    await seek(page, seconds);
    at[name] = await look(page, [0.3, 0.45, 0.7, 0.65]);
  }
  return at;
});

await step("cameras", async () => {
  const means = {};
  for (const name of ["profile", "three-quarter", "front"]) {
    await page.click(`[data-camera="${name}"]`);
    means[name] = { view: await page.evaluate(() => window.voxface.stage.view), mean: (await look(page)).mean };
  }
  return means;
});

await step("gains", async () => {
  await seek(page, plan.mouth.open);
  const before = await look(page, [0.3, 0.3, 0.7, 0.9]);
  await page.click("#tab-gains");
  await page.locator('.tuning[data-channel="jawOpen"] input[type="number"]').first().fill("3");
  await page.keyboard.press("Tab");
  const after = await look(page, [0.3, 0.3, 0.7, 0.9]);
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("#gains-save")]);
  const toml = readFileSync(await file.path(), "utf8");
  await page.click("#gains-reset");
  await page.click("#tab-channels");
  return { before: before.mean, after: after.mean, reset: (await look(page, [0.3, 0.3, 0.7, 0.9])).mean, toml };
});

await step("theme", async () => {
  const both = {};
  for (let time = 0; time < 2; time++) {
    const name = await page.evaluate(() => document.documentElement.dataset.theme);
    const around = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    both[name] = { page: around, corner: (await look(page, [0, 0, 0.1, 0.1])).mean };
    await page.keyboard.press("d");
  }
  return both;
});

await step("record", async () => {
  await page.evaluate(() => window.voxface.app.loop(true)); // else a slow machine is at the end before it has six pictures
  const download = page.waitForEvent("download", { timeout: 60_000 });
  download.catch(() => undefined); // what fails before it is told below
  await page.keyboard.press("r");
  await page.evaluate(() => window.voxface.stage.cost.reset());
  await page.waitForFunction(() => window.voxface.stage.cost.frames >= 6, null, { polling: 20, timeout: 60_000 });
  await page.keyboard.press("r");
  const file = await download;
  await file.saveAs(plan.video);
  return { name: file.suggestedFilename() };
});

await step("lost", async () => {
  const before = (await look(page)).mean;
  await page.evaluate(() => {
    const context = document.getElementById("stage").getContext("webgl2");
    window.loser = context.getExtension("WEBGL_lose_context");
    window.loser.loseContext();
  });
  await until(page, () => window.voxface.stage.problem !== null);
  const said = await rows(page);
  await page.evaluate(() => window.loser.restoreContext());
  await until(page, () => window.voxface.stage.problem === null);
  const left = await rows(page);
  return { said, left, before, after: (await look(page)).mean };
});
await page.close();

// ---- what is asked, heard and said: on a page without WebGL 2, which must work as well ---------------------------------

const poor = await open("", {
  before: `const real = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
      return kind.startsWith("webgl") ? null : real.call(this, kind, ...rest);
    };
    const ready = setInterval(() => {
      if (!window.voxface?.app.view.a) return;
      clearInterval(ready);
      if (performance.getEntriesByType("navigation")[0].type === "reload") return;
      window.voxface.player.on("blocked", () => setTimeout(() => console.log("blocked"), 0));
      window.voxface.player.play();
    }, 20);`,
});

await step("blocked", async () => {
  // No question to the page before: each would count as a touch by a person, and sound would be allowed.
  await poor.waitForEvent("console", { predicate: (said) => said.text() === "blocked" });
  const said = await rows(poor);
  await poor.click("#play");
  await until(poor, () => window.voxface.player.now() > 0.1);
  await poor.keyboard.press("Space");
  const after = await rows(poor);
  await closeRows(poor);
  return { said, after };
});

await step("hidden", async () => {
  await seek(poor, 0);
  return poor.evaluate(async () => {
    const { player } = window.voxface;
    const shown = () => Number(document.getElementById("time").textContent.slice(2));
    const real = window.requestAnimationFrame.bind(window);
    const framed = () => new Promise((done) => real(() => real(done)));
    await framed();
    const waiting = [];
    window.requestAnimationFrame = (frame) => waiting.push(frame); // as in a tab that nobody sees
    player.play();
    const end = performance.now() + 30_000;
    while (player.sound.currentTime < 0.3 && performance.now() < end) await new Promise((done) => setTimeout(done, 50));
    const unseen = shown();
    window.requestAnimationFrame = real;
    waiting.forEach((frame) => real(frame));
    await framed();
    const found = { unseen, heard: player.sound.currentTime, shown: shown() };
    player.pause();
    return found;
  });
});

await step("orbit", async () => {
  const box = await poor.locator("#stage").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await poor.mouse.move(x, y);
  await poor.mouse.down();
  await poor.mouse.move(x + 40, y + 10, { steps: 3 });
  await poor.mouse.up();
  await until(poor, () => window.voxface.stage.view === null && !document.querySelector("[data-camera][aria-pressed=true]"));
  await poor.keyboard.press("1");
  return poor.evaluate(() => window.voxface.stage.view);
});

await step("idle", () =>
  poor.evaluate(async () => {
    await new Promise((done) => setTimeout(done, 100));
    const real = window.requestAnimationFrame;
    let frames = 0;
    window.requestAnimationFrame = (frame) => ((frames += 1), real.call(window, frame));
    await new Promise((done) => setTimeout(done, 200));
    window.requestAnimationFrame = real;
    return { frames };
  }),
);

await step("scrub", async () => {
  const box = await poor.locator("#waveform").boundingBox();
  await poor.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  const middle = await now(poor);
  await poor.keyboard.press("Shift+ArrowRight");
  await poor.keyboard.press("Shift+ArrowLeft");
  await poor.keyboard.press("ArrowRight");
  const next = await now(poor);
  await poor.evaluate(() => document.activeElement.blur());
  await poor.keyboard.press("ArrowLeft");
  const back = await now(poor);
  const whole = await poor.evaluate(() => ({ ...window.voxface.desk.view }));
  await poor.keyboard.press("+");
  const zoomed = await poor.evaluate(() => ({ ...window.voxface.desk.view }));
  await poor.keyboard.press("0");
  return { middle, next, back, whole, zoomed };
});

await step("loop", async () => {
  await seek(poor, 1.0);
  await poor.keyboard.press("[");
  await seek(poor, 1.3);
  await poor.keyboard.press("]");
  const range = await poor.evaluate(() => window.voxface.player.loop);
  await poor.keyboard.press("Space");
  let latest = 0;
  let turned = false;
  for (let look = 0; look < 60 && !turned; look++) {
    const at = await now(poor);
    turned = at < latest;
    latest = Math.max(latest, at);
    await poor.waitForTimeout(20);
  }
  await poor.keyboard.press("Space");
  await poor.keyboard.press("l");
  return { range, latest, turned, off: await poor.evaluate(() => window.voxface.player.loop) };
});

await step("search", async () => {
  await poor.keyboard.press("/");
  await poor.keyboard.type("smile");
  const count = await poor.textContent("#lanes-count");
  await poor.keyboard.press("Escape");
  return { count, all: await poor.textContent("#lanes-count") };
});

await step("help", async () => {
  await poor.keyboard.press("?");
  const keys = await poor.$$eval("#help[open] #help-keys dt", (found) => found.map((term) => term.textContent.trim()));
  await poor.keyboard.press("Escape");
  return { keys, closed: (await poor.$("#help[open]")) === null };
});

await step("drops", async () => {
  const shown = () =>
    poor.evaluate(() => {
      const { a, b, clips, comparing, durationS } = window.voxface.app.view;
      return { a: a?.label ?? null, b: b?.label ?? null, clips: clips.length, comparing, durationS };
    });
  const after = {};
  for (const path of plan.drops) {
    const errors = found.consoleErrors.length;
    await drop(poor, path);
    const refused = found.consoleErrors.splice(errors).filter((said) => !/status of 4(00|15)/.test(said));
    found.consoleErrors.push(...refused); // the browser itself reports what the server refuses
    after[basename(path)] = { ...(await shown()), rows: await rows(poor) };
    await closeRows(poor);
  }
  await poor.keyboard.press("v");
  const overlay = await poor.evaluate(() => window.overlayShown);
  return { after, overlay, gains: await poor.evaluate(() => window.voxface.desk.gains()) };
});

await step("phone", async () => {
  await poor.setViewportSize({ width: 390, height: 844 });
  await poor.waitForTimeout(100);
  const sizes = await poor.evaluate(() => ({
    page: document.documentElement.scrollWidth,
    stage: document.getElementById("stage").clientWidth,
    play: document.getElementById("play").getBoundingClientRect().bottom,
  }));
  await poor.setViewportSize({ width: 960, height: 640 });
  return sizes;
});

await step("place", async () => {
  await seek(poor, 1.25);
  await poor.reload();
  await until(poor, () => window.voxface?.app.view.a != null);
  await closeRows(poor);
  await until(poor, () => window.voxface?.app.view.a !== null && window.voxface.player.now() > 0);
  return { seconds: await now(poor), a: await poor.evaluate(() => window.voxface.app.view.a.label) };
});

await step("serverGone", async () => {
  await poor.route("**/api/clip?*", (route) => route.abort());
  const errors = found.consoleErrors.length;
  await drop(poor, plan.drops[0]);
  found.consoleErrors.length = errors; // the browser itself reports the request that we cut
  return rows(poor);
});

await browser.close();
console.log(JSON.stringify(found));
