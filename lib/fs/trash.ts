/**
 * What is being deleted: renamed to a trash name first, under which nothing is trusted any more, and
 * never deleted in place. As long as a process works on it, it holds the kernel's lock on the directory,
 * so that others who clean up leave it alone.
 */

import { claim, unclaim } from "./claim.ts";
import { syncDir } from "./sync.ts";
import { catchOsError, OsError, RefusedError } from "../core/errors.ts";
import { newToken, trashName } from "../core/names.ts";
import type { Entry, Os } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { lstatOrUndefined } from "./target.ts";

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

/** Deletes a tree, with directories in it that may not be changed before they are made so. */
export function* removeAll(os: Os, path: string): Steps<void> {
  yield* refuseMounts(os, path);
  const error = yield* catchOsError(os.removeTree(path));
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
    const there = yield* lstatOrUndefined(os, dir);
    if (there === undefined) continue;
    if (there.dev !== dev) {
      const why = `${
        JSON.stringify(dir)
      } is a mount point, which is not emptied; unmount it (EXDEV)`;
      throw new RefusedError("EXDEV", dir, why);
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
