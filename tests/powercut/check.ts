/**
 * check.ts OPERATION DIR LAST: cleans up after a power cut. One whole generation stands, not older than the
 * last that was acknowledged, and nothing of the protocol beside it; else the last line of output says
 * `category: text`.
 */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { cleanupSync } from "../../mod.ts";
import { recognise } from "../../lib/names.ts";
import { operations } from "./operations.ts";

const [name, place, last] = process.argv.slice(2) as [string, string, string];
const dir = join(place, "root");

try {
  cleanupSync(place, { minAge: 0 });
  const { failed, kept, quarantined } = cleanupSync(dir, { minAge: 0, recursive: true });
  const odd = [...failed, ...kept, ...quarantined].map(({ path, reason }) => `${path} ${reason}`);
  if (odd.length > 0) throw new Error(`report: ${odd.join("; ")}`);
  const parts = (readdirSync(dir, { recursive: true }) as string[]).map((path) => path.split("/"));
  const left = parts.filter((parts) => parts.some(isProtocol)).map((parts) => parts.join("/"));
  if (left.length > 0) throw new Error(`leftover: ${left.join(" ")}`);
  const generation = operations[name]!.read(dir);
  const promised = last === "none" ? 0 : Number(last);
  if (!(generation >= promised)) throw new Error(`older: ${generation} for ${promised}`);
} catch (error) {
  console.log(existsSync(dir) ? (error as Error).message : "lost: all");
  process.exit(1);
}

function isProtocol(name: string): boolean {
  const known = recognise(name, "directory") ?? recognise(name, "file");
  return known !== undefined && known.kind !== "history";
}
