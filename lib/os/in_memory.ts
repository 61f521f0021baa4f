/**
 * Syncs on file systems in memory. They do nothing and are made at once, as a hop to a thread takes ten times
 * as long as a whole small write. The answers cached here only decide on which thread a sync runs.
 */

import { dirname } from "node:path";
import { fileSystemOf } from "./file_systems.ts";
import type { Handle, SyncCalls } from "./port.ts";

/** Number of syncs before the type is queried, for which Deno without FFI loads `node:fs` (20 ms). */
const WORTH_ASKING = 8;

/** A sync in memory takes a microsecond; after one of this many ms, the type is queried again. */
const NOT_IN_MEMORY = 1;

/** Maximum number of cached directories. */
const MOST = 1000;

/** For each directory: whether it is in memory, or the number of syncs so far. */
const known = new Map<string, boolean | number>();

/** Returns a sync that is made at once in memory, and by `later` elsewhere; `now` are the binding's calls. */
export function atOnceInMemory(
  now: SyncCalls,
  later: (open: Handle, path: string) => Promise<void>,
): (open: Handle, path: string) => void | Promise<void> {
  return (open, path) => {
    const dir = dirname(path);
    if (!isInMemory(now, dir, path)) return later(open, path);
    const start = performance.now();
    now.fsync(open, path);
    if (performance.now() - start > NOT_IN_MEMORY) known.delete(dir);
  };
}

function isInMemory(now: SyncCalls, dir: string, path: string): boolean {
  let answer = known.get(dir) ?? 0;
  if (typeof answer === "number") {
    answer = answer + 1 < WORTH_ASKING ? answer + 1 : ask(now, path);
    if (known.size === MOST) known.clear();
    known.set(dir, answer);
  }
  return answer === true;
}

function ask(now: SyncCalls, path: string): boolean {
  try {
    const type = now.fsType(path);
    return type !== undefined && fileSystemOf(type)?.durable === false;
  } catch {
    // Unknown: it is synced in the background.
    return false;
  }
}
