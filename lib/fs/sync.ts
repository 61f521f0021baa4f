/**
 * Syncs of files, directories and trees: files, then directories from the bottom up, since btrfs keeps of
 * a directory that was not synced itself neither links nor empty directories.
 */

import { catchOsError, isNotOffered } from "../core/errors.ts";
import type { Handle, Os } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { parallel, type Steps } from "../core/steps.ts";

/** What is in a staged directory. */
export interface Contents {
  /** Its directories by relative path, the first (`""`) itself. */
  dirs: string[];
  /** How many other entries there are. */
  files: number;
}

/**
 * Finds what is in a staged directory, which others may have filled, and syncs its files, but for
 * those that are `synced` already.
 */
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
 * Syncs a file that is still written, by a descriptor of its own: Deno's are busy for writers while they are synced,
 * if they can't be copied (`with_inner_blocking_task`, ext/io/lib.rs). Does nothing where none can be opened.
 */
export function* syncIfReadable(os: Os, path: string): Steps<void> {
  const error = yield* catchOsError(syncFile(os, path));
  if (error !== undefined && error.call !== "open") throw error;
}

function* syncFile(os: Os, path: string): Steps<void> {
  const file = yield* os.open(path);
  try {
    yield* os.fsync(file, path);
  } finally {
    yield* os.close(file);
  }
}

/** Syncs a tree that nobody fills any more: all of its file system at once, where that can be had. */
export function* syncTree(os: Os, path: string, signal: AbortSignal | undefined): Steps<void> {
  const wholeFs = yield* os.openFs(path);
  if (wholeFs === undefined) {
    const { dirs } = yield* walkStage(os, path, true, new Set(), signal);
    // Found from the top down.
    for (const relative of dirs.reverse()) yield* syncDir(os, inside(path, relative));
    return;
  }
  try {
    yield* os.syncFs(wholeFs);
  } finally {
    yield* os.closeFs(wholeFs);
  }
}

/** Syncs a directory; false where the system can't. */
export function* syncDir(os: Os, path: string): Steps<boolean> {
  const open = yield* os.openDir(path);
  if (open === undefined) return false;
  try {
    return yield* trySync(os, open, path);
  } finally {
    yield* os.close(open);
  }
}

/**
 * Syncs what is open at a path; false where the system can't: EINVAL where a file system has no sync for it
 * (fsync(2)), ENOSYS and ENOTSUP from file servers, EPERM from Windows for a handle that can only read
 * (FlushFileBuffers). Every other failure stays one.
 */
export function* trySync(os: Os, open: Handle, path: string): Steps<boolean> {
  try {
    yield* os.fsync(open, path);
    return true;
  } catch (error) {
    if (isNotOffered(error)) return false;
    throw error;
  }
}
