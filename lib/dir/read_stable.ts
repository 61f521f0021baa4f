/**
 * Many files of one directory, read as one version, while others replace the directory.
 */

import { dirname } from "node:path";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { type Handle, type Os, sameFile, type Stat } from "../os/port.ts";
import { journalName, siblingName } from "../core/names.ts";
import { inside, toPath, withoutSlash } from "../core/paths.ts";
import { describeFailure } from "../fs/failure.ts";
import { OsError, RefusedError } from "../core/errors.ts";
import { type Steps, waitFor } from "../core/steps.ts";
import { isShared, refresh, REMEMBERED } from "../fs/shared_fs.ts";
import { locate, lstatOrUndefined } from "../fs/target.ts";

/** A directory that is missing between two renames is waited for so long, in ms. */
const GAP = 1000;

/** One whose files are being replaced, so long: a rename takes 20 µs, and there may be many of them. */
const JOURNAL = 10_000;

/**
 * Runs `read`, and runs it again if the directory was replaced meanwhile: what it returns comes from
 * one version, though it opens many files. While a swap of two renames, or one that replaces file by file
 * (`"journal"`), is under way it waits. What is created or removed in the directory itself, not below,
 * counts as a replacement too. Errors of a `read` that met one are forgotten; so `read` should do nothing
 * but read. On a file system that other machines have too, an error counts once it has come for 3.5 s: so
 * long may what they replaced be remembered.
 *
 * It takes part in no lock, and changes nothing. Permissions in Deno: `--allow-read` for the directory
 * and the one above.
 *
 * @param dir The directory.
 * @param read Reads what it likes below the path that it is given.
 * @returns What `read` returned.
 * @throws {UntornError} When the directory is missing, or can't be looked at.
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

/** A version, held open where that can be had. */
interface Version {
  open: Handle | undefined;
  stat: Stat;
}

/** Reads one version, as steps. */
export function* stable<T>(
  os: Os,
  dir: string,
  read: (path: string) => T | Promise<T>,
): Steps<T> {
  let failing: number | undefined;
  for (;;) {
    const { open, stat } = yield* inWords(dir, openVersion(os, dir));
    let answer: { value: T } | { error: unknown };
    let same: boolean;
    try {
      try {
        answer = { value: yield* waitFor(read(dir)) };
      } catch (error) {
        answer = { error };
      }
      same = yield* inWords(dir, isSame(os, dir, stat));
    } finally {
      if (open !== undefined) yield* os.close(open);
    }
    if (same && "value" in answer) return answer.value;
    if (!same) failing = undefined;
    if (!same || !("error" in answer)) continue;
    // What another machine has replaced may be remembered for a while by each of its names.
    failing ??= performance.now();
    const isOver = performance.now() > failing + REMEMBERED;
    if (isOver || !(yield* isShared(os, dir, stat.dev))) throw answer.error;
    yield* os.sleep(10);
  }
}

/**
 * Whether it is still the version that was opened, whose inode number is no other's as long as it is open.
 * One that is replaced in place gets another time before its transaction is gone.
 */
function* isSame(os: Os, dir: string, stat: Stat): Steps<boolean> {
  if ((yield* journalOf(os, dir, stat.dev)) !== undefined) return false;
  const now = yield* target(os, dir);
  return now !== undefined && sameFile(now, stat) && now.mtime === stat.mtime &&
    now.ctime === stat.ctime;
}

/**
 * The transaction that replaces it in place just now, if one does. What another machine has done to it, too, is
 * seen from here on.
 */
function* journalOf(os: Os, dir: string, dev: number): Steps<string | undefined> {
  const { dir: above, name } = yield* locate(os, withoutSlash(dir), true);
  const listed = yield* refresh(os, above, dev);
  if (name === "") return undefined;
  const journal = journalName(name);
  const path = inside(above, journal);
  const isThere = listed === undefined
    ? (yield* lstatOrUndefined(os, path)) !== undefined
    : listed.has(journal);
  return isThere ? path : undefined;
}

/** Opens the directory; one that is being replaced is waited for. */
function* openVersion(os: Os, dir: string): Steps<Version> {
  const began = performance.now();
  for (let pause = 1;; pause = Math.min(pause * 2, 20)) {
    try {
      const { journal, ...found } = yield* openNow(os, dir);
      if (journal === undefined) return found;
      if (found.open !== undefined) yield* os.close(found.open);
      if (performance.now() > began + JOURNAL) {
        const why = `it is between two versions; if no process is at it, clean up ${
          JSON.stringify(dirname(journal))
        }`;
        throw new RefusedError("EBUSY", journal, why);
      }
    } catch (error) {
      const gone = error instanceof OsError && ["ENOENT", "ESTALE"].includes(error.code);
      if (!gone || performance.now() > began + GAP) throw error;
      // It is being replaced, or has come back since, or was and is being replaced again.
      const isMissing = !(yield* isBeingReplaced(os, dir)) &&
        (yield* target(os, dir)) === undefined && !(yield* isBeingReplaced(os, dir));
      if (isMissing) throw error;
    }
    yield* os.sleep(pause);
  }
}

function* openNow(os: Os, dir: string): Steps<Version & { journal: string | undefined }> {
  const open = yield* os.openDir(dir);
  try {
    const stat = open === undefined ? yield* os.lstat(inside(dir, ".")) : yield* os.fstat(open);
    return { open, stat, journal: yield* journalOf(os, dir, stat.dev) };
  } catch (error) {
    if (open !== undefined) yield* os.close(open);
    throw error;
  }
}

function* inWords<T>(dir: string, steps: Steps<T>): Steps<T> {
  try {
    return yield* steps;
  } catch (error) {
    throw describeFailure(error, "read", dir);
  }
}

/** Whether its previous version stands aside for it. */
function* isBeingReplaced(os: Os, dir: string): Steps<boolean> {
  const { dir: above, name } = yield* locate(os, withoutSlash(dir), true);
  return (yield* lstatOrUndefined(os, inside(above, siblingName("old", name)))) !== undefined;
}

function target(os: Os, dir: string): Steps<Stat | undefined> {
  return lstatOrUndefined(os, inside(dir, "."));
}
