/**
 * Gives every error of the runtimes one shape: an {@link OsError}. Its code is the errno name, even if a
 * runtime reports only a number (EDQUOT, ESTALE, ENOLCK and EMLINK on some), or `ERR_PERMISSION` if the
 * runtime itself refused.
 */

import { OsError } from "../core/errors.ts";
import type { OnError } from "../core/steps.ts";

/** Throws a call's errors as `OsError`s, but returns for an interrupted call, so that it is made again. */
export function amended(name: string): OnError {
  return (raw, args) => {
    const error = osError(raw, name, args);
    // An interrupted close has closed: close(2), "Dealing with error returns from close()".
    const again = error instanceof OsError && error.code === "EINTR" && name !== "close";
    if (!again) throw error;
  };
}

/** The error as an `OsError`; unchanged if it is not the system's (a mistake in a program). */
export function osError(raw: unknown, call: string, args: readonly unknown[]): unknown {
  if (raw instanceof OsError || !(raw instanceof Error)) return raw;
  const code = errnoName(raw as RuntimeError);
  const path = args.find((arg) => typeof arg === "string");
  return code === undefined ? raw : new OsError(code, call, path, raw);
}

/** The runtimes' errors; none has all of these properties. */
type RuntimeError = Error & { code?: unknown; errno?: unknown };

/** The runtimes' own refusals, by name (Deno) and by code (Node's `--permission`). */
const REFUSED: readonly unknown[] = ["NotCapable", "ERR_ACCESS_DENIED"];

/** Errno names that `node:os` has no constant for, with Linux's numbers (asm-generic/errno.h). */
const LINUX_ONLY: Record<number, string> = { 117: "EUCLEAN", 121: "EREMOTEIO" };

function errnoName(error: RuntimeError): string | undefined {
  if (REFUSED.includes(error.name) || REFUSED.includes(error.code)) return "ERR_PERMISSION";
  if (typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code)) return error.code;
  const number = typeof error.errno === "number"
    ? Math.abs(error.errno)
    : Number(/\(os error (\d+)\)/.exec(error.message)?.[1] ?? 0);
  if (number === 0) return error.name === "Interrupted" ? "EINTR" : undefined;
  const known = Object.entries(process.getBuiltinModule("node:os").constants.errno);
  const name = known.find(([, errno]) => errno === number)?.[0];
  return name ?? LINUX_ONLY[number] ?? `E${number}`;
}
