/**
 * workload.ts OPERATION setup DIR: makes generation 0.
 * workload.ts OPERATION run DIR DURABILITY: five generations; writes the number of each to
 * $CRASHLAB_MARK when it is acknowledged.
 * workload.ts OPERATION recover DIR DURABILITY: before each of them, one that is cut off after a call at
 * random ($SEED), and a cleanup.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemCalls } from "../../lib/os/system.ts";
import type { Durability } from "../../lib/core/options.ts";
import { runSync } from "../../lib/core/steps.ts";
import { cleanupSync } from "../../mod.ts";
import { killAfter } from "../helpers/ports.ts";
import { operations } from "../helpers/operations.ts";

const [name, mode, place, durability = "full"] = process.argv.slice(2) as string[];
const { setup, change, read } = operations[name!]!;
const dir = join(place!, "root");

if (mode === "setup") setup(dir);
else await generations();

async function generations(): Promise<void> {
  const os = systemCalls().sync;
  const level = durability as Durability;
  let [last, seed] = [0, Number(process.env.SEED ?? 7)];
  for (let i = 0; i < 5; i++) {
    if (mode === "recover") {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      await killAfter(1 + seed % 200, os, (os) => change(os, dir, last + 1, level));
      cleanupSync(dir, { recursive: true });
      // What stands now was never acknowledged, so a power cut may take it back.
      if (read(dir) !== last) last++;
    }
    runSync(change(os, dir, ++last, level));
    mark(last);
  }
}

function mark(generation: number): void {
  writeFileSync(process.env.CRASHLAB_MARK!, `${generation}`);
}
