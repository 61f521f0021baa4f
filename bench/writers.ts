/**
 * bench/writers.ts DIR BUDGET: sixteen durable writers of 4 KiB at a time in one process, against as
 * many of the bound; and how long they hold the event loop. Beside it, what is left of the bound without any
 * sync of a directory, which is all that can be won by sharing those, and with a thread for each writer, which is
 * all that can be won without an event loop.
 */

import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { atomicWrite } from "../mod.ts";
import { bound } from "./bound.ts";
import { inShort, LoopWatch } from "./loop.ts";
import { dir, race, type Run, tell, time } from "./measure.ts";

const TABLE = "Sixteen writers at a time";
const WRITES = 8;
const content = new Uint8Array(4096).fill(120);

/** Has a thread write so often, and waits for it. */
async function written(thread: Worker): Promise<void> {
  const done = once(thread, "message");
  thread.postMessage(WRITES);
  await done;
}

/** One directory for all, or one for each. */
for (const places of [1, 16]) {
  const paths = Array.from({ length: 16 }, (_, i) => {
    const place = join(dir, `writers-${i % places}`);
    mkdirSync(place, { recursive: true });
    return join(place, `file${i}`);
  });
  for (const path of paths) writeFileSync(path, content);
  const held: Record<string, number[]> = {};
  const perWrite = async (writer: (path: string, i: number) => Promise<void>): Promise<number> =>
    await time(() => Promise.all(paths.map(writer))) / (WRITES * paths.length);
  const all = (name: string, write: (path: string) => Promise<unknown>): Run => async () => {
    const watch = new LoopWatch();
    const ms = await perWrite(async (path) => {
      for (let i = 0; i < WRITES; i++) await write(path);
    });
    (held[name] ??= []).push(...watch.end());
    return ms;
  };
  const row = places === 1 ? "in one directory" : "in sixteen directories";
  const byHand = all("bound", (path) => bound(path, content, "full"));
  await race({
    table: TABLE,
    row,
    contestants: {
      bound: byHand,
      "bound, directory not synced": all("file", (path) => bound(path, content, "file")),
      Untorn: all("Untorn", (path) => atomicWrite(path, content)),
    },
  });
  const source = new URL("./writer_thread.ts", import.meta.url);
  const threads = paths.map((path) => new Worker(source, { workerData: { path, content } }));
  const inThreads: Run = () => perWrite((_, i) => written(threads[i]!));
  // Their start is no part of it.
  await inThreads();
  await race({ table: TABLE, row, contestants: { bound: byHand, "bound, in threads": inThreads } });
  for (const thread of threads) await thread.terminate();
  for (const column of ["bound", "Untorn"]) {
    const text = inShort(held[column]!);
    tell({ table: TABLE, row: `${row}: the loop held (99 %)`, column, text });
  }
}
