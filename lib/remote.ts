/**
 * What other machines do to a file system that several of them have. A kernel remembers names and
 * attributes for a second or longer, and answers from that: that what another machine has replaced is
 * unchanged, that what it has removed is there. What it remembers of a directory's entries is renewed
 * when it is listed (Linux: `fuse_direntplus_link` in fs/fuse/readdir.c, `nfs_prime_dcache` in fs/nfs/dir.c).
 */

import { dirname } from "node:path";
import { fileSystemOf } from "./file_systems.ts";
import { OsError } from "./os/errno.ts";
import type { Os, Stat } from "./os/port.ts";
import type { Steps } from "./steps.ts";
import { inside } from "./paths.ts";
import { look } from "./target.ts";

/** Whether other machines may have the file system of a path, which has this number (`st_dev`). */
export function* isRemote(os: Os, path: string, dev: number): Steps<boolean> {
  // Only what is on a block device has a major number: it is this machine's own.
  if (((dev >>> 8) & 0xfff) !== 0) return false;
  const type = yield* os.fsType(path);
  const kind = type === undefined ? undefined : fileSystemOf(type);
  return kind?.isShared ?? true;
}

/** Makes the kernel forget what it remembers of a directory's entries, where other machines may change them. */
export function* refresh(os: Os, dir: string, dev: number): Steps<void> {
  if (yield* isRemote(os, dir, dev)) yield* os.readdir(dir);
}

/** The same for all that is below a directory. */
export function* refreshTree(os: Os, dir: string, dev: number): Steps<void> {
  if (!(yield* isRemote(os, dir, dev))) return;
  for (const left = [dir]; left.length > 0;) {
    const below = left.pop()!;
    for (const { name, kind } of yield* os.readdir(below)) {
      if (kind === "directory") left.push(inside(below, name));
    }
  }
}

/** What is gone may be remembered for so long, in ms: FUSE and GlusterFS take a second each. */
const REMEMBERED = 5000;

/**
 * Runs steps that find things in a directory, and again as long as another machine has replaced or removed what
 * they found, which shows when that is opened, locked, read or closed. What they do can be done again. What was
 * replaced is renewed by a listing; what is gone, only time makes the kernel forget.
 */
export function* whileStale<T>(os: Os, dir: string, find: () => Steps<T>): Steps<T> {
  const deadline = performance.now() + REMEMBERED;
  for (let pause = 1;; pause = Math.min(pause * 2, 50)) {
    try {
      return yield* find();
    } catch (error) {
      if (!isStale(error) || performance.now() > deadline) throw error;
      yield* os.sleep(pause);
      yield* os.readdir(dir);
    }
  }
}

/** GlusterFS says also of what is open that it is not there. */
function isStale(error: unknown): boolean {
  return error instanceof OsError &&
    (error.code === "ESTALE" || error.code === "ENOENT" && error.path === undefined);
}

/** What is at a path now, whatever the kernel remembers; nothing if nothing is. */
export function* lookAfresh(os: Os, path: string): Steps<Stat | undefined> {
  const dir = dirname(path);
  yield* refresh(os, dir, (yield* os.lstat(dir)).dev);
  return yield* look(os, path);
}
