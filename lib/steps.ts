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
      // What it comes to is not waited for; the operation undoes what it has done, and fails.
      step.value.catch(() => {});
      step = steps.throw(new TypeError("an asynchronous call in a synchronous operation"));
    } else step = steps.next(step.value);
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

/**
 * Runs independent steps, up to `limit` of them at a time where their calls answer later, one after
 * the other where they answer at once. `next` supplies them until it returns nothing. After a failure
 * no more are started, those under way are run to their end, and the first error is thrown.
 */
export function* parallel(next: () => Steps<Steps<void> | undefined>, limit: number): Steps<void> {
  const errors: unknown[] = [];
  const settled: Settled[] = [];
  let [waiting, supplied] = [0, false];
  let wake = (): void => {};
  const note = (how: Settled): void => {
    settled.push(how);
    wake();
  };
  const advance = (steps: Steps<void>, last?: Settled): void => {
    try {
      let step = last === undefined
        ? steps.next()
        : "error" in last
        ? steps.throw(last.error)
        : steps.next(last.answer);
      while (!step.done && !(step.value instanceof Promise)) step = steps.next(step.value);
      if (step.done) return;
      waiting++;
      (step.value as Promise<unknown>)
        .then((answer) => note({ steps, answer }), (error) => note({ steps, error }));
    } catch (error) {
      errors.push(error);
    }
  };
  for (;;) {
    while (!supplied && errors.length === 0 && waiting < limit) {
      try {
        const steps = yield* next();
        if (steps === undefined) supplied = true;
        else advance(steps);
      } catch (error) {
        errors.push(error);
      }
    }
    if (waiting === 0) break;
    if (settled.length === 0) yield new Promise<void>((resolve) => wake = resolve);
    for (const last of settled.splice(0)) {
      waiting--;
      advance(last.steps, last);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** How the call that steps wait for ended. */
type Settled = { steps: Steps<void> } & ({ answer: unknown } | { error: unknown });
