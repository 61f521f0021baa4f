/**
 * bench/cleanup.ts DIR BUDGET: what a cleanup costs in a directory of 100,000 entries that are none of
 * Untorn's, against listing it.
 */

import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { cleanup, cleanupSync } from "../mod.ts";
import { dir, isQuick, race, runtime, time } from "./measure.ts";

const ENTRIES = isQuick ? 10_000 : 100_000;
const root = join(dir, "entries");
mkdirSync(root);
for (let i = 0; i < ENTRIES; i++) writeFileSync(join(root, `an-ordinary-name-${i}`), "");

/** Deno's own listing that fails where reading breaks off; the others there return a short list. */
async function list(): Promise<unknown> {
  if (runtime === "Deno") return await Array.fromAsync(Deno.readDir(root));
  return await readdir(root, { withFileTypes: true });
}

function listSync(): unknown {
  return runtime === "Deno" ? list() : readdirSync(root, { withFileTypes: true });
}

const table = "Cleaning up";
const among = `among ${ENTRIES.toLocaleString("en")} entries`;
await race({
  table,
  row: `${among} / listing them`,
  contestants: { listing: () => time(list), async: () => time(() => cleanup(root)) },
  most: 30,
});
await race({
  table,
  row: `${among}, sync / listing them`,
  contestants: { listing: () => time(listSync), sync: () => time(() => cleanupSync(root)) },
  most: 30,
});
