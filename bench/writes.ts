/**
 * bench/writes.ts DIR BUDGET: how long it takes to replace a file of 4 KiB and of 1 MiB, against the bound
 * of the same durability, beside the packages that offer that durability.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { atomicWrite, atomicWriteSync } from "../mod.ts";
import { bound, boundSync } from "./bound.ts";
import { dir, isQuick, race, repeat } from "./measure.ts";
import { peers, type Write } from "./packages.ts";

/** In a turn. */
const CALLS = isQuick ? 3 : 20;

const all = await peers();
const path = join(dir, "file");
for (const [size, name] of [[4096, "4 KiB"], [1024 * 1024, "1 MiB"]] as const) {
  const content = Buffer.alloc(size, "x");
  writeFileSync(path, content);
  for (const form of ["sync", "async"] as const) {
    for (const durability of ["none", "file", "full"] as const) {
      const sync = form === "sync";
      const each = (write: Write) => repeat(CALLS, () => write(path, content));
      await race({
        table: "Replacing a file",
        row: `${name}, ${form}, ${durability}`,
        least: 12,
        contestants: {
          bound: each((path, content) => (sync ? boundSync : bound)(path, content, durability)),
          Untorn: each((path, content) =>
            (sync ? atomicWriteSync : atomicWrite)(path, content, { durability })
          ),
          ...Object.fromEntries(
            all.flatMap(([peer, offers]) => {
              const write = offers[`${form}, ${durability}`];
              return write === undefined ? [] : [[peer, each(write)]];
            }),
          ),
        },
      });
    }
  }
}
