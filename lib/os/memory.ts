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

/** By the number of the file system. */
const known = new Map<number, boolean>();
let unasked = 0;

/** Whether what is open, and found at a path, is in memory, as far as that is known. */
export function isInMemory(now: SyncCalls, { dev }: Stat, path: string): boolean {
  const answer = known.get(dev);
  if (answer !== undefined) return answer;
  if (++unasked < WORTH_ASKING) return false;
  unasked = 0;
  const type = typeOf(now, path);
  const isThere = type !== undefined && fileSystemOf(type)?.durable === false;
  known.set(dev, isThere);
  return isThere;
}

/** Syncs it, and notes if it is not in memory after all: numbers are given again after an unmount. */
export function syncInMemory(now: SyncCalls, open: Handle, { dev }: Stat): void {
  const start = performance.now();
  now.fsync(open, "");
  if (performance.now() - start > NOT_IN_MEMORY) known.delete(dev);
}

function typeOf(now: SyncCalls, path: string): number | undefined {
  try {
    return now.fsType(path);
  } catch {
    // It goes to the background then, as everywhere else.
    return undefined;
  }
}
