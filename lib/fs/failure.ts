/** The messages of errors: what failed, on which path, which version is in place, what to do. */

import { dirname } from "node:path";
import {
  CommitError,
  hasCode,
  OsError,
  type Outcome,
  outcomeOf,
  RefusedError,
  SourceError,
  UntornError,
} from "../core/errors.ts";
import { missingFlags } from "../os/permissions.ts";

/** The circumstances of a failure. */
interface Circumstances {
  /** Which version is in place now; by default as the error says, or the old one. */
  outcome?: Outcome;
  /** Whether there was an old version; false by default. */
  existed?: boolean;
  /** The path of calls that take a handle, whose errors have no path; the target by default. */
  path?: string;
  /** A temporary file that could not be removed. */
  leftover?: string | undefined;
}

/**
 * Returns the error that the caller sees. An abort's reason or a callback's error is returned as it is, unless
 * a leftover must be reported.
 */
export function describeFailure(
  error: unknown,
  operation: string,
  target: string,
  circumstances: Circumstances = {},
): unknown {
  const { existed = false, path = target, outcome = outcomeOf(error) } = circumstances;
  let { leftover } = circumstances;
  while (error instanceof CommitError) {
    leftover ??= error.leftover;
    error = error.cause;
  }
  let found = explain(error, operation, target, path);
  if (found === undefined) {
    if (leftover === undefined) return error;
    const what = `the operation was aborted (${text(error)})`;
    found = { code: "ERR_SOURCE", what, cause: error };
  }
  const { code, what, advice, cause } = found;
  const parts = [`cannot ${operation} ${JSON.stringify(target)}: ${what}`];
  parts.push(stateAfter(operation, outcome, existed));
  if (leftover !== undefined) parts.push(`${JSON.stringify(leftover)} could not be removed`);
  if (advice !== undefined) parts.push(advice);
  const facts = { code, operation, path: found.path ?? path, target, outcome, cause };
  return new UntornError(parts.join("; "), facts);
}

/** The cause of a failure and the advice, for a list that shows the path itself. */
export function reasonOf(error: OsError | RefusedError, target: string): string {
  const { what, advice } = explain(error, "clean up", target, target)!;
  return advice === undefined ? what : `${what}; ${advice}`;
}

interface Explanation {
  code: string;
  what: string;
  advice?: string | undefined;
  path?: string | undefined;
  cause?: unknown;
}

function explain(
  error: unknown,
  operation: string,
  target: string,
  path: string,
): Explanation | undefined {
  if (error instanceof SourceError) {
    const source = ["change", "update"].includes(operation) ? "the function" : "its source";
    const what = `${source} failed: ${text(error.cause)}`;
    return { code: "ERR_SOURCE", what, cause: error.cause };
  }
  if (error instanceof RefusedError) {
    return { code: error.code, what: error.message, path: error.path };
  }
  if (!(error instanceof OsError)) return undefined;
  const { code, call, cause = error } = error;
  const facts = { code, path: error.path, cause };
  if (code === "ERR_PERMISSION") return { ...facts, ...permission(error, target, path) };
  const creates = operation === "write" || operation === "persist";
  const [what, advice] = hasCode(error, "ENOENT") && !creates
    ? ["it, or a directory above it, does not exist"]
    : MESSAGES[code] ?? [`${call} failed`];
  return { ...facts, what: `${what} (${code})`, advice };
}

/** Names the directory that a refused call needs access to, and the missing flags. */
function permission(
  { call, path: own, cause }: OsError,
  target: string,
  path: string,
): Pick<Explanation, "what" | "advice"> {
  const refused = own ?? path;
  const dir = call === "openDir" || call === "mkdir" ? refused : dirname(refused);
  // Deno creates symbolic links only with permission to read and write anywhere.
  const isLink = call === "symlink";
  const use = isLink ? "to create a symbolic link" : `for ${JSON.stringify(refused)}`;
  const what = `permission ${use} was refused`;
  const flags = missingFlags(isLink ? undefined : dir);
  if (flags.length === 0) return { what, advice: `the runtime says: ${text(cause)}` };
  const advice = `run again with ${flags.join(" ")}`;
  if (isLink) return { what, advice };
  const why = call === "openDir"
    ? "the directory is synced, so that what is created in it survives a power cut"
    : `a temporary sibling is created beside ${target}`;
  return { what, advice: `${advice} (${why})` };
}

function stateAfter(operation: string, outcome: Outcome, existed: boolean): string {
  if (operation === "remove") {
    return outcome === "unchanged"
      ? "nothing was removed"
      : "it was removed, but may reappear after a power cut";
  }
  if (outcome === "replaced") return "the new version is in place, but may not survive a power cut";
  if (outcome === "unknown") {
    return "the old or the new version is in place, complete; read it to find out";
  }
  return existed ? "the old version is unchanged" : "nothing was changed";
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The meaning of an errno, and what to do about it. */
const MESSAGES: Record<string, [what: string, advice?: string]> = {
  EACCES: ["access denied", "write permission on the directory is needed"],
  EBUSY: ["it is in use"],
  EDQUOT: ["the disk quota is used up", "free some space, then try again"],
  EEXIST: ["it already exists", "allow it to be replaced (overwrite), or choose another name"],
  EFBIG: ["the file is too large for this file system or its limit"],
  EINVAL: ["the file system does not support this call or name"],
  EIO: ["the device reported an input/output error", "check the device before trying again"],
  EISDIR: ["it is a directory", "name a file in it"],
  ELOOP: ["too many symbolic links"],
  EMFILE: ["this process has too many open files", "close some, then try again"],
  EMLINK: ["the file has too many links"],
  ENAMETOOLONG: ["the name is too long"],
  ENFILE: ["the system has too many open files", "try again later"],
  ENOENT: [
    "its directory does not exist",
    "create the directory first, or allow it (createParents)",
  ],
  ENOLCK: ["no locks available"],
  ENOMEM: ["out of memory"],
  ENOSPC: ["no space left on device", "free some space, then try again"],
  ENOTCONN: ["the file server is not connected", "try again when it is back"],
  ENOTDIR: ["a part of its path is not a directory"],
  EPERM: ["operation not permitted", "it may be immutable, or in a directory that is"],
  EROFS: ["the file system is read-only"],
  ESTALE: ["the file handle is stale: the file was replaced meanwhile", "try again"],
  ETXTBSY: ["it is a program that is running"],
  EXDEV: ["it is on another file system"],
};
