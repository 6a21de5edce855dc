/** Fails where the UI's scripts are larger than a phone should have to fetch: 300 KB in all, compressed. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const MOST = 300_000;
const folder = join(import.meta.dirname, "dist/assets");
const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
const size = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name))).length, 0);
console.log(`${scripts.length} scripts, ${Math.round(size / 1000)} KB compressed`);
if (size > MOST) {
  console.error(`the scripts of the UI may have ${MOST / 1000} KB compressed`);
  process.exit(1);
}
