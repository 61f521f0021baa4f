/**
 * What is being deleted: renamed to a trash name first, under which nothing is trusted any more, and
 * never deleted in place. As long as a process works on it, it holds the kernel's lock on the directory,
 * so that others who clean up leave it alone.
 */

import { basename } from "node:path";
import { syncDir } from "./dir_sync.ts";
import { Refusal } from "./errors.ts";
import { newToken, recognise, trashName } from "./names.ts";
import { caught, isMissing, OsError } from "./os/errno.ts";
import { type Entry, type Handle, type Os, sameFile } from "./os/port.ts";
import { inside } from "./paths.ts";
import { isRemote, lookAfresh } from "./remote.ts";
import type { Steps } from "./steps.ts";
import { look } from "./target.ts";

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
  return isTransaction(path) && (yield* isShared(os, path));
}

function isTransaction(path: string): boolean {
  return recognise(basename(path), "directory")?.kind === "transaction";
}

function* isShared(os: Os, path: string): Steps<boolean> {
  return yield* isRemote(os, path, (yield* os.lstat(path)).dev);
}

/** Whether a mark on a directory keeps out everybody. */
export function* canClaim(os: Os, path: string): Steps<boolean> {
  return (yield* os.canLock()) && (isTransaction(path) || !(yield* isShared(os, path)));
}

/** Takes the mark off. */
export function* unclaim(os: Os, claimed: Claim | undefined): Steps<void> {
  if (claimed?.handle !== undefined) yield* os.close(claimed.handle);
}

/** Renames a tree to trash in `dir`, and deletes it; `sync` as for {@link trashClaimed}. */
export function* trash(os: Os, dir: string, path: string, sync: boolean = false): Steps<void> {
  const claimed = yield* claim(os, path);
  try {
    yield* trashClaimed(os, dir, path, sync);
  } finally {
    yield* unclaim(os, claimed);
  }
}

/**
 * The same for a tree that has the mark already. `sync`: nothing in it is deleted before its new name is on
 * the disk, for a tree that means something by its old one.
 */
export function* trashClaimed(
  os: Os,
  dir: string,
  path: string,
  sync: boolean = false,
): Steps<void> {
  const name = inside(dir, trashName(newToken()));
  yield* os.rename(path, name);
  if (sync) yield* syncDir(os, dir);
  yield* removeAll(os, name);
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
    yield* caught(os.removeTree(path));
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
      if (claimed === undefined) yield* caught(os.removeTree(path));
    }
  }
  const why = "what is made there is not found again: each look says that it is another (ESTALE)";
  throw new Refusal("ESTALE", dir, why);
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
    const there = yield* look(os, path);
    const marked = (yield* isMarkedInside(os, path))
      ? yield* lookAfresh(os, inside(path, MARK))
      : there;
    keep = there !== undefined && marked !== undefined &&
      sameFile(marked, yield* os.fstat(claimed.handle));
    return keep ? claimed : undefined;
  } finally {
    if (!keep) yield* unclaim(os, claimed);
  }
}

/** Deletes a tree, with directories in it that may not be changed before they are made so. */
export function* removeAll(os: Os, path: string): Steps<void> {
  yield* refuseMounts(os, path);
  const error = yield* caught(os.removeTree(path));
  if (error === undefined) return;
  if (error.code !== "EACCES") throw error;
  yield* makeTreeWritable(os, path);
  yield* os.removeTree(path);
}

/**
 * Refuses a tree in which another file system is mounted, whose files are no part of it. One that is
 * mounted from the same file system (a bind mount) can't be told from a directory.
 */
export function* refuseMounts(os: Os, path: string): Steps<void> {
  const { dev } = yield* os.lstat(path);
  for (const left = [path]; left.length > 0;) {
    const dir = left.pop()!;
    const there = yield* look(os, dir);
    if (there === undefined) continue;
    if (there.dev !== dev) {
      const why = `${
        JSON.stringify(dir)
      } is a mount point, which is not emptied; unmount it (EXDEV)`;
      throw new Refusal("EXDEV", dir, why);
    }
    let entries: Entry[] = [];
    try {
      entries = yield* os.readdir(dir);
    } catch (error) {
      // What can't be looked into fails the deletion itself, or is let in for it.
      if (!(error instanceof OsError && error.code === "EACCES")) throw error;
    }
    for (const { name, kind } of entries) if (kind === "directory") left.push(inside(dir, name));
  }
}

function* makeTreeWritable(os: Os, path: string): Steps<void> {
  yield* makeWritable(os, path);
  for (const { name, kind } of yield* os.readdir(path)) {
    if (kind === "directory") yield* makeTreeWritable(os, inside(path, name));
  }
}

/** A directory of one's own that may not be changed can be emptied once it may. */
export function* makeWritable(os: Os, path: string): Steps<void> {
  const { kind, mode } = yield* os.lstat(path);
  if (kind !== "directory") throw new OsError("ENOTDIR", "readdir", path);
  if ((mode & 0o700) === 0o700) return;
  const open = yield* os.openDir(path);
  if (open === undefined) return;
  try {
    yield* os.chmod(open, path, 0o700);
  } finally {
    yield* os.close(open);
  }
}
