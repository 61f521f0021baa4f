/**
 * The turns of a process at a lock. Operations of one process that need the same lock take turns, in the order
 * in which they asked for it. Only the one whose turn it is competes with other processes.
 *
 *     takeTurn() ──> waiting ──> its turn ──> end() ──> the turn of the next one
 *                      └──> refused: an abort, a timeout, a call that would wait for itself
 *
 * The synchronous and the asynchronous form have turns of their own: a synchronous call can't wait for an
 * asynchronous one, which ends only after it. Between the two, the kernel's lock decides.
 */

import { RefusedError } from "../core/errors.ts";
import type { LockSettings } from "../core/options.ts";
import { type Steps, SyncWaitError, waitFor } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { processId } from "../os/system.ts";

/** A process with many waiters lets others take the lock after this time, in ms, for that time. */
const [BURST, PAUSE] = [20, 6] as const;

/** The turns at one lock. */
interface Turns {
  waiting: (() => void)[];
  /** The times when the present turn began, and when the process last let others take the lock. */
  began: number;
  paused: number;
}

const turnsOf = new WeakMap<Os, Map<string, Turns>>();

/** The locks that surround a call, from {@link runWithin}. */
let surrounding: import("node:async_hooks").AsyncLocalStorage<readonly string[]> | undefined;

/** Makes a caller's function run under a lock: a call in it that needs the same lock is refused. */
export function runWithin<T>(path: string, call: () => T): () => T {
  const { AsyncLocalStorage } = process.getBuiltinModule("node:async_hooks");
  const locks = surrounding ??= new AsyncLocalStorage();
  return () => locks.run([...locks.getStore() ?? [], path], call);
}

/**
 * Waits for a turn at the lock at a path, at most `wait` ms for each turn before; returns the function that ends
 * it.
 */
export function* takeTurn(
  os: Os,
  path: string,
  { wait, signal }: LockSettings,
): Steps<() => void> {
  if (surrounding?.getStore()?.includes(path)) {
    const why = "the call waits for itself: it is made by a function that runs under this lock";
    throw new RefusedError("ERR_LOCKED", path, why);
  }
  let all = turnsOf.get(os);
  if (all === undefined) turnsOf.set(os, all = new Map());
  const now = performance.now();
  const turns = all.get(path);
  if (turns === undefined) {
    const first: Turns = { waiting: [], began: now, paused: now };
    all.set(path, first);
    return ending(all, path, first);
  }
  const end = ending(all, path, turns);
  yield* comeToTurn(path, turns, end, wait, signal);
  try {
    if (performance.now() - turns.paused > BURST) {
      yield* os.sleep(PAUSE);
      turns.paused = performance.now();
    }
    return end;
  } catch (error) {
    end();
    throw error;
  }
}

/** Returns the function that ends a turn, once. */
function ending(all: Map<string, Turns>, path: string, turns: Turns): () => void {
  let hasEnded = false;
  return () => {
    if (hasEnded) return;
    hasEnded = true;
    turns.began = performance.now();
    const next = turns.waiting.shift();
    if (next === undefined) all.delete(path);
    else next();
  };
}

function* comeToTurn(
  path: string,
  turns: Turns,
  end: () => void,
  wait: number,
  signal: AbortSignal | undefined,
): Steps<void> {
  const refused = (): RefusedError => {
    const why =
      `process ${processId()} holds its lock, which is this one; try again, or wait longer`;
    return new RefusedError("ERR_LOCKED", path, why);
  };
  if (wait === 0) throw refused();
  let [come, stop] = [(): void => {}, (): void => {}];
  const turn = new Promise<void>((resolve, reject) => {
    come = resolve;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const abort = (): void => reject(signal!.reason);
    const watch = (): void => {
      const left = turns.began + wait - performance.now();
      if (left <= 0) reject(refused());
      else timer = setTimeout(watch, left);
    };
    if (wait < Infinity) watch();
    signal?.addEventListener("abort", abort, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
  });
  turns.waiting.push(come);
  try {
    yield* waitFor(turn);
  } catch (error) {
    const at = turns.waiting.indexOf(come);
    // Or the turn has come in the same moment.
    if (at >= 0) turns.waiting.splice(at, 1);
    else end();
    throw error instanceof SyncWaitError ? refused() : error;
  } finally {
    stop();
  }
}
