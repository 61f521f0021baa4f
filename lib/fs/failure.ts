/**
 * The wording of errors: what failed, on which path, what stands now, what to do.
 */

import { dirname } from "node:path";
import { OsError, type Outcome, Refusal, SourceError, UntornError } from "../core/errors.ts";
import { missingFlags } from "../os/permissions.ts";

/** What an operation knows of its failure. */
export interface Failure {
  operation: string;
  target: string;
  outcome: Outcome;
  /** Whether there was an old version. */
  existed: boolean;
  /** The path of calls that take a handle: their errors name none. */
  path: string;
  /** Temporary files that could not be removed. */
  leftover?: string | undefined;
}

/**
 * The error that the caller sees. What is neither the system's nor a source's (an abort's reason, a
 * callback's own error) stays as it is, unless there is a leftover to tell of.
 */
export function describe(error: unknown, failure: Failure): unknown {
  const found = explain(error, failure);
  if (found === undefined) {
    if (failure.leftover === undefined) return error;
    return build(
      "ERR_SOURCE",
      `the call was ended early (${text(error)})`,
      "",
      error,
      failure,
    );
  }
  return build(
    found.code,
    found.what,
    found.advice,
    found.cause,
    failure,
    found.path,
  );
}

/** What went wrong and what to do, where it is told in a list beside its path. */
export function reasonOf(error: OsError | Refusal, target: string): string {
  const outcome = "unchanged";
  const failure = { operation: "clean up", target, outcome, existed: true, path: target } as const;
  const { what, advice } = explain(error, failure)!;
  return advice === "" ? what : `${what}; ${advice}`;
}

interface Explanation {
  code: string;
  what: string;
  advice: string;
  path?: string | undefined;
  cause?: unknown;
}

function explain(error: unknown, failure: Failure): Explanation | undefined {
  if (error instanceof SourceError) {
    const source = ["change", "update"].includes(failure.operation) ? "the function" : "its source";
    const what = `${source} failed: ${text(error.cause)}`;
    return { code: "ERR_SOURCE", what, advice: "", cause: error.cause };
  }
  if (error instanceof Refusal) {
    return {
      code: error.code,
      what: error.message,
      advice: "",
      path: error.path,
    };
  }
  if (!(error instanceof OsError)) return undefined;
  const { code, path, cause = error } = error;
  if (code === "ERR_PERMISSION") {
    return { code, path, cause, ...permission(error, failure) };
  }
  const creates = failure.operation === "write" || failure.operation === "persist";
  const missing = code === "ENOENT" && !creates;
  const [what, advice = ""] = missing
    ? ["it, or a directory above it, does not exist"]
    : WORDS[code] ?? [`${error.call} failed`];
  return { code, what: `${what} (${code})`, advice, path, cause };
}

function build(
  code: string,
  what: string,
  advice: string,
  cause: unknown,
  { operation, target, outcome, existed, path, leftover }: Failure,
  failed: string = path,
): UntornError {
  const parts = [
    `cannot ${operation} ${JSON.stringify(target)}: ${what}`,
    stands(operation, outcome, existed),
  ];
  if (leftover !== undefined) {
    parts.push(`${JSON.stringify(leftover)} could not be removed`);
  }
  if (advice !== "") parts.push(advice);
  return new UntornError(parts.join("; "), {
    code,
    operation,
    path: failed,
    target,
    outcome,
    cause,
  });
}

function stands(operation: string, outcome: Outcome, existed: boolean): string {
  if (operation === "remove") {
    return outcome === "unchanged"
      ? "nothing was removed"
      : "it is gone, but may be back after a power cut";
  }
  if (outcome === "replaced") {
    return "the new version is in place, but may not survive a power cut";
  }
  if (outcome === "unknown") {
    return "either version may be in place, whole: read it to know";
  }
  return existed ? "the old version is unchanged" : "nothing was changed";
}

/** The directory a refused call needs, and the flags that are missing for it. */
function permission(
  error: OsError,
  { target, path }: Failure,
): { what: string; advice: string } {
  const refused = error.path ?? path;
  const dir = error.call === "openDir" || error.call === "mkdir" ? refused : dirname(refused);
  // Deno makes symbolic links only for those who may read and write anywhere.
  const isLink = error.call === "symlink";
  const flags = missingFlags(isLink ? undefined : dir);
  const what = `permission ${
    isLink ? "to make a symbolic link" : `for ${JSON.stringify(refused)}`
  } was refused`;
  if (flags.length === 0) {
    return { what, advice: `the runtime says: ${text(error.cause)}` };
  }
  if (isLink) return { what, advice: `run again with ${flags.join(" ")}` };
  const why = error.call === "openDir"
    ? "the directory is synced, so that what is created in it survives a power cut"
    : `a temporary sibling is created beside ${target}`;
  return { what, advice: `run again with ${flags.join(" ")} (${why})` };
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What an errno says, and what to do about it. */
const WORDS: Record<string, [what: string, advice?: string]> = {
  EACCES: ["access denied", "it needs write permission on the directory"],
  EBUSY: ["it is in use"],
  EDQUOT: ["the disk quota is used up", "free some space, then try again"],
  EEXIST: [
    "it exists already",
    "allow it to be replaced (overwrite), or choose another name",
  ],
  EFBIG: ["the file is too large for this file system or its limit"],
  EINVAL: ["the file system does not take this call or name"],
  EIO: [
    "the device reported an input/output error",
    "check the device before trying again",
  ],
  EISDIR: ["it is a directory", "name a file in it"],
  ELOOP: ["too many symbolic links"],
  EMFILE: [
    "this process has too many open files",
    "close some, then try again",
  ],
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
  EPERM: [
    "operation not permitted",
    "it may be immutable, or in a directory that is",
  ],
  EROFS: ["the file system is read-only"],
  ESTALE: [
    "the file handle is stale: the file was replaced meanwhile",
    "try again",
  ],
  ETXTBSY: ["it is a program that is running"],
  EXDEV: ["it is on another file system"],
};
