/**
 * Syncs of files, directories and trees. A directory is synced
 *
 *   - after its last entry was created, before the directory itself gets its final name (durability `"file"` or
 *     `"full"`), from the bottom up: btrfs loses the links and empty directories in a directory that was not
 *     itself synced;
 *   - after an entry in it was renamed, linked or removed, before an operation acknowledges that (`"full"`);
 *   - before a version is moved that recovery finds by its name only, so that its claim (the lock file) is on
 *     the disk first;
 *   - before trash in it is deleted: a power failure could bring back the former name of the trash, under which
 *     its content is needed.
 */

import { catchOsError, isNotOffered } from "../core/errors.ts";
import { inside } from "../core/paths.ts";
import { parallel, type Steps } from "../core/steps.ts";
import type { Handle, Os } from "../os/port.ts";
import { closing, withDir } from "./io.ts";

/** The content of a staged directory. */
export interface Contents {
  /** The relative paths of its directories, the first (`""`) being itself. */
  dirs: string[];
  /** Number of other entries. */
  files: number;
}

/** Lists a staged directory, which others may have filled, and syncs its files except those in `synced`. */
export function* walkStage(
  os: Os,
  staging: string,
  sync: boolean,
  synced: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Steps<Contents> {
  const contents: Contents = { dirs: [""], files: 0 };
  const unread = [""];
  const toSync: string[] = [];
  const list = function* (): Steps<void> {
    const below = unread.pop()!;
    for (const { name, kind } of yield* os.readdir(inside(staging, below))) {
      const relative = below + name;
      if (kind === "directory") {
        contents.dirs.push(relative);
        unread.push(relative + "/");
      } else contents.files++;
      if (kind === "file" && sync && !synced.has(relative)) toSync.push(inside(staging, relative));
    }
  };
  yield* parallel(function* () {
    signal?.throwIfAborted();
    while (toSync.length === 0 && unread.length > 0) yield* list();
    const path = toSync.pop();
    return path === undefined ? undefined : syncFile(os, path);
  });
  return contents;
}

/**
 * Syncs a file that is still being written, through a second descriptor: Deno blocks writers on a descriptor
 * that is being synced if it can't be duplicated (`with_inner_blocking_task`, ext/io/lib.rs). Does nothing if
 * the file can't be opened.
 */
export function* syncIfReadable(os: Os, path: string): Steps<void> {
  const error = yield* catchOsError(syncFile(os, path));
  if (error !== undefined && error.call !== "open") throw error;
}

function* syncFile(os: Os, path: string): Steps<void> {
  const file = yield* os.open(path);
  yield* closing(os, file, os.fsync(file, path));
}

/** Syncs a tree that is complete: with its whole file system at once, if possible. */
export function* syncTree(os: Os, path: string, signal: AbortSignal | undefined): Steps<void> {
  const wholeFs = yield* os.openFs(path);
  if (wholeFs === undefined) {
    const { dirs } = yield* walkStage(os, path, true, new Set(), signal);
    // They were listed from the top down.
    for (const relative of dirs.reverse()) yield* syncDir(os, inside(path, relative));
    return;
  }
  try {
    yield* os.syncFs(wholeFs);
  } finally {
    yield* os.closeFs(wholeFs);
  }
}

/** Syncs a directory; returns false if the system can't. */
export function* syncDir(os: Os, path: string): Steps<boolean> {
  return (yield* withDir(os, path, (open) => trySync(os, open, path))) ?? false;
}

/**
 * Syncs a file or directory that is open at `path`. Returns false if the system can't: EINVAL if a file
 * system has no sync for it (fsync(2)), ENOSYS and ENOTSUP from file servers, EPERM from Windows for a
 * read-only handle (FlushFileBuffers). Throws all other errors.
 */
export function* trySync(os: Os, open: Handle, path: string): Steps<boolean> {
  const error = yield* catchOsError(os.fsync(open, path));
  if (error !== undefined && !isNotOffered(error)) throw error;
  return error === undefined;
}
