/**
 * Short calls, which the asynchronous bindings make at once: a hop to a thread and back takes longer. They hold the
 * event loop for half a millisecond at most, then let it go round.
 */

import { isSyncing } from "./shared_syncs.ts";

/**
 * How much an asynchronous binding writes at once: copying this much into the page cache takes tens of
 * microseconds, about as long as a hop to a thread and back.
 */
const INLINE_BYTES = 64 * 1024;

/** Whether no more than that has to be written or freed, as far as is known. */
export function isSmall(bytes: number = Infinity): boolean {
  return bytes <= INLINE_BYTES;
}

/** How long short calls may hold the event loop, in ms. */
const TURN = 0.5;

/** Number of calls that go to the background after a sync or a slow call: the next may have to wait as well. */
const DISTRUSTED = 32;

/** Deno before 2.4 has it in `node:timers` only. */
const afterTurn: (then: () => void) => unknown = globalThis.setImmediate ??
  ((then: () => void) => setTimeout(then, 0));

/** When this turn of the event loop began, and when its last short call ended. */
let [turnBegan, lastEnded] = [0, 0];
const waiting: (() => void)[] = [];
let distrusted = 0;

/**
 * A short call that changes a directory: made at once, in turns, while nothing is synced and the file system
 * answers at once. Until a journal's commit is done, a change of a block that it writes has to wait (JBD2's
 * shadow buffers, do_get_write_access in fs/jbd2/transaction.c); and a server may take its time.
 */
export function whileQuick<Args extends unknown[], T>(
  now: (...args: Args) => T,
  later: (...args: Args) => Promise<T>,
): (...args: Args) => T | Promise<T> {
  const timed = (began: number, args: Args): T => {
    try {
      return now(...args);
    } finally {
      lastEnded = performance.now();
      if (lastEnded - began > TURN) distrusted = DISTRUSTED;
    }
  };
  const inLaterTurn = async (args: Args): Promise<T> => {
    for (;;) {
      await new Promise<void>((resolve) => {
        if (waiting.push(resolve) === 1) afterTurn(beginTurn);
      });
      const began = performance.now();
      // Others that have waited as well may have used up this turn.
      if (isInTurn(began)) return timed(began, args);
    }
  };
  return (...args) => {
    if (isSyncing()) distrusted = DISTRUSTED;
    if (distrusted > 0) {
      distrusted--;
      return later(...args);
    }
    const began = performance.now();
    return isInTurn(began) ? timed(began, args) : inLaterTurn(args);
  };
}

/** Whether a call may be made at once now. After a while without one, the loop has gone round: another turn has begun. */
function isInTurn(now: number): boolean {
  if (now - lastEnded > TURN) turnBegan = now;
  return now - turnBegan < TURN;
}

function beginTurn(): void {
  turnBegan = lastEnded = performance.now();
  for (const resume of waiting.splice(0)) resume();
}
