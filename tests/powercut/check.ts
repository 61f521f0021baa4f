/**
 * check.ts OPERATION DIR LAST: cleans up after a power cut. One whole generation stands, not older than the
 * last that was acknowledged, and nothing of the protocol beside it; else the last line of output says
 * `category: text`.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { cleanupSync } from "../../mod.ts";
import { recover } from "../helpers/operations.ts";

const [name, place, last] = process.argv.slice(2) as [string, string, string];
const dir = join(place, "root");

try {
  cleanupSync(place, { minAge: 0 });
  recover(name, dir, last === "none" ? 0 : Number(last));
} catch (error) {
  console.log(existsSync(dir) ? (error as Error).message : "lost: all");
  process.exit(1);
}
