/**
 * bench/cleanup.ts DIR ROUNDS: what a cleanup costs in a directory of 100,000 entries that are none of
 * Untorn's, against listing it. Prints rows of a Markdown table.
 */

import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { cleanup, cleanupSync } from "../mod.ts";
import { compare, runtime, time } from "./ratios.ts";

const [dir, rounds] = [process.argv[2]!, Math.min(10, Number(process.argv[3]))];
const root = join(dir, `entries-${runtime}`);
mkdirSync(root);
for (let i = 0; i < 100_000; i++) writeFileSync(join(root, `an-ordinary-name-${i}`), "");

/** Deno's own listing that fails where reading breaks off; the others there return a short list. */
async function list(): Promise<unknown> {
  if (runtime === "Deno") return await Array.fromAsync(Deno.readDir(root));
  return await readdir(root, { withFileTypes: true });
}

function listSync(): unknown {
  return runtime === "Deno" ? list() : readdirSync(root, { withFileTypes: true });
}

await compare("cleanup / listing", rounds, () => time(list), () => time(() => cleanup(root)));
await compare(
  "cleanup, sync / listing",
  rounds,
  () => time(listSync),
  () => time(() => cleanupSync(root)),
);
