/**
 * File systems shared by several machines. A kernel caches names and attributes for a second or longer. From
 * its cache, a file that another machine has replaced looks unchanged, and one that was removed still exists.
 * Listing a directory renews the cache of its entries (Linux: `fuse_direntplus_link` in fs/fuse/readdir.c,
 * `nfs_prime_dcache` in fs/nfs/dir.c).
 */

import { basename, dirname } from "node:path";
import { hasCode } from "../core/errors.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { fileSystemOf } from "../os/file_systems.ts";
import type { Os, Stat } from "../os/port.ts";
import { lstatOrUndefined } from "./target.ts";

/** Maximum age of cached entries in ms: FUSE caches for a second, GlusterFS for a little longer. */
export const REMEMBERED: number = 3500;

/** Maximum time in ms to retry while other machines keep replacing an entry. */
const PATIENCE = 20_000;

/** Whether other machines may change the file system of a path, whose number is `dev` (`st_dev`). */
export function* isShared(os: Os, path: string, dev: number): Steps<boolean> {
  // Only block devices have a major number; they are local.
  if (((dev >>> 8) & 0xfff) !== 0) return false;
  const type = yield* os.fsType(path);
  const kind = type === undefined ? undefined : fileSystemOf(type);
  return kind?.isShared ?? true;
}

/** {@link isShared} for an existing path. */
export function* isOnSharedFs(os: Os, path: string): Steps<boolean> {
  return yield* isShared(os, path, (yield* os.lstat(path)).dev);
}

/**
 * Makes the kernel forget its cache of a directory on a shared file system. A listing renews replaced
 * entries; those of `names` that were removed expire with time. Returns the names that exist; nothing on a
 * local file system, where lstat(2) is reliable.
 */
export function* refresh(
  os: Os,
  dir: string,
  dev: number,
  names: string[] = [],
): Steps<ReadonlySet<string> | undefined> {
  if (!(yield* isShared(os, dir, dev))) return undefined;
  const there = new Set((yield* os.readdir(dir)).map(({ name }) => name));
  const deadline = performance.now() + REMEMBERED;
  for (const name of names) {
    while (!there.has(name) && (yield* lstatOrUndefined(os, inside(dir, name))) !== undefined) {
      // It was created again since the listing.
      if (performance.now() > deadline) return there;
      yield* os.sleep(10);
    }
  }
  return there;
}

/** Whether a directory lists a name; false on a local file system, where lstat(2) is reliable. */
export function* isListed(os: Os, dir: string, name: string): Steps<boolean> {
  const stat = yield* lstatOrUndefined(os, dir);
  const listed = stat === undefined ? undefined : yield* refresh(os, dir, stat.dev);
  return listed?.has(name) ?? false;
}

/**
 * Runs steps that find entries in a directory, and repeats them while another machine has replaced or removed
 * those entries, which shows when they are opened, locked, read or closed. The steps must be repeatable. A
 * listing renews replaced entries; removed ones expire with time.
 */
export function* whileStale<T>(os: Os, dir: string, find: () => Steps<T>): Steps<T> {
  const deadline = performance.now() + PATIENCE;
  // The last pauses outlast the cache, with no listing: GlusterFS was seen to list removed entries for long.
  for (let pause = 1;; pause = Math.min(pause * 4, REMEMBERED)) {
    try {
      return yield* find();
    } catch (error) {
      if (!isStale(error) || performance.now() > deadline) throw error;
      yield* os.sleep(pause);
      if (pause < 1000) yield* os.readdir(dir);
    }
  }
}

/** Whether another machine has replaced or removed a file. GlusterFS reports ENOENT even for an open file. */
export function isStale(error: unknown): boolean {
  return hasCode(error, "ESTALE") || hasCode(error, "ENOENT") && error.path === undefined;
}

/** On a shared file system, waits until the caches of all other machines have expired. */
export function* beForgotten(os: Os, path: string): Steps<void> {
  if (yield* isOnSharedFs(os, path)) yield* os.sleep(REMEMBERED);
}

/** Returns a path's metadata, bypassing the kernel's cache; nothing if the path does not exist. */
export function* lstatUncached(os: Os, path: string): Steps<Stat | undefined> {
  const dir = dirname(path);
  yield* refresh(os, dir, (yield* os.lstat(dir)).dev, [basename(path)]);
  return yield* lstatOrUndefined(os, path);
}
