/**
 * The life of something staged, a file or a directory: open, then committed, discarded or failed,
 * once. What fails is undone at once.
 */

import { describeFailure } from "../fs/failure.ts";
import { OsError, RefusedError, SourceError } from "../core/errors.ts";
import { runAsync, runSync, type Steps } from "../core/steps.ts";

/** A stage, as the protocols make them. */
export interface Stage<Result> {
  commit(): Steps<Result>;
  discard(): Steps<void>;
  /** Undoes what was staged; returns the error that the caller sees. */
  fail(error: unknown): Steps<unknown>;
}

/** Keeps the order of a stage's life. */
export class StageLifecycle<Result> {
  readonly #target: string;
  readonly #stage: Stage<Result>;
  #state: "open" | "committed" | "discarded" | "failed" = "open";
  #error: unknown;

  constructor(target: string, stage: Stage<Result>) {
    this.#target = target;
    this.#stage = stage;
  }

  /** Runs steps of the stage; if they fail, all of it has. */
  *attempt<T>(steps: Steps<T>): Steps<T> {
    this.expectOpen();
    try {
      return yield* steps;
    } catch (error) {
      return yield* this.failed(error);
    }
  }

  /** Undoes the stage for an error; after an earlier one, that is what is told. */
  *failed(error: unknown): Steps<never> {
    if (this.#state === "failed") throw this.#error;
    this.expectOpen();
    this.#state = "failed";
    throw this.#error = yield* this.#stage.fail(error);
  }

  *commit(): Steps<Result> {
    // Of a call that was not awaited: the caller may not know yet.
    if (this.#state === "failed") throw this.#error;
    const result = yield* this.attempt(this.#stage.commit());
    this.#state = "committed";
    return result;
  }

  *discard(): Steps<void> {
    if (this.#state !== "open") return;
    this.#state = "discarded";
    try {
      yield* this.#stage.discard();
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      throw describeFailure(error, "discard the new version of", this.#target, { existed: true });
    }
  }

  /** Whether it has not ended yet. */
  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Fails with a `TypeError` once the stage has ended. */
  expectOpen(): void {
    if (this.#state === "open") return;
    const what = this.#state === "failed" ? "has failed and is discarded" : `is ${this.#state}`;
    throw new TypeError(`what was staged for ${JSON.stringify(this.#target)} ${what} already`);
  }
}

/** The error of a caller's own function. An abort's reason, a refusal and the system's errors stay as they are. */
export function errorOfCaller(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  return error instanceof OsError || error instanceof RefusedError ? error : new SourceError(error);
}

/** Runs an operation after all that were called before. */
export type Queue = <T>(start: () => Steps<T>) => Promise<T>;

/** Runs asynchronous operations one after the other, in the order in which they are called. */
export function queue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(start: () => Steps<T>): Promise<T> => {
    const run = async (): Promise<T> => await runAsync(start());
    const result = last.then(run, run);
    last = result;
    // A caller that does not await the call gets its error from the commit.
    result.catch(() => {});
    return result;
  };
}

/** Methods that are operations. */
type Methods = { readonly [name: string]: (...args: never[]) => Steps<unknown> };

type Result<Method> = Method extends (...args: never[]) => Steps<infer T> ? T : never;

/** The asynchronous form of methods: calls that are not awaited keep their order. */
export function asyncMethods<M extends Methods>(
  methods: M,
  inOrder: Queue = queue(),
): { [K in keyof M]: (...args: Parameters<M[K]>) => Promise<Result<M[K]>> } {
  return inForm(methods, inOrder) as ReturnType<typeof asyncMethods<M>>;
}

/** The synchronous form of methods. */
export function syncMethods<M extends Methods>(
  methods: M,
): { [K in keyof M]: (...args: Parameters<M[K]>) => Result<M[K]> } {
  return inForm(methods, (start) => runSync(start())) as ReturnType<typeof syncMethods<M>>;
}

function inForm(methods: Methods, run: (start: () => Steps<unknown>) => unknown): unknown {
  const form = Object.entries(methods).map(([name, method]) =>
    [name, (...args: never[]) => run(() => method(...args))] as const
  );
  return Object.fromEntries(form);
}
