/** What the asynchronous bindings do at once rather than in the background. */

import { isSyncing } from "./shared_syncs.ts";
import { inLaterTurn, isInTurn, noteEnd, TURN } from "./event_loop.ts";

/**
 * How much an asynchronous binding writes at once instead of in the background: copying this much
 * into the page cache takes tens of microseconds, about what a hop to a thread and back costs.
 */
export const INLINE_BYTES: number = 64 * 1024;

/** Whether no more than that has to be written or freed, as far as is known. */
export function isSmall(bytes: number = Infinity): boolean {
  return bytes <= INLINE_BYTES;
}

/** Up to so many bytes a new file is made by one call, which an asynchronous binding makes at once. */
export const WHOLE_BYTES: number = 64 * 1024;

/**
 * After a call that took longer than a turn, so many are made in the background, and after each such call twice
 * as many as after the one before. A quick one takes one off: a disk hesitates now and then, a server always.
 */
const DISTRUSTED = 4;

/** No more than these. From a sync of somebody else's on, it is these at once. */
const MOST_DISTRUSTED = 64;

let distrusted = 0;
let afterNext = DISTRUSTED;

/**
 * A short call that changes a directory: made at once, in turns, while nothing is synced and the file system
 * answers at once. Until a journal's commit is done, who changes a block that it writes has to wait (JBD2's
 * shadow buffers, do_get_write_access in fs/jbd2/transaction.c); and a server may take its time.
 */
export function whileQuick<Args extends unknown[], T>(
  now: (...args: Args) => T,
  later: (...args: Args) => Promise<T>,
  isShort: (...args: Args) => boolean = () => true,
): (...args: Args) => T | Promise<T> {
  const calls = { now, later, isShort } as unknown as ShortCalls<T>;
  const timed = (start: number, a: unknown, b: unknown, c: unknown): T => {
    try {
      return calls.now(a, b, c);
    } finally {
      note(noteEnd() - start);
    }
  };
  const call = (a?: unknown, b?: unknown, c?: unknown): T | Promise<T> => {
    if (!calls.isShort(a, b, c)) return calls.later(a, b, c);
    if (isSyncing()) distrusted = MOST_DISTRUSTED;
    if (distrusted > 0) {
      distrusted--;
      return calls.later(a, b, c);
    }
    const start = performance.now();
    if (isInTurn(start)) return timed(start, a, b, c);
    return inLaterTurn(() => timed(performance.now(), a, b, c));
  };
  return call as unknown as (...args: Args) => T | Promise<T>;
}

/** With as many arguments as any short call takes: lists of them would be made for each. */
interface ShortCalls<T> {
  now(a: unknown, b: unknown, c: unknown): T;
  later(a: unknown, b: unknown, c: unknown): Promise<T>;
  isShort(a: unknown, b: unknown, c: unknown): boolean;
}

/** How long a call took that was made at once. */
function note(ms: number): void {
  if (ms > TURN) {
    distrusted = afterNext;
    afterNext = Math.min(2 * afterNext, MOST_DISTRUSTED);
  } else if (afterNext > DISTRUSTED) afterNext--;
}
