/**
 * One algorithm, many drivers. An operation is a generator that yields at each system call; what
 * runs it decides the rest: {@link runSync} runs it straight, {@link runAsync} awaits each call, and
 * the tests stop it after call k (a kill there) or let call k fail.
 *
 * Step functions are always called with `yield*`. Without it nothing runs, and no compiler objects:
 * `scripts/check_steps.ts` does.
 */

/** An operation in progress: yields the answers of its system calls, returns its result. */
export interface Steps<T> {
  next(answer?: unknown): IteratorResult<unknown, T>;
  throw(error: unknown): IteratorResult<unknown, T>;
  [Symbol.iterator](): Steps<T>;
}

/** Throws what stands for an error of a call with these arguments, or returns: it is made again then. */
export type OnError = (error: unknown, args: readonly unknown[]) => void;

/** A call, with as many arguments as any of the port's takes. */
type Call<T> = (...args: [unknown, unknown, unknown, unknown]) => T | Promise<T>;

/**
 * Turns a call that answers now or later into a step. It is written as an iterator, since that takes a
 * third of what a generator does, and an answer that is there at once need not go to the driver and back.
 */
export function lift<Args extends unknown[], T>(
  call: (...args: Args) => T | Promise<T>,
  onError: OnError = rethrow,
): (...args: Args) => Steps<T> {
  const step = (a?: unknown, b?: unknown, c?: unknown, d?: unknown): Steps<T> =>
    new Step(call as unknown as Call<T>, onError, a, b, c, d);
  return step as unknown as (...args: Args) => Steps<T>;
}

function rethrow(error: unknown): never {
  throw error;
}

/** A call, which the first `next` makes. It is its own result, and has no list of arguments: one object each. */
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

/** Waits, as a step, for what has been started already. */
export function* waitFor<T>(answer: T | Promise<T>): Steps<T> {
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

/** Runs an operation as far as its calls answer at once: its result, or else that of the rest. */
export function runEager<T>(steps: Steps<T>): T | Promise<T> {
  const step = steps.next();
  return step.done ? step.value : runAsync(steps, step);
}

/** Starts steps, to run on beside what comes next; nothing if they are done, since their calls answered at once. */
export function runInBackground(steps: Steps<void>): Promise<void> | undefined {
  const ended = runEager(steps);
  // It is thrown to whoever waits for it.
  ended?.catch(() => {});
  return ended ?? undefined;
}

/** Limit of {@link parallel}: enough for a disk to sync files together, too few to run out of descriptors. */
const AT_ONCE = 16;

/**
 * Runs independent steps, up to `limit` of them at a time where their calls answer later, one after
 * the other where they answer at once. `next` supplies them until it returns nothing. After a failure
 * no more are started, those under way are run to their end, and the first error is thrown.
 */
export function* parallel(
  next: () => Steps<Steps<void> | undefined>,
  limit: number = AT_ONCE,
): Steps<void> {
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
