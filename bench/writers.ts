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

/** The bound by as many threads, without an event loop between its calls; they start with the first run. */
class Threads {
  #threads: Worker[] | undefined;

  async run(paths: readonly string[]): Promise<number> {
    const threads = this.#threads ??= paths.map((workerData) =>
      new Worker(new URL("./writer_thread.ts", import.meta.url), { workerData })
    );
    const write = (thread: Worker): Promise<unknown> => {
      const done = once(thread, "message");
      thread.postMessage(WRITES);
      return done;
    };
    return await time(() => Promise.all(threads.map(write))) / (WRITES * paths.length);
  }

  async end(): Promise<void> {
    await Promise.all(this.#threads?.map((thread) => thread.terminate()) ?? []);
  }
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
  const all = (name: string, write: (path: string) => Promise<unknown>): Run => async () => {
    const watch = new LoopWatch();
    const ms = await time(() =>
      Promise.all(paths.map(async (path) => {
        for (let i = 0; i < WRITES; i++) await write(path);
      }))
    );
    (held[name] ??= []).push(...watch.end());
    return ms / (WRITES * paths.length);
  };
  const threads = new Threads();
  const row = places === 1 ? "in one directory" : "in sixteen directories";
  await race({
    table: TABLE,
    row,
    contestants: {
      bound: all("bound", (path) => bound(path, content, "full")),
      "bound, directory not synced": all("file", (path) => bound(path, content, "file")),
      Untorn: all("Untorn", (path) => atomicWrite(path, content)),
      // Last, so that the others have the process for themselves.
      "bound, in threads": () => threads.run(paths),
    },
  });
  await threads.end();
  for (const column of ["bound", "Untorn"]) {
    const text = inShort(held[column]!);
    tell({ table: TABLE, row: `${row}: the loop held (99 %)`, column, text });
  }
}
