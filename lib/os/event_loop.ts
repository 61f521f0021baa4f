/**
 * How long calls that are made at once hold the event loop: for a turn of half a millisecond. To learn that the loop
 * has gone round takes long (an immediate takes Deno 60 µs where the caches are cold), so that it is not watched: it
 * has where something was waited for, and is taken to have where nothing was called for a while.
 */

/** In ms. */
export const TURN: number = 0.5;

/** After so many ms without a call, another turn has begun. */
const WHILE = 5;

/** Deno before 2.4 has it in `node:timers` only. */
const afterTurn: (then: () => void) => unknown = globalThis.setImmediate ??
  ((then: () => void) => setTimeout(then, 0));

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
      noteEnd();
    }
  };
  return (...args) =>
    isInTurn(performance.now()) ? noted(...args) : inLaterTurn(() => noted(...args));
}

/** Whether a call may be made at once now; who makes it notes its end. */
export function isInTurn(now: number): boolean {
  if (now - lastEnded > WHILE) turnBegan = now;
  return now - turnBegan < TURN;
}

/** Notes that a call has ended, and returns when. */
export function noteEnd(): number {
  return lastEnded = performance.now();
}

/** Notes that what was begun then, in the background, has ended: the loop has gone round since. */
export function noteWait(began: number): void {
  if (turnBegan <= began) turnBegan = noteEnd();
}

/** Makes a call when the loop has gone round. */
export async function inLaterTurn<T>(call: () => T): Promise<T> {
  for (;;) {
    await new Promise<void>((resolve) => {
      if (waiting.push(resolve) === 1) afterTurn(beginTurn);
    });
    if (isInTurn(performance.now())) return call();
  }
}

function beginTurn(): void {
  turnBegan = noteEnd();
  for (const resume of waiting.splice(0)) resume();
}
