// Builds the page into the Python package; the files are committed, so their names are fixed and diffs stay small.
import { defineConfig } from "vite";
import { markSources } from "./mark";

export default defineConfig({
  base: "./",
  plugins: [markSources()],
  build: {
    outDir: "../src/voxface/viewer/page",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    license: { fileName: "licences.md" }, // of what is bundled: three, whose licence wants its text beside it
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200, // kB: three is most of it, and the page comes from this machine
    rollupOptions: {
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  // `npm run dev` beside `voxface view --port 8777`: the page hot-reloads and still talks to the real server.
  server: { proxy: { "/api": "http://127.0.0.1:8777", "/head.glb": "http://127.0.0.1:8777" } },
});
