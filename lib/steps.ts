/**
 * One algorithm, many drivers. An operation is a generator that yields at each system call; what
 * runs it decides the rest: {@link runSync} runs it straight, {@link runAsync} awaits each call, and
 * the tests stop it after call k (a kill there) or let call k fail.
 *
 * Step functions are always called with `yield*`. Without it nothing runs, and no compiler objects:
 * the lint rule in `scripts/lint_steps.ts` does.
 */

/** An operation in progress: yields the answers of its system calls, returns its result. */
export type Steps<T> = Generator<unknown, T, unknown>;

/** Turns a call that answers now or later into a step. */
export function lift<Args extends unknown[], T>(
  call: (...args: Args) => T | Promise<T>,
): (...args: Args) => Steps<T> {
  return function* (...args: Args): Steps<T> {
    return (yield call(...args)) as T;
  };
}

/** Waits, as a step, for what has been started already. */
export function* settle<T>(answer: T | Promise<T>): Steps<T> {
  return (yield answer) as T;
}

/** Runs an operation whose calls all answer at once. */
export function runSync<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) {
    if (step.value instanceof Promise) {
      throw new TypeError("an asynchronous call in a synchronous operation");
    }
    step = steps.next(step.value);
  }
  return step.value;
}

/** Runs an operation, awaiting the calls that answer later and none of the others. */
export async function runAsync<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    let answer = step.value;
    if (answer instanceof Promise) {
      try {
        answer = await answer;
      } catch (error) {
        step = steps.throw(error);
        continue;
      }
    }
    step = steps.next(answer);
  }
  return step.value;
}
