/**
 * The only place that renames a directory into place: by one exchange, in which the name is never
 * missing, or by two renames, between which it is.
 */

import { newToken, trashName } from "./names.ts";
import { caught } from "./os/errno.ts";
import type { Os } from "./os/port.ts";
import { inside } from "./paths.ts";
import type { Steps } from "./steps.ts";
import { look } from "./target.ts";

/** How a directory got into its place. */
export type Swap = "create" | "exchange" | "rename";

/** The names of a swap. */
export interface SwapPaths {
  live: string;
  staging: string;
  old: string;
}

/** What exchanges have proved to do, by file system. */
const proven = new Map<number, boolean>();

/**
 * Whether two directories in `dir` can be exchanged: tried once for each file system, and believed by
 * its effect, since one was seen that says it did and lost a file (docker/for-mac#7687).
 */
export function* canExchange(os: Os, dir: string, dev: number): Steps<boolean> {
  if (!(yield* os.canExchange())) return false;
  const known = proven.get(dev);
  if (known !== undefined) return known;
  const paths = [inside(dir, trashName(newToken())), inside(dir, trashName(newToken()))] as const;
  try {
    const before = yield* makeScratch(os, paths);
    const done = yield* os.exchange(...paths);
    const after = [(yield* look(os, paths[0]))?.ino, (yield* look(os, paths[1]))?.ino];
    const works = done && after[0] === before[1] && after[1] === before[0];
    proven.set(dev, works);
    return works;
  } finally {
    // Both are tried; what stays, after an error of the disk, is trash by its name.
    for (const path of paths) yield* caught(os.rmdir(path));
  }
}

function* makeScratch(os: Os, paths: readonly [string, string]): Steps<number[]> {
  const inodes: number[] = [];
  for (const path of paths) {
    yield* os.mkdir(path, 0o700);
    inodes.push((yield* os.lstat(path)).ino);
  }
  return inodes;
}

/**
 * Exchanges the staged directory with the live one; the previous version is at `staging` then. False
 * if the system refused, and nothing has changed.
 */
export function* swapByExchange(os: Os, { live, staging }: SwapPaths): Steps<boolean> {
  return yield* os.exchange(staging, live);
}

/**
 * Puts the staged directory in place by two renames; the previous version is at `old` then. If the
 * second fails, the first is undone; if that fails too, `old` is whole, and recovery puts it back.
 */
export function* swapByRename(os: Os, { live, staging, old }: SwapPaths): Steps<void> {
  yield* os.rename(live, old);
  try {
    yield* os.rename(staging, live);
  } catch (error) {
    yield* os.rename(old, live);
    throw error;
  }
}
