/**
 * bench/dirs.ts DIR ROUNDS: what a persist costs against a hand-written loop or against itself in
 * another way, turn by turn in this process. Prints rows of a Markdown table.
 *
 * Nothing is deleted between the rounds: for a while ext4 passes over the inodes of deleted files one by
 * one (recently_deleted, fs/ext4/ialloc.c), which made creating files ten times slower.
 */

import {
  closeSync,
  cpSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { mkdir, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { type DirOptions, persistDir, persistDirSync } from "../mod.ts";
import { compare, runtime, time } from "./ratios.ts";

const [dir, rounds] = [process.argv[2]!, Number(process.argv[3])];
const content = new Uint8Array(4096).fill(120);
const names = Array.from({ length: 1000 }, (_, i) => `file${i}`);
const entries = Object.fromEntries(names.map((name) => [name, content]));
/** The directory of this run, a new one for each, and what it is about. */
let [place, x, staging] = ["", "", ""];
let places = 0;

/** The same calls by hand, one after the other. */
function byHand(sync: boolean): void {
  mkdirSync(staging);
  for (const name of names) {
    const file = openSync(join(staging, name), "wx");
    writeSync(file, content);
    if (sync) fsyncSync(file);
    closeSync(file);
  }
  if (sync) syncFile(staging);
  renameSync(staging, x);
  if (sync) syncFile(place);
}

/** The same in the background, awaiting each call. */
async function byHandLater(): Promise<void> {
  await mkdir(staging);
  for (const name of names) {
    const file = await open(join(staging, name), "wx");
    await file.write(content);
    await file.close();
  }
  await rename(staging, x);
}

function syncFile(path: string): void {
  const file = openSync(path, "r");
  fsyncSync(file);
  closeSync(file);
}

type Run = () => unknown;

const create = (options: DirOptions): Run => () => persistDirSync(x, entries, options);
const createLater = (options: DirOptions): Run => () => persistDir(x, entries, options);

/** Ten thousand files that are to be in the next version too. */
function manyFiles(): void {
  mkdirSync(x);
  for (let i = 0; i < 10_000; i++) writeFileSync(join(x, `own${i}`), content);
}

/** The next version by copies, as it would be made by hand. */
function copying(sync: boolean): void {
  cpSync(x, staging, { recursive: true });
  if (sync) {
    for (const name of readdirSync(staging)) syncFile(join(staging, name));
    syncFile(staging);
  }
  const old = join(place, "old");
  renameSync(x, old);
  renameSync(staging, x);
  if (sync) syncFile(place);
  rmSync(old, { recursive: true });
}

const none: DirOptions = { durability: "none" };
const nothing = (): void => {};
const comparisons: [string, () => void, Run, Run][] = [
  ["1,000 files, none, sync / by hand", nothing, () => byHand(false), create(none)],
  ["1,000 files, none, async / by hand, sync", nothing, () => byHand(false), createLater(none)],
  ["1,000 files, none, async / by hand, async", nothing, byHandLater, createLater(none)],
  ["1,000 files, full, sync / a sync per file", nothing, () => byHand(true), create({})],
  ["1,000 files, full, async / a sync per file", nothing, () => byHand(true), createLater({})],
  [
    "10,000 carried over, none, sync / copying",
    manyFiles,
    () => copying(false),
    () => persistDirSync(x, {}, none),
  ],
  [
    "10,000 carried over, none, async / copying",
    manyFiles,
    () => copying(false),
    () => persistDir(x, {}, none),
  ],
  [
    "10,000 carried over, full, sync / copying",
    manyFiles,
    () => copying(true),
    () => persistDirSync(x, {}),
  ],
  [
    "10,000 carried over, full, async / copying",
    manyFiles,
    () => copying(true),
    () => persistDir(x, {}),
  ],
];

async function inNewPlace(prepare: () => void, run: Run): Promise<number> {
  place = join(dir, `${runtime}-${++places}`);
  [x, staging] = [join(place, "X"), join(place, "staging")];
  mkdirSync(place);
  prepare();
  return await time(run);
}

for (const [what, prepare, theirs, ours] of comparisons) {
  await compare(
    what,
    rounds,
    () => inNewPlace(prepare, theirs),
    () => inNewPlace(prepare, ours),
  );
}
