/**
 * The life of something staged, a file or a directory: open, then committed, discarded or failed,
 * once. What fails is undone at once.
 */

import { describe } from "../fs/failure.ts";
import { OsError } from "../core/errors.ts";
import { runAsync, type Steps } from "../core/steps.ts";

/** A stage, as the protocols make them. */
export interface Stage<Result> {
  commit(): Steps<Result>;
  discard(): Steps<void>;
  /** Undoes what was staged; returns the error that the caller sees. */
  fail(error: unknown): Steps<unknown>;
}

/** Keeps the order of a stage's life. */
export class Staging<Result> {
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
      const target = this.#target;
      const operation = "discard the new version of";
      const path = error.path ?? target;
      throw describe(error, { operation, target, outcome: "unchanged", existed: true, path });
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

/** Runs an operation after all that were called before. */
export type Queue = <T>(start: () => Steps<T>) => Promise<T>;

/** Runs asynchronous operations one after the other, in the order in which they are called. */
export function queue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(start: () => Steps<T>): Promise<T> => {
    const run = async (): Promise<T> => await runAsync(start());
    const result = last.then(run, run);
    last = result;
    // Who does not await a call is told by the commit.
    result.catch(() => {});
    return result;
  };
}
