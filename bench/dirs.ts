/**
 * bench/dirs.ts DIR BUDGET: what it takes to persist a directory against a hand-written loop, and to carry
 * over what stays against copying it. `--allow-ffi` decides whether there is a sync of a whole file system.
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
import { dir, isQuick, race, runtime, time } from "./measure.ts";

const [NEW, CARRIED] = isQuick ? [100, 300] : [1000, 10_000];
const content = new Uint8Array(4096).fill(120);
const names = Array.from({ length: NEW }, (_, i) => `file${i}`);
const entries = Object.fromEntries(names.map((name) => [name, content]));
/** The directory of this run, a new one for each, and what it is about. */
let [place, x, staging] = ["", "", ""];
let places = 0;

const inWords = (count: number): string => count.toLocaleString("en");

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

/** Files that are to be in the next version too. */
function manyFiles(): void {
  mkdirSync(x);
  for (let i = 0; i < CARRIED; i++) writeFileSync(join(x, `own${i}`), content);
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

interface Comparison {
  row: string;
  prepare: () => void;
  by: string;
  theirs: Run;
  sync: Run;
  async: Run;
}

const comparisons: Comparison[] = [
  {
    row: `${inWords(NEW)} files, none / a loop`,
    prepare: nothing,
    by: "loop",
    theirs: () => byHand(false),
    sync: create(none),
    async: createLater(none),
  },
  {
    row: `${inWords(NEW)} files, none / an asynchronous loop`,
    prepare: nothing,
    by: "loop",
    theirs: byHandLater,
    sync: create(none),
    async: createLater(none),
  },
  {
    row: `${inWords(NEW)} files, full / a sync per file`,
    prepare: nothing,
    by: "loop",
    theirs: () => byHand(true),
    sync: create({}),
    async: createLater({}),
  },
  ...(["none", "full"] as const).map((durability): Comparison => ({
    row: `${inWords(CARRIED)} files carried over, ${durability} / copying`,
    prepare: manyFiles,
    by: "copying",
    theirs: () => copying(durability === "full"),
    sync: () => persistDirSync(x, {}, { durability }),
    async: () => persistDir(x, {}, { durability }),
  })),
];

async function inNewPlace(prepare: () => void, run: Run): Promise<number> {
  place = join(dir, `${++places}`);
  [x, staging] = [join(place, "X"), join(place, "staging")];
  mkdirSync(place);
  prepare();
  return await time(run);
}

const ffi = runtime !== "Deno" ||
  Deno.permissions.querySync({ name: "ffi" }).state === "granted";
for (const { row, prepare, by, theirs, ...own } of comparisons) {
  await race({
    table: "Replacing a directory",
    row: ffi ? row : `${row} (no FFI)`,
    contestants: {
      [by]: () => inNewPlace(prepare, theirs),
      sync: () => inNewPlace(prepare, own.sync),
      async: () => inNewPlace(prepare, own.async),
    },
    // Each round takes thousands of inodes, of which a file system may have less than two million.
    warm: 0,
    most: 30,
  });
}

/** The next version of a directory in the place of the last, as it is done by hand, and by packages. */
const put: Record<string, (staged: string, path: string) => unknown> = {
  "two renames": (staged, path) => {
    const old = join(place, "old");
    renameSync(path, old);
    renameSync(staged, path);
    rmSync(old, { recursive: true });
  },
};
type Swap = (staged: string, path: string, options?: { overwrite: true }) => Promise<void>;
const load = async (name: string): Promise<{ renameOverwrite: Swap; default: { move: Swap } }> =>
  await import(name);
const { renameOverwrite } = await load("rename-overwrite");
put["rename-overwrite"] = renameOverwrite;
const { default: { move } } = await load("fs-extra");
put["fs-extra move"] = (staged, path) => move(staged, path, { overwrite: true });

const few = Object.fromEntries(names.slice(0, 100).map((name) => [name, content]));
const fill = (path: string): void => {
  mkdirSync(path);
  for (const [name, bytes] of Object.entries(few)) writeFileSync(join(path, name), bytes);
};
const swaps = Object.entries(put).map(([name, swap]): [string, Run] => [name, async () => {
  fill(staging);
  await swap(staging, x);
}]);
swaps.push(["Untorn", () => persistDir(x, few, { durability: "none", carryOver: false })]);
await race({
  table: "The next version of a directory",
  row: ffi ? "100 files, none / two renames" : "100 files, none / two renames (no FFI)",
  contestants: Object.fromEntries(
    swaps.map(([name, swap]) => [name, () => inNewPlace(() => fill(x), swap)]),
  ),
  most: 50,
});
