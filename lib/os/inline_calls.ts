/**
 * Short calls, which the asynchronous bindings make at once, as a hop to a thread takes longer. They hold the
 * event loop for half a millisecond at most, then let it go round.
 */

import { isSyncing } from "./shared_syncs.ts";

/** Maximum number of bytes to write at once: copying them takes about as long as a hop to a thread. */
const INLINE_BYTES = 64 * 1024;

/** Whether a call writes or frees few enough bytes to be made at once; an unknown number is not. */
export function isSmall(bytes: number = Infinity): boolean {
  return bytes <= INLINE_BYTES;
}

/** Maximum time in ms for which short calls may hold the event loop. */
const TURN = 0.5;

/** Number of calls made in the background after a sync or a slow call, as the next may have to wait, too. */
const DISTRUSTED = 32;

/** Deno before 2.4 has it in `node:timers` only. */
const afterTurn: (then: () => void) => unknown = globalThis.setImmediate ??
  ((then: () => void) => setTimeout(then, 0));

/** When this turn of the event loop began, and when the last short call ended. */
let [turnBegan, lastEnded] = [0, 0];
const waiting: (() => void)[] = [];
let distrusted = 0;

/**
 * Returns a short call that changes a directory. It is made at once, in turns, while nothing is being synced
 * and the file system is fast. A block can't be changed while a journal's commit writes it (JBD2's
 * shadow buffers, do_get_write_access in fs/jbd2/transaction.c), and a server may be slow.
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
      // Other calls that waited may have used up this turn.
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

/** Whether a call may be made at once. After a pause, the event loop has gone round: a new turn begins. */
function isInTurn(now: number): boolean {
  if (now - lastEnded > TURN) turnBegan = now;
  return now - turnBegan < TURN;
}

function beginTurn(): void {
  turnBegan = lastEnded = performance.now();
  for (const resume of waiting.splice(0)) resume();
}
