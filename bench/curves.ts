/**
 * bench/curves.ts DIR BUDGET: how the time grows with the number of entries, how the throughput with the
 * number of writers, and how the ratio to the bound with the size of a file.
 */

import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { atomicRemove, atomicWrite, cleanup, persistDir } from "../mod.ts";
import { bound } from "./bound.ts";
import { dir, isQuick, quantile, tell, time } from "./measure.ts";
import { peers } from "./packages.ts";

/** Each in a directory of its own: for a while, ext4 makes files slowly where many were deleted. */
async function grow(entries: number, isWarm = true): Promise<void> {
  const place = mkdtempSync(join(dir, "growth-"));
  const path = join(place, "X");
  const files = Object.fromEntries(
    Array.from({ length: entries }, (_, i) => [`file${i}`, `content ${i}`]),
  );
  const options = { durability: "none" } as const;
  const point = (series: string, y: number): void => {
    if (isWarm) tell({ chart: "growth", series, x: entries, y });
  };
  point("persist", await time(() => persistDir(path, files, options)));
  point("carry over", await time(() => persistDir(path, {}, options)));
  point("clean up beside them", await time(() => cleanup(path)));
  point("remove", await time(() => atomicRemove(path, options)));
}

/** Durable writes of 4 KiB by so many at a time, per second. */
async function writers(count: number): Promise<void> {
  const place = mkdtempSync(join(dir, "writers-"));
  const content = new Uint8Array(4096).fill(120);
  const ways = {
    bound: (path: string) => bound(path, content, "full"),
    Untorn: (path: string) => atomicWrite(path, content),
  };
  const speeds: Record<string, number[]> = { bound: [], Untorn: [] };
  const each = Math.ceil((isQuick ? 32 : 256) / count);
  for (let round = 0; round < (isQuick ? 1 : 7); round++) {
    for (const [name, write] of Object.entries(ways)) {
      const ms = await time(() =>
        Promise.all(Array.from({ length: count }, async (_, i) => {
          for (let n = 0; n < each; n++) await write(join(place, `file${i}`));
        }))
      );
      speeds[name]!.push(each * count / ms * 1000);
    }
  }
  for (const [series, all] of Object.entries(speeds)) {
    tell({ chart: "writers", series, x: count, y: quantile(all, 0.5) });
  }
}

/** One write, with a sync of the file, against the bound. */
async function size(bytes: number): Promise<void> {
  const path = join(mkdtempSync(join(dir, "size-")), "file");
  const content = Buffer.alloc(bytes, "x");
  writeFileSync(path, content);
  const ways: Record<string, () => Promise<unknown>> = {
    bound: () => bound(path, content, "file"),
    Untorn: () => atomicWrite(path, content, { durability: "file" }),
  };
  for (const [name, { "async, file": write }] of await peers()) {
    if (write !== undefined) ways[name] = async () => await write(path, content);
  }
  const ratios: Record<string, number[]> = {};
  const rounds = isQuick ? 2 : bytes < 2 ** 22 ? 60 : 12;
  for (let round = -1; round < rounds; round++) {
    const base = await time(ways["bound"]!);
    for (const [name, write] of Object.entries(ways)) {
      if (name === "bound") continue;
      const ratio = await time(write) / base;
      if (round >= 0) (ratios[name] ??= []).push(ratio);
    }
  }
  for (const [series, all] of Object.entries(ratios)) {
    tell({ chart: "sizes", series, x: bytes, y: quantile(all, 0.5) });
  }
}

mkdirSync(dir, { recursive: true });
// Compiled by then, as what is measured later.
await grow(1000, false);
for (const entries of isQuick ? [100, 1000] : [100, 316, 1000, 3162, 10_000, 31_623, 100_000]) {
  await grow(entries);
}
for (const count of isQuick ? [1, 16] : [1, 2, 4, 8, 16, 32, 64]) await writers(count);
for (let bytes = 1024; bytes <= (isQuick ? 2 ** 20 : 2 ** 26); bytes *= 4) await size(bytes);
