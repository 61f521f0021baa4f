/**
 * Every error of the runtimes, in one shape: an {@link OsError} whose code is the errno name, also
 * where a runtime gives a number only (EDQUOT, ESTALE, ENOLCK, EMLINK on some), or whose code is
 * `ERR_PERMISSION` where the runtime itself refused. Interrupted calls are made again.
 */

import type { OnError, Steps } from "../steps.ts";

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

/** What a file system answers to what it does not have: link(2), chmod(2), chown(2). */
export const NOT_OFFERED: readonly string[] = [
  "EPERM",
  "EINVAL",
  "ENOSYS",
  "ENOTSUP",
  "EOPNOTSUPP",
];

/** Whether the system says that nothing is at a path. */
export function isMissing(error: unknown): error is OsError {
  return error instanceof OsError && error.code === "ENOENT";
}

/** Runs steps and returns the system's error that ended them, if one did. */
export function* caught(steps: Steps<unknown>): Steps<OsError | undefined> {
  try {
    yield* steps;
    return undefined;
  } catch (error) {
    if (error instanceof OsError) return error;
    throw error;
  }
}

/** Makes errors of the call of that name `OsError`s; it is made again as long as it is interrupted. */
export function amended(name: string): OnError {
  return (raw, args) => {
    const error = osError(raw, name, args);
    // An interrupted close has closed: close(2), "Dealing with error returns from close()".
    const again = error instanceof OsError && error.code === "EINTR" && name !== "close";
    if (!again) throw error;
  };
}

/** The error as an `OsError`; unchanged if it is none of the system's (a mistake in a program). */
function osError(raw: unknown, call: string, args: readonly unknown[]): unknown {
  if (raw instanceof OsError || !(raw instanceof Error)) return raw;
  const code = errnoName(raw as RuntimeError);
  const path = args.find((arg) => typeof arg === "string");
  return code === undefined ? raw : new OsError(code, call, path, raw);
}

/** What the runtimes put on their errors: each some of it, none all. */
type RuntimeError = Error & { code?: unknown; errno?: unknown };

/** The runtimes' own refusals, by name (Deno) and by code (Node's `--permission`). */
const REFUSED: readonly unknown[] = ["NotCapable", "ERR_ACCESS_DENIED"];

/** Errno names that `node:os` has no constant for, with Linux's numbers (asm-generic/errno.h). */
const LINUX_ONLY: Record<number, string> = { 117: "EUCLEAN", 121: "EREMOTEIO" };

function errnoName(error: RuntimeError): string | undefined {
  if (REFUSED.includes(error.name) || REFUSED.includes(error.code)) {
    return "ERR_PERMISSION";
  }
  if (typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code)) {
    return error.code;
  }
  const number = typeof error.errno === "number"
    ? Math.abs(error.errno)
    : Number(/\(os error (\d+)\)/.exec(error.message)?.[1] ?? 0);
  if (number === 0) return error.name === "Interrupted" ? "EINTR" : undefined;
  const known = process.getBuiltinModule("node:os").constants.errno as Record<
    string,
    number
  >;
  const name = Object.keys(known).find((key) => known[key] === number);
  return name ?? LINUX_ONLY[number] ?? `E${number}`;
}
