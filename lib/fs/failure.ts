/**
 * The wording of errors: what failed, on which path, what stands now, what to do.
 */

import { dirname } from "node:path";
import {
  CommitError,
  OsError,
  type Outcome,
  outcomeOf,
  RefusedError,
  SourceError,
  UntornError,
} from "../core/errors.ts";
import { missingFlags } from "../os/permissions.ts";

/** The circumstances of a failure, as far as the operation knows them. */
interface Circumstances {
  /** Which version stands now; the old one by default, unless the error says otherwise. */
  outcome?: Outcome;
  /** Whether there was an old version; false by default. */
  existed?: boolean;
  /** The path of calls that take a handle, whose errors name none; the target by default. */
  path?: string;
  /** A temporary file that could not be removed. */
  leftover?: string | undefined;
}

interface Failure extends Required<Omit<Circumstances, "leftover">> {
  leftover: string | undefined;
  operation: string;
  target: string;
}

/**
 * The error that the caller sees. An abort's reason, and an error of a callback's own, stay as they are,
 * unless there is a leftover to report.
 */
export function describeFailure(
  error: unknown,
  operation: string,
  target: string,
  circumstances: Circumstances = {},
): unknown {
  const { existed = false, path = target } = circumstances;
  const outcome = circumstances.outcome ?? outcomeOf(error);
  let { leftover } = circumstances;
  if (error instanceof CommitError) {
    leftover ??= error.leftover;
    error = error.cause;
  }
  const failure: Failure = { operation, target, outcome, existed, path, leftover };
  const found = explain(error, failure);
  if (found !== undefined) return build(found, failure);
  if (leftover === undefined) return error;
  const what = `the call was ended early (${text(error)})`;
  return build({ code: "ERR_SOURCE", what, advice: "", cause: error }, failure);
}

/** The cause of a failure and the advice, for a list that names the path beside it. */
export function reasonOf(error: OsError | RefusedError, target: string): string {
  const operation = "clean up";
  const { what, advice } = explain(error, { operation, target, path: target })!;
  return advice === "" ? what : `${what}; ${advice}`;
}

interface Explanation {
  code: string;
  what: string;
  advice: string;
  path?: string | undefined;
  cause?: unknown;
}

function explain(
  error: unknown,
  failure: Pick<Failure, "operation" | "target" | "path">,
): Explanation | undefined {
  if (error instanceof SourceError) {
    const source = ["change", "update"].includes(failure.operation) ? "the function" : "its source";
    const what = `${source} failed: ${text(error.cause)}`;
    return { code: "ERR_SOURCE", what, advice: "", cause: error.cause };
  }
  if (error instanceof RefusedError) {
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
  { code, what, advice, cause, path: failed }: Explanation,
  { operation, target, outcome, existed, path, leftover }: Failure,
): UntornError {
  const parts = [
    `cannot ${operation} ${JSON.stringify(target)}: ${what}`,
    stands(operation, outcome, existed),
  ];
  if (leftover !== undefined) parts.push(`${JSON.stringify(leftover)} could not be removed`);
  if (advice !== "") parts.push(advice);
  const facts = { code, operation, path: failed ?? path, target, outcome, cause };
  return new UntornError(parts.join("; "), facts);
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
  { target, path }: Pick<Failure, "target" | "path">,
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
