/**
 * Which file systems are in memory. A sync does nothing there, and is made at once: to go to the background and
 * back takes ten times as long as all of a small write. The answers kept here decide only where a sync runs.
 */

import { dirname } from "node:path";
import { fileSystemOf } from "./file_systems.ts";
import type { Handle, SyncCalls } from "./port.ts";

/** Number of syncs in a directory before its kind is asked, for which Deno without FFI loads `node:fs`: 20 ms. */
const WORTH_ASKING = 8;

/** A sync in memory takes a microsecond; one that takes longer, in ms, is on something mounted there since. */
const NOT_IN_MEMORY = 1;

/** Number of directories that are remembered. */
const MOST = 1000;

/** By directory: whether it is in memory, or the number of syncs before asking. */
const known = new Map<string, boolean | number>();

/** A sync that is made at once in memory, and otherwise by `later`; `now` are a binding's own calls. */
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
    // Then it is synced in the background, as everywhere else.
    return false;
  }
}
