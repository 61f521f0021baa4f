/** The system calls of a write that touch the target's directory, as the kernel sees them. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assert, assertEquals } from "./helpers/assert.ts";
import { programCommand, run, runtime } from "./helpers/runtime.ts";
import { strace } from "./helpers/strace.ts";
import { inTemp } from "./helpers/temp.ts";

/** The names of the calls between the marks that name the directory, or a descriptor below it. */
function callsBetweenMarks(log: string, dir: string): string[] {
  const lines = log.split("\n").filter((line) => line.includes(dir));
  const marks = lines.flatMap((line, i) => line.includes("/MARK") ? [i] : []);
  assertEquals(marks.length >= 2, true, "no marks in the log");
  return lines
    .slice(marks.find((mark, i) => marks[i + 1] !== mark + 1)! + 1, marks.at(-1))
    .filter((line) => !line.includes("/MARK") && !/^\d+ +<\.\.\. /.test(line))
    .map((line) => /^\d+ +(\w+)/.exec(line)![1]!);
}

/** What the runtimes call the same: stat in all its forms, open with its directory, and so on. */
const PLAIN: Record<string, string> = {
  statx: "stat",
  lstat: "stat",
  fstat: "stat",
  newfstatat: "stat",
  openat: "open",
  pwrite64: "write",
  renameat: "rename",
  renameat2: "rename",
  fdatasync: "SYNC OF DATA ONLY",
};

const expected = {
  none: ["stat", "open", "write", "stat", "close", "rename"],
  file: ["stat", "open", "write", "stat", "fsync", "close", "rename"],
  full: [
    ...["stat", "open", "write", "stat", "fsync", "close"],
    ...["open", "rename", "fsync", "close"],
  ],
};

for (const [durability, calls] of Object.entries(expected)) {
  test(
    `a 4 KiB atomicWriteSync() with "${durability}" takes ${calls.length} system calls`,
    { skip: strace.missing },
    inTemp(async (dir) => {
      const [file, log] = [join(dir, "data"), join(dir, "log")];
      writeFileSync(file, "old", { mode: 0o644 });
      const program = programCommand("tests/fixtures/marked_write.ts", [file, durability]);
      const { code, stderr } = await run(strace.log(log, program));
      assertEquals([code, stderr], [0, ""]);
      const found = callsBetweenMarks(readFileSync(log, "utf8"), dir).map((name) =>
        PLAIN[name] ?? name
      );
      assertEquals(found, calls, runtime);
      assert(found.length <= { none: 6, file: 7, full: 10 }[durability]!);
    }),
  );
}
