/**
 * tests/cluster/cost.ts DIR BUDGET: what a write and a persist take on a volume, against the same calls by hand at the
 * same durability, turn by turn.
 */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { bound, boundSync } from "../../bench/bound.ts";
import { dir, race, repeat } from "../../bench/measure.ts";
import { atomicWrite, atomicWriteSync, persistDir, persistDirSync } from "../../mod.ts";

const content = new Uint8Array(4096).fill(120);
const [file, x, staging, old] = ["file", "x", "staging", "old"].map((name) => join(dir, name)) as [
  string,
  string,
  string,
  string,
];
const LEAST = 10;
const table = "On a volume of three replicas";

writeFileSync(file, content);
await race({
  table,
  row: "4 KiB, sync, full / by hand",
  contestants: {
    bound: repeat(5, () => boundSync(file, content, "full")),
    Untorn: repeat(5, () => atomicWriteSync(file, content)),
  },
  least: LEAST,
});
await race({
  table,
  row: "4 KiB, async, full / by hand",
  contestants: {
    bound: repeat(5, () => bound(file, content, "full")),
    Untorn: repeat(5, () => atomicWrite(file, content)),
  },
  least: LEAST,
});

/** Two renames, with what stood there before removed after them. */
function byHand(entries: Record<string, Uint8Array>): void {
  mkdirSync(staging);
  for (const [name, bytes] of Object.entries(entries)) {
    const open = openSync(join(staging, name), "wx");
    writeSync(open, bytes);
    fsyncSync(open);
    closeSync(open);
  }
  syncDir(staging);
  renameSync(x, old);
  renameSync(staging, x);
  syncDir(dir);
  rmSync(old, { recursive: true });
}

function syncDir(path: string): void {
  const open = openSync(path, "r");
  fsyncSync(open);
  closeSync(open);
}

mkdirSync(x);
for (const count of [1, 10, 100]) {
  const entries = Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`file${i}`, content]),
  );
  await race({
    table,
    row: `a directory of ${count} files, full / by hand`,
    contestants: {
      bound: repeat(1, () => byHand(entries)),
      sync: repeat(1, () => persistDirSync(x, entries, { carryOver: false })),
      async: repeat(1, () => persistDir(x, entries, { carryOver: false })),
    },
    least: LEAST,
  });
}
