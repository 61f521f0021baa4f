/**
 * Which file systems are in memory: a sync has nothing to do there. It is left out, or made at once: to go to
 * the background and back takes ten times as long as all of a small write.
 */

import { dirname } from "node:path";
import { fileSystemOf } from "./file_systems.ts";
import type { Handle, SyncCalls } from "./port.ts";
import { inTurns } from "./event_loop.ts";

/** So many times it is wanted to know before it is asked, for which Deno loads `node:fs`: 20 ms. */
const WORTH_ASKING = 8;

/** A sync in memory takes a microsecond; one that takes longer, in ms, is none. */
const NOT_IN_MEMORY = 1;

/** So many directories are remembered. */
const MOST = 1000;

/** In ms: by so much an answer is older than the rename that follows it in any case. */
const FRESH = 0.5;

const NEVER = { dev: undefined, at: 0 };

/** What was found to be in memory last, and when. */
let asked: { dev: number | undefined; at: number } = NEVER;

/** By directory: whether it is in memory, or how many syncs there were before asking. */
const known = new Map<string, boolean | number>();

/** A sync that is made at once in memory, and otherwise by `later`; `now` are a binding's own calls. */
export function atOnceInMemory(
  now: SyncCalls,
  later: (open: Handle, path: string) => Promise<void>,
): (open: Handle, path: string) => void | Promise<void> {
  const atOnce = inTurns((open: Handle, path: string) => {
    const start = performance.now();
    now.fsync(open, path);
    // Something else may have been mounted there.
    if (performance.now() - start > NOT_IN_MEMORY) known.delete(dirname(path));
  });
  return (open, path) => isInMemory(now, path) ? atOnce(open, path) : later(open, path);
}

/**
 * The port's `needsSync`. What is known of a directory is asked again, since a sync must not be missing elsewhere:
 * each time, or once in half a millisecond for who says which file system (`dev`) its file is on.
 */
export function needsSync(now: SyncCalls, dir: string, dev?: number): boolean {
  if (dev !== undefined && dev === asked.dev && performance.now() - asked.at < FRESH) return false;
  if (!isInMemory(now, dir, dir)) return true;
  asked = { dev, at: performance.now() };
  if (isMemory(now, dir)) return false;
  asked = NEVER;
  known.delete(dir);
  return true;
}

/** Whether what is at a path is in memory, as far as that is known. */
function isInMemory(now: SyncCalls, path: string, dir = dirname(path)): boolean {
  let answer = known.get(dir) ?? 0;
  if (typeof answer === "number") {
    answer = answer + 1 < WORTH_ASKING ? answer + 1 : isMemory(now, path);
    if (known.size === MOST) known.clear();
    known.set(dir, answer);
  }
  return answer === true;
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
