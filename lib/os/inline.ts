/** What the asynchronous bindings do at once rather than in the background, and for how long. */

import { isSyncing } from "./shared_syncs.ts";

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

/** Calls that are made at once hold the event loop no longer than this, in ms. */
const TURN = 0.5;

/** After so many ms without such a call, another turn has begun. */
const WHILE = 5;

/**
 * After a call that took longer than a turn, so many are made in the background, and after each such call twice
 * as many as after the one before. A quick one takes one off: a disk hesitates now and then, a server always.
 */
const DISTRUSTED = 4;

/** No more than these. From a sync of somebody else's on, it is these at once. */
const MOST_DISTRUSTED = 64;

/** Deno before 2.4 has it in `node:timers` only. */
const afterTurn: (then: () => void) => unknown = globalThis.setImmediate ??
  ((then: () => void) => setTimeout(then, 0));

let distrusted = 0;
let afterNext = DISTRUSTED;
/** When this turn began, and when the last call in it ended. */
let [turnBegan, lastEnded] = [0, 0];
const waiting: (() => void)[] = [];

/**
 * A call that is made at once as long as the event loop was not held for long, and otherwise when it
 * has gone round: for many short calls in a row.
 */
export function inTurns<Args extends unknown[], T>(
  call: (...args: Args) => T,
): (...args: Args) => T | Promise<T> {
  const noted = (...args: Args): T => {
    try {
      return call(...args);
    } finally {
      lastEnded = performance.now();
    }
  };
  return (...args) =>
    isInTurn(performance.now()) ? noted(...args) : inLaterTurn(() => noted(...args));
}

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
      lastEnded = performance.now();
      note(lastEnded - start);
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

/**
 * To learn that the loop has gone round takes long (an immediate takes Deno 60 µs where the caches are cold), so
 * it is taken for having done that where nothing was called for a while; else who comes late waits for it.
 */
function isInTurn(now: number): boolean {
  if (now - lastEnded > WHILE) turnBegan = now;
  return now - turnBegan < TURN;
}

async function inLaterTurn<T>(call: () => T): Promise<T> {
  for (;;) {
    await new Promise<void>((resolve) => {
      if (waiting.push(resolve) === 1) afterTurn(beginTurn);
    });
    if (isInTurn(performance.now())) return call();
  }
}

function beginTurn(): void {
  turnBegan = lastEnded = performance.now();
  for (const resume of waiting.splice(0)) resume();
}
