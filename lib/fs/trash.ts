/**
 * Deletions: a tree is first renamed to a trash name, a name that no process relies on, and never deleted
 * in place. The deleting process holds the kernel's lock on the directory, so that cleanups skip it.
 */

import { catchOsError, OsError, RefusedError, unlessCode } from "../core/errors.ts";
import { newToken, trashName } from "../core/names.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { claim, unclaim } from "./claim.ts";
import { withDir } from "./io.ts";
import { syncDir } from "./sync.ts";
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
 * {@link trash} for a tree that is claimed already. With `sync`, its new name is on the disk before anything
 * in it is deleted, for a tree whose old name has a meaning.
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

/** Deletes a tree; makes read-only directories in it writable first. */
export function* removeAll(os: Os, path: string): Steps<void> {
  yield* refuseMounts(os, path);
  const error = yield* catchOsError(os.removeTree(path));
  if (error === undefined) return;
  if (error.code !== "EACCES") throw error;
  yield* makeTreeWritable(os, path);
  yield* os.removeTree(path);
}

/** Refuses a tree in which another file system is mounted; a bind mount of the same one can't be detected. */
export function* refuseMounts(os: Os, path: string): Steps<void> {
  const { dev } = yield* os.lstat(path);
  for (const left = [path]; left.length > 0;) {
    const dir = left.pop()!;
    const there = yield* lstatOrUndefined(os, dir);
    if (there === undefined) continue;
    if (there.dev !== dev) {
      const shown = JSON.stringify(dir);
      const why = `${shown} is a mount point, whose content is not deleted; unmount it (EXDEV)`;
      throw new RefusedError("EXDEV", dir, why);
    }
    // An unreadable directory fails the deletion itself, or is made readable for it.
    const entries = (yield* unlessCode(os.readdir(dir), "EACCES")) ?? [];
    for (const { name, kind } of entries) if (kind === "directory") left.push(inside(dir, name));
  }
}

function* makeTreeWritable(os: Os, path: string): Steps<void> {
  yield* makeWritable(os, path);
  for (const { name, kind } of yield* os.readdir(path)) {
    if (kind === "directory") yield* makeTreeWritable(os, inside(path, name));
  }
}

/** Lets this process's own directory be emptied. */
export function* makeWritable(os: Os, path: string): Steps<void> {
  const { kind, mode } = yield* os.lstat(path);
  if (kind !== "directory") throw new OsError("ENOTDIR", "readdir", path);
  if ((mode & 0o700) === 0o700) return;
  yield* withDir(os, path, (open) => os.chmod(open, path, 0o700));
}
