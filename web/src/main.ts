// Where the page begins. `window.voxface` is for tests and for the curious.

import { App } from "./app";
import { Banner } from "./banner";
import { Controls } from "./controls";

declare global {
  interface Window {
    voxface: { app: App; stage: App["stage"]; player: App["player"]; desk: App["desk"] };
  }
}

const at = (id: string): HTMLElement => document.getElementById(id)!;

const banner = new Banner(at("banner"), at("status"));
const app = new App(at("stage") as HTMLCanvasElement, at("desk"), banner);
new Controls(app);
window.voxface = { app, stage: app.stage, player: app.player, desk: app.desk };
app.start().catch((error: unknown) => app.tell(error));
