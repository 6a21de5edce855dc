import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

/** The host that a development server asks: `npm run dev` beside a `tidegate serve`. */
const host = process.env.TIDEGATE_URL ?? "http://127.0.0.1:4600";

export default defineConfig({
  plugins: [preact({ prefreshEnabled: false })],
  build: {
    target: "es2022",
    // What is small stays a file too: the content security policy allows no data: scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    host: "127.0.0.1",
    // The guard of the host lets in only its own origin.
    proxy: { "/api": { target: host, changeOrigin: true, headers: { origin: host } } },
  },
});
