/**
 * Which file systems are in memory: a sync has nothing to wait for there, so that it is made at once. To
 * go to the background and back takes ten times as long as all of a small write.
 */

import { fileSystemOf } from "../file_systems.ts";
import type { Handle, Stat, SyncCalls } from "./port.ts";

/** So many syncs go by before it is asked, for which Deno loads `node:fs`: 20 ms. */
const WORTH_ASKING = 8;

/** A sync in memory takes a microsecond; one that takes longer, in ms, is none. */
const NOT_IN_MEMORY = 1;

/** By the number of a file system: whether it is in memory, or how many syncs there were before asking. */
const known = new Map<number, boolean | number>();

/** Whether what is open, and found at a path, is in memory, as far as that is known. */
export function isInMemory(now: SyncCalls, { dev }: Stat, path: string): boolean {
  let answer = known.get(dev) ?? 0;
  if (typeof answer === "number") {
    answer = answer + 1 < WORTH_ASKING ? answer + 1 : isMemory(now, path);
    known.set(dev, answer);
  }
  return answer === true;
}

/** Syncs it, and notes if it is not in memory after all: numbers are given again after an unmount. */
export function syncInMemory(now: SyncCalls, open: Handle, { dev }: Stat): void {
  const start = performance.now();
  now.fsync(open, "");
  if (performance.now() - start > NOT_IN_MEMORY) known.delete(dev);
}

function isMemory(now: SyncCalls, path: string): boolean {
  try {
    const type = now.fsType(path);
    return type !== undefined && fileSystemOf(type)?.durable === false;
  } catch {
    // Then it is synced in the background, as everywhere else.
    return false;
  }
}
