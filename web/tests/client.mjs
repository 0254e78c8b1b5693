// The example page of `voxface serve` in a real browser. Prints one JSON object: what each step found.
//
//   node client.mjs PLAN.json      (tests/test_client_browser.py writes the plan and judges the findings)

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const found = { complaints: [], elsewhere: [] };
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
  `--use-file-for-audio-capture=${plan.microphone}`,
];
const browser = await chromium.launch({ executablePath: plan.chromium, args: FLAGS });
const page = await browser.newPage({ viewport: { width: 980, height: 560 }, reducedMotion: "reduce" });
page.setDefaultTimeout(20_000);
page.on("console", (said) => said.type() === "error" && found.complaints.push(said.text()));
page.on("pageerror", (error) => found.complaints.push(String(error)));
page.on("request", (request) => {
  const url = request.url();
  if (url.startsWith("http") && !url.startsWith(plan.url)) found.elsewhere.push(url);
});

// When a sound begins, on the clock of its context; and every 10 ms the jaw and that clock.
await page.addInitScript(() => {
  const { start } = AudioBufferSourceNode.prototype;
  AudioBufferSourceNode.prototype.start = function (...rest) {
    window.begun = this.context.currentTime;
    return start.apply(this, rest);
  };
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    window.socket = this;
    return send.call(this, data);
  };
  window.seen = [];
  setInterval(() => {
    const { context, voice } = window;
    if (voice?.names.length) window.seen.push([context.currentTime, voice.weights().get("jawOpen") ?? 0]);
  }, 10);
});
const wait = (condition, argument) => page.waitForFunction(condition, argument, { polling: 10 });

try {
  await page.goto(`${plan.url}client/?delay=${plan.delay_s}`);
  await page.selectOption("#bundle", "live");
  await page.setInputFiles("#file", plan.sound);
  await wait(() => window.begun !== undefined);
  await wait((seconds) => context.currentTime > begun + seconds, plan.picture_s + plan.delay_s);
  await page.screenshot({ path: plan.picture });
  await wait((seconds) => context.currentTime > begun + seconds, plan.seconds + plan.delay_s);
  found.speech = await page.evaluate(() => ({ begun, seen, latency: voice.latency, rate: context.sampleRate }));
  found.names = await page.evaluate(() => voice.names);
  found.said = await page.textContent("#said");

  await wait(() => voice.weights().get("jawOpen") > 0.07);
  await page.evaluate(() => {
    window.seen = [];
    window.cut = context.currentTime;
    voice.addEventListener("interrupted", () => (window.answered = context.currentTime));
    document.getElementById("interrupt").click();
  });
  await wait((delay) => window.answered && context.currentTime > answered + delay + 0.3, plan.delay_s);
  found.interrupt = await page.evaluate(() => ({ cut, answered, seen }));

  await page.evaluate(() => Object.assign(window, { seen: [], before: voice }));
  await page.click("#microphone");
  await wait(() => voice !== before && voice.state === "ready" && Math.max(...seen.map(([, jaw]) => jaw)) > 0.05);
  found.microphone = true;

  await page.evaluate(() => {
    voice.addEventListener("gone", ({ detail }) => (window.lost = detail.retry_s));
    socket.close(4000); // as a network that breaks
  });
  await wait(() => window.lost && voice.state === "ready");
  await page.evaluate(() => (window.seen = []));
  await wait(() => Math.max(...seen.map(([, jaw]) => jaw)) > 0.05);
  found.again = true;

  await page.evaluate(() => (window.lost = undefined));
  process.kill(plan.stop, "SIGKILL");
  await wait(() => window.lost && Math.max(...voice.weights().values()) === 0);
  found.gone = await page.evaluate(() => window.lost);
} catch (error) {
  found.failed = String(error.stack ?? error);
  found.page = await page.textContent("#said").catch(String);
}
await browser.close();
console.log(JSON.stringify(found));
