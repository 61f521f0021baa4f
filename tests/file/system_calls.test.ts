/** The system calls of operations that touch their directory, as the kernel sees them. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertEquals } from "../helpers/assert.ts";
import { programCommand, run, runtime } from "../helpers/runtime.ts";
import { callsBetweenMarks, strace } from "../helpers/strace.ts";
import { inTemp } from "../helpers/temp.ts";

/** What the runtimes call the same: stat in all its forms, open with its directory, and so on. */
const PLAIN: Record<string, string> = {
  statx: "stat",
  lstat: "stat",
  fstat: "stat",
  newfstatat: "stat",
  openat: "open",
  pwrite64: "write",
  linkat: "link",
  unlinkat: "unlink",
  renameat: "rename",
  renameat2: "rename",
  fdatasync: "SYNC OF DATA ONLY",
};

/** The calls that `marked.ts` makes in a directory the second time, by one name in all runtimes. */
async function callsOf(dir: string, operation: string[]): Promise<string[]> {
  const log = join(dir, "log");
  const program = programCommand("tests/fixtures/marked.ts", [dir, ...operation]);
  // FFI is experimental in Node.
  const env = { ...process.env, NODE_NO_WARNINGS: "1" };
  const { code, stderr } = await run(strace.log(log, program), "", { env });
  assertEquals([code, stderr], [0, ""]);
  return callsBetweenMarks(readFileSync(log, "utf8"), dir).map((name) => PLAIN[name] ?? name);
}

/** Deno syncs in the background by a copy of the descriptor. */
function withCopies(calls: string[]): string[] {
  return calls.flatMap((call) => call === "fsync" ? ["fcntl", "fsync", "close"] : [call]);
}

const file = ["stat", "open", "write", "stat", "fsync", "close", "rename"];
const writes = {
  none: file.filter((call) => call !== "fsync"),
  file,
  full: [...file.slice(0, -1), "open", "rename", "fsync", "close"],
};

for (const [durability, calls] of Object.entries(writes)) {
  for (const form of ["sync", "async"]) {
    test(
      `a 4 KiB write with "${durability}" takes ${calls.length} system calls (${form})`,
      { skip: strace.missing },
      inTemp(async (dir) => {
        writeFileSync(join(dir, "data"), "old", { mode: 0o644 });
        const expected = runtime === "deno" && form === "async" ? withCopies(calls) : calls;
        assertEquals(await callsOf(dir, ["write", form, durability]), expected, runtime);
      }),
    );
  }
}

/** What one file more costs. */
const PER_FILE = [
  // It may be there already.
  ["new", ["20", "0"], { stat: 1, open: 1, write: 1, close: 1 }],
  // It may have changed between the link and the removal of the old name. Deno looks once more itself.
  ["carried over", ["0", "20"], { link: 1, stat: runtime === "deno" ? 3 : 2, unlink: 1 }],
] as const;

for (const [what, counts, expected] of PER_FILE) {
  for (const form of ["sync", "async"]) {
    test(
      `each file of a directory that is ${what} takes 4 system calls (${form})`,
      { skip: strace.missing },
      inTemp(async (dir) => {
        const found: Record<string, number> = {};
        for (
          const [sign, persist] of [[1, counts], [
            -1,
            counts.map((n) => `${+n / 2}`),
          ]] as const
        ) {
          const place = join(dir, `${sign}`);
          mkdirSync(place);
          for (const name of await callsOf(place, ["persist", form, ...persist])) {
            found[name] = (found[name] ?? 0) + sign;
          }
        }
        const perFile = Object.entries(found).map(([name, count]) => [name, count / 10]);
        assertEquals(Object.fromEntries(perFile.filter(([, count]) => count !== 0)), expected);
      }),
    );
  }
}
