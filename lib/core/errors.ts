/**
 * The errors of Untorn: the system's in one shape ({@link OsError}), refusals of its own, and the one class
 * that callers see. Mistakes in a call are `TypeError` or `RangeError` instead, before anything is touched.
 */

import type { Steps } from "./steps.ts";

/**
 * What stands after a failure: `"unchanged"`: the old version (or still nothing); `"replaced"`: the
 * new version, though its durability could not be confirmed; `"unknown"`: one of the two, whole.
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
   * The errno name (`ENOSPC`, `EACCES`, …), or `ERR_PERMISSION` (the runtime refused), `ERR_SOURCE`
   * (the content's source failed: see `cause`), `ERR_UNSUPPORTED`, `ERR_LOCKED`.
   */
  readonly code: string;
  /** What was being done, as a verb: `"write"`. */
  readonly operation: string;
  /** The path whose system call failed: the target, its directory, a temporary file. */
  readonly path: string;
  /** The path that the operation was about, as it was given. */
  readonly target: string;
  /** What stands now. */
  readonly outcome: Outcome;

  /** Made by Untorn; `message` is built from the rest by `describeFailure`. */
  constructor(message: string, init: UntornErrorInit) {
    super(message, { cause: init.cause });
    this.code = init.code;
    this.operation = init.operation;
    this.path = init.path;
    this.target = init.target;
    this.outcome = init.outcome;
  }
}

/** A failure of the source of the content, on its way to become an {@link UntornError}. */
export class SourceError extends Error {
  /** Keeps the source's own error as `cause`. */
  constructor(cause: unknown) {
    super("the source failed", { cause });
  }
}

/** A refusal of Untorn's own, on its way to become an {@link UntornError}. */
export class RefusedError extends Error {
  /** The error's code. */
  readonly code: string;
  /** The path that is refused. */
  readonly path: string;

  /** `text` says why and what to do. */
  constructor(code: string, path: string, text: string) {
    super(text);
    this.code = code;
    this.path = path;
  }
}

/** A system call that failed. */
export class OsError extends Error {
  override readonly name = "OsError";
  /** The errno name, or `ERR_PERMISSION`. */
  readonly code: string;
  /** The port's name of the call. */
  readonly call: string;
  /** The path it was given, if it takes one. */
  readonly path: string | undefined;

  constructor(code: string, call: string, path?: string, cause?: unknown) {
    super(`${call}: ${code}${path === undefined ? "" : ` (${path})`}`, {
      cause,
    });
    this.code = code;
    this.call = call;
    this.path = path;
  }
}

/** Answers of file systems to a call that they do not offer, such as link(2), chown(2) or fsync(2). */
const NOT_OFFERED = ["EPERM", "EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"];

/** Whether a call failed since it is not offered here; `more` are further answers of that meaning to this call. */
export function isNotOffered(error: unknown, ...more: readonly string[]): error is OsError {
  return error instanceof OsError &&
    (NOT_OFFERED.includes(error.code) || more.includes(error.code));
}

/** Whether the system says that nothing is at a path. */
export function isMissing(error: unknown): error is OsError {
  return error instanceof OsError && error.code === "ENOENT";
}

/** An error of a commit, with the version that stands after it; see {@link outcomeOf}. */
export class CommitError extends Error {
  /** Which version stands now. */
  readonly outcome: Outcome;
  /** A path that could not be removed. */
  readonly leftover: string | undefined;

  /** `cause` is the error itself. */
  constructor(cause: unknown, outcome: Outcome, leftover?: string) {
    super("the commit failed", { cause });
    this.outcome = outcome;
    this.leftover = leftover;
  }
}

/** Which version stands after an error; the old one, unless the error says otherwise. */
export function outcomeOf(error: unknown): Outcome {
  return error instanceof CommitError ? error.outcome : "unchanged";
}

/** Runs the step of a commit. An error carries the outcome that `look` finds; `"unknown"` if that fails, too. */
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

/** Runs steps that can only fail once the new version is in place. */
export function* afterReplacing<T>(steps: Steps<T>): Steps<T> {
  try {
    return yield* steps;
  } catch (error) {
    throw new CommitError(error, "replaced");
  }
}

/** Runs each of the steps, whatever becomes of the others; returns the first error of the system. */
export function* catchOsErrors(all: readonly Steps<unknown>[]): Steps<OsError | undefined> {
  const errors: OsError[] = [];
  for (const steps of all) {
    const error = yield* catchOsError(steps);
    if (error !== undefined) errors.push(error);
  }
  return errors[0];
}

/** Runs steps and returns the system's error that ended them, if one did. */
export function* catchOsError(steps: Steps<unknown>): Steps<OsError | undefined> {
  try {
    yield* steps;
    return undefined;
  } catch (error) {
    if (error instanceof OsError) return error;
    throw error;
  }
}
