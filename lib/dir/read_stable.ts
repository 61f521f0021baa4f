/** Reads several files of one directory as one version, while others replace the directory. */

import { dirname } from "node:path";
import { OsError, RefusedError } from "../core/errors.ts";
import { journalName, siblingName } from "../core/names.ts";
import { inside, toPath, withoutSlash } from "../core/paths.ts";
import { type Steps, waitFor } from "../core/steps.ts";
import { type Handle, type Os, sameFile, type Stat } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { describeFailure } from "../fs/failure.ts";
import { isShared, refresh, REMEMBERED } from "../fs/shared_fs.ts";
import { locate, lstatOrUndefined } from "../fs/target.ts";

/** Maximum time in ms to wait for a directory that is missing between two renames. */
const GAP = 1000;

/** Maximum time in ms to wait for a replacement in place: each of its many renames takes about 20 µs. */
const JOURNAL = 10_000;

/**
 * Runs `read`, and runs it again if the directory was replaced meanwhile, so that its result comes from one
 * version even if it opens many files. Waits while a swap by two renames, or a replacement in place
 * (`"journal"`), is under way. Entries created or removed in the directory itself, not below, count as a
 * replacement, too. An error of `read` is ignored if a replacement coincided with it, so `read` should do
 * nothing but read. On a file system that other machines share, an error counts once it has persisted for
 * 3.5 s: for that long, the system may remember names that these have replaced.
 *
 * It takes no lock, and changes nothing.
 *
 * Permissions in Deno: `--allow-read` for the directory and the one above.
 *
 * @param dir The directory.
 * @param read Reads any files below the path that it receives.
 * @returns The result of `read`.
 * @throws {UntornError} If the directory is missing, or can't be inspected.
 *
 * @example Two files that belong together
 * ```ts
 * import { persistDir, readStable } from "@untorn/untorn";
 * import { mkdtemp, readFile, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * await persistDir(`${dir}/pair`, { left: "1", right: "1" });
 * const [left, right] = await readStable(`${dir}/pair`, async (path) => [
 *   await readFile(`${path}/left`, "utf8"),
 *   await readFile(`${path}/right`, "utf8"),
 * ]);
 * if (left !== right) throw new Error("a mixture");
 * await rm(dir, { recursive: true });
 * ```
 */
export function readStable<T>(
  dir: string | URL,
  read: (path: string) => T | Promise<T>,
): Promise<T> {
  return runOnSystem((os) => stable(os, toPath(dir), read));
}

/** Synchronous version of {@link readStable}. */
export function readStableSync<T>(dir: string | URL, read: (path: string) => T): T {
  return runOnSystemSync((os) => stable(os, toPath(dir), read));
}

/** Reads one version, as steps. */
export function* stable<T>(os: Os, dir: string, read: (path: string) => T | Promise<T>): Steps<T> {
  let failing: number | undefined;
  try {
    for (;;) {
      const { open, stat } = yield* openVersion(os, dir);
      let answer: { value: T } | { error: unknown };
      let same: boolean;
      try {
        try {
          answer = { value: yield* waitFor(read(dir)) };
        } catch (error) {
          answer = { error };
        }
        same = yield* isSame(os, dir, stat);
      } finally {
        if (open !== undefined) yield* os.close(open);
      }
      if (same && "value" in answer) return answer.value;
      if (!same) failing = undefined;
      if (!same || !("error" in answer)) continue;
      // The system may remember for a while each name that another machine has replaced.
      failing ??= performance.now();
      const isOver = performance.now() > failing + REMEMBERED;
      if (isOver || !(yield* isShared(os, dir, stat.dev))) throw answer.error;
      yield* os.sleep(10);
    }
  } catch (error) {
    throw describeFailure(error, "read", dir);
  }
}

/** A version, and its open directory where the runtime can open one. */
interface Version {
  open: Handle | undefined;
  stat: Stat;
}

/** Opens the directory, and waits while it is being replaced. */
function* openVersion(os: Os, dir: string): Steps<Version> {
  const began = performance.now();
  for (let pause = 1;; pause = Math.min(pause * 2, 20)) {
    try {
      const { journal, ...found } = yield* openNow(os, dir);
      if (journal === undefined) return found;
      if (found.open !== undefined) yield* os.close(found.open);
      if (performance.now() > began + JOURNAL) {
        const above = JSON.stringify(dirname(journal));
        const why = `it is between two versions; if no process is replacing it, clean up ${above}`;
        throw new RefusedError("EBUSY", journal, why);
      }
    } catch (error) {
      const isGone = error instanceof OsError && ["ENOENT", "ESTALE"].includes(error.code);
      if (!isGone || performance.now() > began + GAP) throw error;
      // It is being replaced; or it is back; or a second replacement has begun between these checks.
      const isMissing = !(yield* isBeingReplaced(os, dir)) &&
        (yield* current(os, dir)) === undefined && !(yield* isBeingReplaced(os, dir));
      if (isMissing) throw error;
    }
    yield* os.sleep(pause);
  }
}

function* openNow(os: Os, dir: string): Steps<Version & { journal: string | undefined }> {
  const open = yield* os.openDir(dir);
  try {
    const stat = open === undefined ? yield* os.lstat(inside(dir, ".")) : yield* os.fstat(open);
    return { open, stat, journal: yield* findJournal(os, dir, stat.dev) };
  } catch (error) {
    if (open !== undefined) yield* os.close(open);
    throw error;
  }
}

/**
 * Whether the directory is still the version that was opened: its inode number is unique as long as it is
 * open. A replacement in place changes its times before its transaction is removed.
 */
function* isSame(os: Os, dir: string, stat: Stat): Steps<boolean> {
  if ((yield* findJournal(os, dir, stat.dev)) !== undefined) return false;
  const now = yield* current(os, dir);
  return now !== undefined && sameFile(now, stat) && now.mtime === stat.mtime &&
    now.ctime === stat.ctime;
}

/**
 * Finds the transaction that is replacing the directory in place, if there is one. From here on, changes by
 * other machines are visible as well.
 */
function* findJournal(os: Os, dir: string, dev: number): Steps<string | undefined> {
  const { dir: above, name } = yield* locate(os, withoutSlash(dir), true);
  const listed = yield* refresh(os, above, dev);
  if (name === "") return undefined;
  const journal = journalName(name);
  const path = inside(above, journal);
  const isThere = listed?.has(journal) ?? (yield* lstatOrUndefined(os, path)) !== undefined;
  return isThere ? path : undefined;
}

/** Whether a swap has set the previous version aside. */
function* isBeingReplaced(os: Os, dir: string): Steps<boolean> {
  const { dir: above, name } = yield* locate(os, withoutSlash(dir), true);
  return (yield* lstatOrUndefined(os, inside(above, siblingName("old", name)))) !== undefined;
}

function current(os: Os, dir: string): Steps<Stat | undefined> {
  return lstatOrUndefined(os, inside(dir, "."));
}
