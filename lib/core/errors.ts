/**
 * Errors: those of the system in one shape ({@link OsError}), refusals of Untorn's own, and
 * {@link UntornError}, the only class that callers see. Invalid arguments are reported by a `TypeError` or
 * `RangeError` instead, before anything is touched.
 */

import { type Steps, waitFor } from "./steps.ts";

/**
 * Which version is in place after a failure. `"unchanged"`: the old one, or still nothing. `"replaced"`: the
 * new one, but its durability could not be confirmed. `"unknown"`: one of the two, complete.
 */
export type Outcome = "unchanged" | "replaced" | "unknown";

/** The facts of an {@link UntornError}. */
export type UntornErrorInit = Pick<
  UntornError,
  "code" | "operation" | "path" | "target" | "outcome" | "cause"
>;

/**
 * An operation that failed. Test for it by `name` and `code` rather than `instanceof`, which fails
 * between two copies of a module (one imported by URL, one bundled).
 *
 * @example What to do depends on the outcome
 * ```ts
 * import { atomicWrite, type UntornError } from "@untorn/untorn";
 *
 * try {
 *   await atomicWrite("/no/such/place", "text", { createParents: false });
 * } catch (error) {
 *   const { name, code, outcome } = error as UntornError;
 *   if (name !== "UntornError" || code !== "ENOENT" || outcome !== "unchanged") throw error;
 * }
 * ```
 */
export class UntornError extends Error {
  /** Always `"UntornError"`. */
  override readonly name = "UntornError";
  /**
   * The errno name (`ENOSPC`, `EACCES`, …), or `ERR_PERMISSION` (refused by the runtime), `ERR_SOURCE` (the
   * source of the content failed: see `cause`), `ERR_UNSUPPORTED`, `ERR_LOCKED`.
   */
  readonly code: string;
  /** The operation that failed, as a verb: `"write"`. */
  readonly operation: string;
  /** The path whose system call failed: the target, its directory or a temporary file. */
  readonly path: string;
  /** The path passed to the operation, as it was given. */
  readonly target: string;
  /** Which version is in place now. */
  readonly outcome: Outcome;

  /** Called by Untorn only; `message` is composed of the other facts. */
  constructor(message: string, init: UntornErrorInit) {
    super(message, { cause: init.cause });
    this.code = init.code;
    this.operation = init.operation;
    this.path = init.path;
    this.target = init.target;
    this.outcome = init.outcome;
  }
}

/** A failure of the source of the content, whose own error is the `cause`. */
export class SourceError extends Error {
  constructor(cause: unknown) {
    super("the source failed", { cause });
  }
}

/** A refusal of Untorn's own; its message says why, and what to do. */
export class RefusedError extends Error {
  readonly code: string;
  readonly path: string;

  constructor(code: string, path: string, message: string) {
    super(message);
    this.code = code;
    this.path = path;
  }
}

/** A system call that failed. */
export class OsError extends Error {
  override readonly name = "OsError";
  /** The errno name, or `ERR_PERMISSION`. */
  readonly code: string;
  /** The call's name in the port. */
  readonly call: string;
  /** The call's first path, if it takes one. */
  readonly path: string | undefined;

  constructor(code: string, call: string, path?: string, cause?: unknown) {
    super(`${call}: ${code}${path === undefined ? "" : ` (${path})`}`, { cause });
    this.code = code;
    this.call = call;
    this.path = path;
  }
}

/** Whether a system call failed with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): error is OsError {
  return error instanceof OsError && codes.includes(error.code);
}

/** Whether a system call failed because nothing is at its path. */
export function isMissing(error: unknown): error is OsError {
  return hasCode(error, "ENOENT");
}

/** How file systems answer a call that they do not support, such as link(2), chown(2) or fsync(2). */
const NOT_OFFERED = ["EPERM", "EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"];

/** Whether a call failed because it is unsupported here; `more` are further codes that mean so. */
export function isNotOffered(error: unknown, ...more: readonly string[]): error is OsError {
  return hasCode(error, ...NOT_OFFERED, ...more);
}

/** An error of a commit, as its `cause`, and the version that is in place after it. */
export class CommitError extends Error {
  readonly outcome: Outcome;
  /** A path that could not be removed. */
  readonly leftover: string | undefined;

  constructor(cause: unknown, outcome: Outcome, leftover?: string) {
    super("the commit failed", { cause });
    this.outcome = outcome;
    this.leftover = leftover;
  }
}

/** Which version is in place after an error: the previous one, unless the error says otherwise. */
export function outcomeOf(error: unknown): Outcome {
  return error instanceof CommitError ? error.outcome : "unchanged";
}

/** Runs the step that commits. An error carries the outcome that `look` finds; `"unknown"` if it fails. */
export function* withOutcome<T>(step: Steps<T>, look: () => Steps<Outcome>): Steps<T> {
  try {
    return yield* step;
  } catch (error) {
    let outcome: Outcome = "unknown";
    try {
      outcome = yield* look();
    } catch (second) {
      if (!(second instanceof OsError)) throw second;
    }
    throw new CommitError(error, outcome);
  }
}

/** Runs steps that come after the commit: an error carries the outcome `"replaced"`. */
export function afterReplacing<T>(steps: Steps<T>): Steps<T> {
  return withOutcome(steps, () => waitFor<Outcome>("replaced"));
}

/** Runs steps; returns the system's error if one ended them. */
export function* catchOsError(steps: Steps<unknown>): Steps<OsError | undefined> {
  try {
    yield* steps;
    return undefined;
  } catch (error) {
    if (error instanceof OsError) return error;
    throw error;
  }
}

/** Runs steps; returns nothing if a system call fails with one of these codes. */
export function* unlessCode<T>(steps: Steps<T>, ...codes: readonly string[]): Steps<T | undefined> {
  try {
    return yield* steps;
  } catch (error) {
    if (hasCode(error, ...codes)) return undefined;
    throw error;
  }
}

/** Runs all of the steps, even after a failure; returns the system's first error. */
export function* catchOsErrors(all: readonly Steps<unknown>[]): Steps<OsError | undefined> {
  let first: OsError | undefined;
  for (const steps of all) {
    const error = yield* catchOsError(steps);
    first ??= error;
  }
  return first;
}
