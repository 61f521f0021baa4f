/**
 * bench/dirs.ts DIR WHAT ROUNDS: what a persist costs against a hand-written loop or against itself in
 * another way, turn by turn in this process. Prints rows of a Markdown table.
 */

import {
  closeSync,
  cpSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type DirOptions, persistDir, persistDirSync } from "../mod.ts";

const [dir, rounds] = [process.argv[2]!, Number(process.argv[3])];
const runtime = "Deno" in globalThis ? "Deno" : "Bun" in globalThis ? "Bun" : "Node";
const content = new Uint8Array(4096).fill(120);
const names = Array.from({ length: 1000 }, (_, i) => `file${i}`);
const entries = Object.fromEntries(names.map((name) => [name, content]));
const x = join(dir, "X");
const staging = join(dir, "staging");

/** The same calls by hand, one after the other. */
function byHand(sync: boolean): void {
  mkdirSync(staging);
  for (const name of names) {
    const file = openSync(join(staging, name), "wx");
    writeSync(file, content);
    if (sync) fsyncSync(file);
    closeSync(file);
  }
  if (sync) syncDirectory(staging);
  renameSync(staging, x);
  if (sync) syncDirectory(dir);
}

function syncDirectory(path: string): void {
  const open = openSync(path, "r");
  fsyncSync(open);
  closeSync(open);
}

type Run = () => unknown;

const create = (options: DirOptions): Run => () => persistDirSync(x, entries, options);
const createLater = (options: DirOptions): Run => () => persistDir(x, entries, options);

/** Ten thousand files that are carried over, and how it would be done by copying. */
function manyFiles(): void {
  mkdirSync(x);
  for (let i = 0; i < 10_000; i++) writeFileSync(join(x, `own${i}`), "own");
}

const none: DirOptions = { durability: "none" };
const comparisons: [string, () => void, Run, Run][] = [
  ["1,000 files, none, sync / by hand", () => {}, () => byHand(false), create(none)],
  ["1,000 files, none, async / by hand", () => {}, () => byHand(false), createLater(none)],
  ["1,000 files, full, sync / a sync per file", () => {}, () => byHand(true), create({})],
  ["1,000 files, full, async / a sync per file", () => {}, () => byHand(true), createLater({})],
  ["carry-over of 10,000, sync / copying", manyFiles, () => {
    cpSync(x, staging, { recursive: true });
  }, () => persistDirSync(x, {}, none)],
  ["carry-over of 10,000, async / copying", manyFiles, () => {
    cpSync(x, staging, { recursive: true });
  }, () => persistDir(x, {}, none)],
  ["carry-over of 10,000, sync / links by hand", manyFiles, () => {
    mkdirSync(staging);
    for (const name of readdirSync(x)) linkSync(join(x, name), join(staging, name));
  }, () => persistDirSync(x, {}, none)],
];

function quantile(values: number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)]!;
}

async function time(prepare: () => void, run: Run): Promise<number> {
  rmSync(x, { recursive: true, force: true });
  rmSync(staging, { recursive: true, force: true });
  prepare();
  const start = performance.now();
  await run();
  return performance.now() - start;
}

for (const [what, prepare, theirs, ours] of comparisons) {
  const ratios: number[] = [];
  const times: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const other = await time(prepare, theirs);
    const own = await time(prepare, ours);
    if (round < 0) continue;
    ratios.push(own / other);
    times.push(own);
  }
  const spread = [0.1, 0.9].map((part) => quantile(ratios, part).toFixed(2)).join("–");
  const median = quantile(ratios, 0.5).toFixed(2);
  console.log(
    `| ${runtime} | ${what} | ${median} | ${spread} | ${quantile(times, 0.5).toFixed(0)} |`,
  );
}
