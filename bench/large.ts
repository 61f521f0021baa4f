/**
 * bench/large.ts DIR BUDGET: how long it takes to replace a file of 1 MiB and of 64 MiB in the asynchronous
 * form, all of whose old version is in the page cache, and how long that holds the event loop.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { atomicWrite } from "../mod.ts";
import { bound } from "./bound.ts";
import { inShort, LoopWatch } from "./loop.ts";
import { dir, race, type Run, tell, time } from "./measure.ts";

const TABLE = "Large files, asynchronously";

for (const [size, name] of [[2 ** 20, "1 MiB"], [2 ** 26, "64 MiB"]] as const) {
  const path = join(dir, "large");
  const content = new Uint8Array(size).fill(120);
  writeFileSync(path, content);
  for (const durability of ["none", "file", "full"] as const) {
    const held: Record<string, number[]> = {};
    const watched = (column: string, write: () => Promise<unknown>): Run => async () => {
      const watch = new LoopWatch();
      const ms = await time(write);
      (held[column] ??= []).push(...watch.end());
      return ms;
    };
    const row = `${name}, ${durability}`;
    await race({
      table: TABLE,
      row,
      contestants: {
        bound: watched("bound", () => bound(path, content, durability)),
        Untorn: watched("Untorn", () => atomicWrite(path, content, { durability })),
      },
    });
    for (const [column, delays] of Object.entries(held)) {
      tell({ table: TABLE, row: `${row}: the loop held`, column, text: inShort(delays) });
    }
  }
}
