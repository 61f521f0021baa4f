/**
 * The life of a stage (a file, a directory or a transaction), and both forms of its methods for callers:
 *
 *     open ──commit()──> committed
 *      │ └───discard()──> discarded
 *      └─────any failure──> failed: undone immediately
 */

import { catchOsError, OsError, RefusedError, SourceError } from "../core/errors.ts";
import { runAsync, runSync, type Steps } from "../core/steps.ts";
import { describeFailure } from "../fs/failure.ts";
import { unlessAborted } from "./content.ts";

/** A stage, as the protocols implement it. */
export interface Stage<Result> {
  commit(): Steps<Result>;
  discard(): Steps<void>;
  /** Undoes the stage, and returns the error for the caller. */
  fail(error: unknown): Steps<unknown>;
}

/** Tracks the state of a stage, and refuses calls that do not fit it. */
export class StageLifecycle<Result> {
  readonly #target: string;
  readonly #stage: Stage<Result>;
  readonly #signal: AbortSignal | undefined;
  #state: "open" | "committed" | "discarded" | "failed" = "open";
  #error: unknown;

  /** `signal` ends the wait for a caller's function that fills the stage. */
  constructor(target: string, stage: Stage<Result>, signal?: AbortSignal) {
    this.#target = target;
    this.#stage = stage;
    this.#signal = signal;
  }

  /** Runs steps of the stage; if they fail, so does the whole stage. */
  *attempt<T>(steps: Steps<T>): Steps<T> {
    this.expectOpen();
    try {
      return yield* steps;
    } catch (error) {
      return yield* this.failed(error);
    }
  }

  /** Undoes the stage, and throws the error; if the stage had failed before, the earlier error. */
  *failed(error: unknown): Steps<never> {
    if (this.#state === "failed") throw this.#error;
    this.expectOpen();
    this.#state = "failed";
    throw this.#error = yield* this.#stage.fail(error);
  }

  /** Fails for an error of a caller's function. */
  failFilling(error: unknown): Steps<never> {
    return this.failed(errorOfCaller(error, this.#signal));
  }

  /** Runs a caller's function that fills the stage, and commits after all of its calls, awaited or not. */
  async fillAndCommit(fill: (inOrder: Queue) => unknown): Promise<Result> {
    const inOrder = queue();
    try {
      await unlessAborted(Promise.resolve(fill(inOrder)), this.#signal);
    } catch (error) {
      return await inOrder(() => this.failFilling(error));
    }
    return await inOrder(() => this.commit());
  }

  /** Synchronous version of {@link StageLifecycle.fillAndCommit}. */
  fillAndCommitSync(fill: () => unknown): Result {
    try {
      if (fill() instanceof Promise) throw new TypeError("the function must not be asynchronous");
    } catch (error) {
      return runSync(this.failFilling(error));
    }
    return runSync(this.commit());
  }

  *commit(): Steps<Result> {
    // The error of a call that was not awaited, which the caller may not have seen.
    if (this.#state === "failed") throw this.#error;
    const result = yield* this.attempt(this.#stage.commit());
    this.#state = "committed";
    return result;
  }

  *discard(): Steps<void> {
    if (this.#state !== "open") return;
    this.#state = "discarded";
    const error = yield* catchOsError(this.#stage.discard());
    if (error === undefined) return;
    throw describeFailure(error, "discard the new version of", this.#target, { existed: true });
  }

  /** Whether the stage has not ended yet. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Throws a `TypeError` if the stage has ended. */
  expectOpen(): void {
    if (this.#state === "open") return;
    const what = this.#state === "failed"
      ? "failed and was discarded"
      : `is already ${this.#state}`;
    throw new TypeError(`the stage of ${JSON.stringify(this.#target)} ${what}`);
  }
}

/** Marks an error of the caller's function; an abort, a refusal and the system's errors stay as they are. */
export function errorOfCaller(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  return error instanceof OsError || error instanceof RefusedError ? error : new SourceError(error);
}

/** Runs an operation after those that were queued before. */
export type Queue = <T>(start: () => Steps<T>) => Promise<T>;

/** Makes a queue, which runs asynchronous operations one after the other in the order of the calls. */
export function queue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(start: () => Steps<T>): Promise<T> => {
    const run = (): Promise<T> => runAsync(start());
    const result = last.then(run, run);
    last = result;
    // If the caller does not await the call, the commit reports its error.
    result.catch(() => {});
    return result;
  };
}

type Methods = { readonly [name: string]: (...args: never[]) => Steps<unknown> };

type Result<Method> = Method extends (...args: never[]) => Steps<infer T> ? T : never;

/** Makes the asynchronous form of methods. Calls that are not awaited keep their order. */
export function asyncMethods<M extends Methods>(
  methods: M,
  inOrder: Queue = queue(),
): { [K in keyof M]: (...args: Parameters<M[K]>) => Promise<Result<M[K]>> } {
  return inForm(methods, inOrder) as ReturnType<typeof asyncMethods<M>>;
}

/** Makes the synchronous form of methods. */
export function syncMethods<M extends Methods>(
  methods: M,
): { [K in keyof M]: (...args: Parameters<M[K]>) => Result<M[K]> } {
  return inForm(methods, (start) => runSync(start())) as ReturnType<typeof syncMethods<M>>;
}

function inForm(methods: Methods, run: (start: () => Steps<unknown>) => unknown): unknown {
  return Object.fromEntries(
    Object.entries(methods).map(([name, method]) =>
      [name, (...args: never[]) => run(() => method(...args))] as const
    ),
  );
}
