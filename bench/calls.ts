/**
 * bench/calls.ts DIR BUDGET: how many system calls that touch its directory a write of 4 KiB takes, beside
 * the packages. `bench/calls.ts DIR BUDGET FORM WHO` is what is traced.
 */

import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { atomicWrite, atomicWriteSync, type Durability } from "../mod.ts";
import { programCommand, run } from "../tests/helpers/runtime.ts";
import { callsBetweenMarks, strace } from "../tests/helpers/strace.ts";
import { bound, boundSync } from "./bound.ts";
import { dir, isQuick, tell } from "./measure.ts";
import { type Offers, peers } from "./packages.ts";

const own: Offers = {};
const byHand: Offers = {};
for (const durability of ["none", "file", "full"] as Durability[]) {
  own[`sync, ${durability}`] = (path, content) => atomicWriteSync(path, content, { durability });
  own[`async, ${durability}`] = (path, content) => atomicWrite(path, content, { durability });
  byHand[`sync, ${durability}`] = (path, content) => boundSync(path, content, durability);
  byHand[`async, ${durability}`] = (path, content) => bound(path, content, durability);
}
const [form, who] = process.argv.slice(4) as [keyof Offers | undefined, string | undefined];
const ours: [string, Offers][] = [["bound", byHand], ["Untorn", own]];
const needsOurs = who === undefined ? isQuick : ours.some(([name]) => name === who);
const all = needsOurs ? ours : [...ours, ...await peers()];

/** Writes twice, the second time between looks at a mark. */
async function act(form: keyof Offers, who: string): Promise<void> {
  const write = all.find(([name]) => name === who)![1][form]!;
  for (let time = 1; time <= 2; time++) {
    existsSync(join(dir, "MARK"));
    await write(join(dir, "file"), Buffer.alloc(4096, "x"));
    existsSync(join(dir, "MARK"));
  }
}

async function count(): Promise<void> {
  for (const [column, offers] of all) {
    for (const row of Object.keys(offers)) {
      const place = mkdtempSync(join(dir, "calls-"));
      writeFileSync(join(place, "file"), "old");
      const log = join(place, "log");
      const command = programCommand("bench/calls.ts", [place, "0", row, column]);
      const { code, stderr } = await run(strace.log(log, command));
      if (code !== 0) throw new Error(`${column} failed: ${stderr}`);
      const { length } = callsBetweenMarks(readFileSync(log, "utf8"), place);
      tell({ table: "System calls of a write", row: `4 KiB, ${row}`, column, text: `${length}` });
    }
  }
}

if (form !== undefined) await act(form, who!);
else if (strace.missing === false) await count();
else console.error(`${fileURLToPath(import.meta.url)}: ${strace.missing}`);
