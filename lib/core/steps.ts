/**
 * One algorithm, many drivers. An operation is a generator that yields at each system call. {@link runSync}
 * runs it straight, {@link runAsync} awaits each call, and the tests' drivers stop it after call k, as a kill
 * would, or fail call k.
 *
 * Step functions must be called with `yield*`. Without it nothing runs, which `scripts/check_steps.ts`
 * reports, as the compiler doesn't.
 */

/** An operation in progress: yields the answers of its system calls, and returns its result. */
export interface Steps<T> {
  next(answer?: unknown): IteratorResult<unknown, T>;
  throw(error: unknown): IteratorResult<unknown, T>;
  [Symbol.iterator](): Steps<T>;
}

/** Throws the error that replaces a call's own, or returns to have the call made again. */
export type OnError = (error: unknown, args: readonly unknown[]) => void;

/** A call; none in the port takes more arguments. */
type Call<T> = (...args: [unknown, unknown, unknown, unknown]) => T | Promise<T>;

/**
 * Turns a call into a step, whether it answers at once or later. The step is an iterator, as that takes a
 * third of a generator's time, and an immediate answer need not pass through the driver.
 */
export function lift<Args extends unknown[], T>(
  call: (...args: Args) => T | Promise<T>,
  onError: OnError = (error) => {
    throw error;
  },
): (...args: Args) => Steps<T> {
  const step = (a?: unknown, b?: unknown, c?: unknown, d?: unknown): Steps<T> =>
    new Step(call as unknown as Call<T>, onError, a, b, c, d);
  return step as unknown as (...args: Args) => Steps<T>;
}

/** A call, made by the first `next`. One object each: it is its own result and argument list. */
class Step<T> implements Steps<T> {
  done: boolean = false;
  value: unknown = undefined;
  readonly #call: Call<T>;
  readonly #onError: OnError;
  readonly #a: unknown;
  readonly #b: unknown;
  readonly #c: unknown;
  readonly #d: unknown;
  #isMade = false;

  constructor(call: Call<T>, onError: OnError, a: unknown, b: unknown, c: unknown, d: unknown) {
    this.#call = call;
    this.#onError = onError;
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
  }

  next(answer?: unknown): IteratorResult<unknown, T> {
    return this.#isMade ? this.#result(true, answer) : this.#make();
  }

  throw(error: unknown): IteratorResult<unknown, T> {
    this.#onError(error, [this.#a, this.#b, this.#c, this.#d]);
    return this.#make();
  }

  [Symbol.iterator](): this {
    return this;
  }

  #make(): IteratorResult<unknown, T> {
    this.#isMade = true;
    for (;;) {
      try {
        const value = this.#call(this.#a, this.#b, this.#c, this.#d);
        return this.#result(!(value instanceof Promise), value);
      } catch (error) {
        this.#onError(error, [this.#a, this.#b, this.#c, this.#d]);
      }
    }
  }

  #result(done: boolean, value: unknown): IteratorResult<unknown, T> {
    this.done = done;
    this.value = value;
    return this as IteratorResult<unknown, T>;
  }
}

/** Waits for an answer that is on its way already. */
export function* waitFor<T>(answer: T | Promise<T>): Steps<T> {
  return (yield answer) as T;
}

/** A synchronous operation would have to wait. */
export class SyncWaitError extends TypeError {}

/** Runs an operation on calls that all answer at once. */
export function runSync<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) {
    if (step.value instanceof Promise) {
      // The answer is ignored; the operation rolls back and fails.
      step.value.catch(() => {});
      step = steps.throw(new SyncWaitError("an asynchronous call in a synchronous operation"));
    } else step = steps.next(step.value);
  }
  return step.value;
}

/** Runs an operation, awaiting only the calls that answer later. */
export async function runAsync<T>(
  steps: Steps<T>,
  begun: IteratorResult<unknown, T> = steps.next(),
): Promise<T> {
  let step = begun;
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

/** Runs an operation; returns its result itself if all calls answered at once, otherwise a promise of it. */
export function runEager<T>(steps: Steps<T>): T | Promise<T> {
  const step = steps.next();
  return step.done ? step.value : runAsync(steps, step);
}

/** Starts steps that run beside those that follow; returns nothing if all their calls answered at once. */
export function runInBackground(steps: Steps<void>): Promise<void> | undefined {
  const ended = runEager(steps);
  // An error is reported to the one that awaits the promise, which may come later.
  ended?.catch(() => {});
  return ended ?? undefined;
}

/** Limit of {@link parallel}: enough for a disk to sync files together, too few to run out of descriptors. */
const AT_ONCE = 16;

/**
 * Runs independent steps: up to `limit` at a time if their calls answer later, one after another if they
 * answer at once. `next` supplies them until it returns nothing. After a failure, no more are started, those
 * under way are completed, and the first error is thrown.
 */
export function* parallel(
  next: () => Steps<Steps<void> | undefined>,
  limit: number = AT_ONCE,
): Steps<void> {
  const errors: unknown[] = [];
  const settled: (() => void)[] = [];
  let [waiting, supplied] = [0, false];
  let wake = (): void => {};
  const advance = (steps: Steps<void>, resume: () => IteratorResult<unknown, void>): void => {
    const settle = (next: () => IteratorResult<unknown, void>): void => {
      settled.push(() => advance(steps, next));
      wake();
    };
    try {
      let step = resume();
      while (!step.done && !(step.value instanceof Promise)) step = steps.next(step.value);
      if (step.done) return;
      waiting++;
      (step.value as Promise<unknown>).then(
        (answer) => settle(() => steps.next(answer)),
        (error) => settle(() => steps.throw(error)),
      );
    } catch (error) {
      errors.push(error);
    }
  };
  for (;;) {
    while (!supplied && errors.length === 0 && waiting < limit) {
      try {
        const steps = yield* next();
        if (steps === undefined) supplied = true;
        else advance(steps, () => steps.next());
      } catch (error) {
        errors.push(error);
      }
    }
    if (waiting === 0) break;
    if (settled.length === 0) yield new Promise<void>((resolve) => wake = resolve);
    for (const goOn of settled.splice(0)) {
      waiting--;
      goOn();
    }
  }
  if (errors.length > 0) throw errors[0];
}
