/**
 * Syncs of the asynchronous bindings: those that start while others are under way wait for these, and
 * then start together. A disk takes many at a time for little more than one (a journal's commit, a flush
 * of its cache), but only if they come together. Those who wait to sync one directory share a sync.
 */

import { inTurns } from "./inline.ts";
import { isInMemory, syncInMemory } from "./memory.ts";
import { type Handle, sameFile, type Stat, type SyncCalls } from "./port.ts";

/** No sync waits longer for others than this, in ms: one of much data may take seconds. */
const PATIENCE = 2;

let underWay = 0;
const waiting: (() => void)[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;

/** A sync that has not started, and of what. */
interface Shared {
  stat: Stat;
  done: Promise<void>;
}

const shared = new Map<string, Shared>();

/** The sync of a binding, in rounds; `now` are its calls that answer at once. */
export function inRounds(
  now: SyncCalls,
  sync: (open: Handle) => Promise<void>,
): (open: Handle, path: string) => void | Promise<void> {
  const atOnce = inTurns((open: Handle, stat: Stat) => syncInMemory(now, open, stat));
  return (open, path) => {
    const stat = now.fstat(open);
    if (isInMemory(now, stat, path)) return atOnce(open, stat);
    if (underWay === 0) return run(sync, open);
    const other = shared.get(path);
    // Its sync starts later than the change that this one is for. By now the path may lead elsewhere.
    if (other !== undefined && sameFile(other.stat, stat)) return other.done;
    const done = nextRound().then(() => {
      if (shared.get(path)?.done === done) shared.delete(path);
      return run(sync, open);
    });
    shared.set(path, { stat, done });
    return done;
  };
}

async function run(sync: (open: Handle) => Promise<void>, open: Handle): Promise<void> {
  underWay++;
  try {
    await sync(open);
  } finally {
    if (--underWay === 0) startRound();
  }
}

function nextRound(): Promise<void> {
  timer ??= setTimeout(startRound, PATIENCE);
  return new Promise((resolve) => waiting.push(resolve));
}

function startRound(): void {
  clearTimeout(timer);
  timer = undefined;
  for (const start of waiting.splice(0)) start();
}

/**
 * A short call that changes a directory: made at once, in turns, but in the background while something is
 * synced. Until a journal's commit is done, who changes a block that it writes has to wait (JBD2's shadow
 * buffers, do_get_write_access in fs/jbd2/transaction.c).
 */
export function unlessSyncing<Args extends unknown[], T>(
  now: (...args: Args) => T,
  later: (...args: Args) => Promise<T>,
): (...args: Args) => T | Promise<T> {
  const call = inTurns(now);
  return (...args) => underWay > 0 ? later(...args) : call(...args);
}
