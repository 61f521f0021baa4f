/**
 * Every error of the runtimes, in one shape: an {@link OsError} whose code is the errno name, also
 * where a runtime gives a number only (EDQUOT, ESTALE, ENOLCK, EMLINK on some), or whose code is
 * `ERR_PERMISSION` where the runtime itself refused. Interrupted calls are made again.
 */

import { OsError } from "../core/errors.ts";
import type { OnError } from "../core/steps.ts";

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
export function osError(raw: unknown, call: string, args: readonly unknown[]): unknown {
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
