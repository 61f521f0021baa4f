/**
 * What other machines do to a file system that several of them have. A kernel remembers names and
 * attributes for a second or longer, and answers from that: that what another machine has replaced is
 * unchanged, that what it has removed is there. What it remembers of a directory's entries is renewed
 * when it is listed (Linux: `fuse_direntplus_link` in fs/fuse/readdir.c, `nfs_prime_dcache` in fs/nfs/dir.c).
 */

import { basename, dirname } from "node:path";
import { fileSystemOf } from "../os/file_systems.ts";
import { OsError } from "../core/errors.ts";
import type { Os, Stat } from "../os/port.ts";
import type { Steps } from "../core/steps.ts";
import { inside } from "../core/paths.ts";
import { lstatOrUndefined } from "./target.ts";

/** So long, in ms, may something be remembered: a second by FUSE, and one and a part of one by GlusterFS. */
export const REMEMBERED: number = 3500;

/** So long is it looked for what others replace again and again. */
const PATIENCE = 20_000;

/** Whether other machines may have the file system of a path, which has this number (`st_dev`). */
export function* isShared(os: Os, path: string, dev: number): Steps<boolean> {
  // Only what is on a block device has a major number: it is this machine's own.
  if (((dev >>> 8) & 0xfff) !== 0) return false;
  const type = yield* os.fsType(path);
  const kind = type === undefined ? undefined : fileSystemOf(type);
  return kind?.isShared ?? true;
}

/**
 * Makes the kernel forget what it remembers of a directory's entries, where other machines may change them: what
 * was replaced, by the listing; those of `names` that are gone, by waiting until it has. Returns what is there;
 * nothing where looks tell that.
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
      // It has come back since.
      if (performance.now() > deadline) return there;
      yield* os.sleep(10);
    }
  }
  return there;
}

/** Whether a directory that other machines may change lists a name; of one of this machine, looks tell that. */
export function* isListed(os: Os, dir: string, name: string): Steps<boolean> {
  const stat = yield* lstatOrUndefined(os, dir);
  const listed = stat === undefined ? undefined : yield* refresh(os, dir, stat.dev);
  return listed?.has(name) ?? false;
}

/**
 * Runs steps that find things in a directory, and again as long as another machine has replaced or removed what
 * they found, which shows when that is opened, locked, read or closed. What they do can be done again. What was
 * replaced is renewed by a listing; what is gone, only time makes the kernel forget.
 */
export function* whileStale<T>(os: Os, dir: string, find: () => Steps<T>): Steps<T> {
  const deadline = performance.now() + PATIENCE;
  // In the end so long that it is forgotten, without a listing: GlusterFS was seen to list what was gone for long.
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

/** Whether another machine has replaced or removed what was found. GlusterFS says of what is open that it is not there. */
export function isStale(error: unknown): boolean {
  return error instanceof OsError &&
    (error.code === "ESTALE" || error.code === "ENOENT" && error.path === undefined);
}

/** Waits until all other machines have forgotten what was there before, if there are any. */
export function* beForgotten(os: Os, path: string): Steps<void> {
  if (yield* isShared(os, path, (yield* os.lstat(path)).dev)) yield* os.sleep(REMEMBERED);
}

/** What is at a path now, whatever the kernel remembers; nothing if nothing is. */
export function* lstatUncached(os: Os, path: string): Steps<Stat | undefined> {
  const dir = dirname(path);
  yield* refresh(os, dir, (yield* os.lstat(dir)).dev, [basename(path)]);
  return yield* lstatOrUndefined(os, path);
}
