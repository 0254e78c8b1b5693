// A picture of the page; see tools/viewer_pictures.py.
//
//   node picture.mjs URL CHROMIUM dark|light SECONDS OUT.png WIDTH HEIGHT

import { chromium } from "playwright-core";

const [, , url, executablePath, colorScheme, seconds, path, width, height] = process.argv;
const FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath, args: FLAGS });
const viewport = { width: Number(width), height: Number(height) };
const page = await browser.newPage({ viewport, colorScheme, reducedMotion: "reduce" });
await page.goto(`${url}#t=${seconds}`);
const isSeen = () => window.voxface?.app.firstPictureMs != null && window.voxface.app.view.a !== null;
await page.waitForFunction(isSeen, null, { polling: 50, timeout: 60_000 });
await page.waitForTimeout(4000); // lanes are drawn when they are seen, and a software renderer takes its time
await page.screenshot({ path });
await browser.close();
