/**
 * Claims: the kernel's lock on a directory, or on a file in it, by which a live process marks the directory
 * as its own. Cleanups of other processes skip claimed directories.
 */

import { basename } from "node:path";
import { catchOsError, RefusedError, unlessCode } from "../core/errors.ts";
import { newToken, recognise, trashName } from "../core/names.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { type Handle, type Os, sameFile } from "../os/port.ts";
import { isOnSharedFs, lstatUncached } from "./shared_fs.ts";
import { lstatOrUndefined } from "./target.ts";

/** A claimed directory; without a handle where kernel locks are unavailable. */
export interface Claim {
  handle: Handle | undefined;
}

/** The file in a transaction's directory that is locked in its place. */
const MARK = "lock";

/**
 * Claims a directory; returns nothing if another process has claimed it. On a shared file system, the lock of
 * a transaction is on a file in its directory, as a lock on a directory has no effect on other machines there
 * (`fuse_dir_operations` in fs/fuse/dir.c and `nfs_dir_operations` in fs/nfs/dir.c have none).
 */
export function* claim(os: Os, path: string): Steps<Claim | undefined> {
  if (!(yield* os.canLock())) return { handle: undefined };
  // A directory that its owner may not read is still removed.
  const handle = yield* unlessCode(openMark(os, path), "EACCES");
  if (handle === undefined) return { handle };
  let free = false;
  try {
    free = yield* os.tryLock(handle);
  } finally {
    if (!free) yield* os.close(handle);
  }
  return free ? { handle } : undefined;
}

/** Releases a claim. */
export function* unclaim(os: Os, claimed: Claim | undefined): Steps<void> {
  if (claimed?.handle !== undefined) yield* os.close(claimed.handle);
}

/** Whether a claim on a directory excludes all other processes, including those of other machines. */
export function* canClaim(os: Os, path: string): Steps<boolean> {
  return (yield* os.canLock()) && (isTransaction(path) || !(yield* isOnSharedFs(os, path)));
}

function* openMark(os: Os, path: string): Steps<Handle | undefined> {
  if (yield* isMarkedInside(os, path)) return yield* os.openLock(inside(path, MARK));
  return yield* os.openDir(path);
}

function* isMarkedInside(os: Os, path: string): Steps<boolean> {
  return isTransaction(path) && (yield* isOnSharedFs(os, path));
}

function isTransaction(path: string): boolean {
  return recognise(basename(path), "directory")?.kind === "transaction";
}

/** Creates an empty directory with a trash name for `use`, and removes it afterwards. */
export function* withScratch<T>(os: Os, dir: string, use: (path: string) => Steps<T>): Steps<T> {
  const { path, claimed } = yield* makeClaimed(os, dir, trashName);
  try {
    return yield* use(path);
  } finally {
    // After a disk error, a cleanup removes it by its name.
    yield* catchOsError(os.removeTree(path));
    yield* unclaim(os, claimed);
  }
}

/** Creates a directory with a name that cleanups remove, and claims it to prevent that. */
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
      // Another process found it before it was claimed, and removes it.
    } finally {
      if (claimed === undefined) yield* catchOsError(os.removeTree(path));
    }
  }
  const why = "a directory created there keeps turning into another one (ESTALE)";
  throw new RefusedError("ESTALE", dir, why);
}

function* claimNew(os: Os, path: string): Steps<Claim | undefined> {
  const claimed = yield* unlessCode(claim(os, path), "ENOENT");
  if (claimed?.handle === undefined) return claimed;
  let isOurs = false;
  try {
    const there = yield* lstatOrUndefined(os, path);
    const marked = (yield* isMarkedInside(os, path))
      ? yield* lstatUncached(os, inside(path, MARK))
      : there;
    isOurs = there !== undefined && marked !== undefined &&
      sameFile(marked, yield* os.fstat(claimed.handle));
    return isOurs ? claimed : undefined;
  } finally {
    if (!isOurs) yield* unclaim(os, claimed);
  }
}
