/**
 * The mark of a live process on a directory: the kernel's lock on it, or on a file in it. Others who clean up
 * leave alone what has it.
 */

import { basename } from "node:path";
import { catchOsError, isMissing, OsError, RefusedError } from "../core/errors.ts";
import { newToken, recognise, trashName } from "../core/names.ts";
import { type Handle, type Os, sameFile } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { isShared, lstatUncached } from "./shared_fs.ts";
import type { Steps } from "../core/steps.ts";
import { lstatOrUndefined } from "./target.ts";

/** A directory that this process has marked as its own; without a handle where that can't be had. */
export interface Claim {
  handle: Handle | undefined;
}

/**
 * Marks a directory as this process's, or answers nothing if another's mark is on it. Where other machines
 * may come by, the mark on a transaction's directory is on a file in it: the kernel's lock on a directory keeps
 * out nobody there (`fuse_dir_operations` in fs/fuse/dir.c, `nfs_dir_operations` in fs/nfs/dir.c have none).
 */
export function* claim(os: Os, path: string): Steps<Claim | undefined> {
  if (!(yield* os.canLock())) return { handle: undefined };
  let handle: Handle | undefined;
  try {
    handle = (yield* isMarkedInside(os, path))
      ? yield* os.openLock(inside(path, MARK))
      : yield* os.openDir(path);
  } catch (error) {
    // A directory that its owner may not read is removed all the same.
    if (!(error instanceof OsError && error.code === "EACCES")) throw error;
  }
  if (handle === undefined) return { handle };
  let free = false;
  try {
    free = yield* os.tryLock(handle);
  } finally {
    if (!free) yield* os.close(handle);
  }
  return free ? { handle } : undefined;
}

/** The file in a transaction's directory that is locked instead of it. */
const MARK = "lock";

function* isMarkedInside(os: Os, path: string): Steps<boolean> {
  return isTransaction(path) && (yield* isOnSharedFs(os, path));
}

function isTransaction(path: string): boolean {
  return recognise(basename(path), "directory")?.kind === "transaction";
}

function* isOnSharedFs(os: Os, path: string): Steps<boolean> {
  return yield* isShared(os, path, (yield* os.lstat(path)).dev);
}

/** Whether a mark on a directory keeps out everybody. */
export function* canClaim(os: Os, path: string): Steps<boolean> {
  return (yield* os.canLock()) && (isTransaction(path) || !(yield* isOnSharedFs(os, path)));
}

/** Takes the mark off. */
export function* unclaim(os: Os, claimed: Claim | undefined): Steps<void> {
  if (claimed?.handle !== undefined) yield* os.close(claimed.handle);
}

/** Makes an empty directory with a trash name, and gives it to `use`; then it is removed. */
export function* withScratch<T>(
  os: Os,
  dir: string,
  use: (path: string) => Steps<T>,
): Steps<T> {
  const { path, claimed } = yield* makeClaimed(os, dir, trashName);
  try {
    return yield* use(path);
  } finally {
    // What stays, after an error of the disk, is trash by its name.
    yield* catchOsError(os.removeTree(path));
    yield* unclaim(os, claimed);
  }
}

/** Makes a directory with a name that cleaning up removes, and the mark that keeps it from that. */
export function* makeClaimed(
  os: Os,
  dir: string,
  name: (token: string) => string,
): Steps<{ path: string; claimed: Claim }> {
  for (let attempts = 0; attempts < 100; attempts++) {
    const path = inside(dir, name(newToken()));
    yield* os.mkdir(path, 0o700);
    let claimed: Claim | undefined;
    try {
      claimed = yield* claimNew(os, path);
      if (claimed !== undefined) return { path, claimed };
      // Another process found it before it was marked, and removes it.
    } finally {
      if (claimed === undefined) yield* catchOsError(os.removeTree(path));
    }
  }
  const why = "what is made there is not found again: each look says that it is another (ESTALE)";
  throw new RefusedError("ESTALE", dir, why);
}

function* claimNew(os: Os, path: string): Steps<Claim | undefined> {
  let claimed: Claim | undefined;
  try {
    claimed = yield* claim(os, path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  if (claimed?.handle === undefined) return claimed;
  let keep = false;
  try {
    const there = yield* lstatOrUndefined(os, path);
    const marked = (yield* isMarkedInside(os, path))
      ? yield* lstatUncached(os, inside(path, MARK))
      : there;
    keep = there !== undefined && marked !== undefined &&
      sameFile(marked, yield* os.fstat(claimed.handle));
    return keep ? claimed : undefined;
  } finally {
    if (!keep) yield* unclaim(os, claimed);
  }
}
