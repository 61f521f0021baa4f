/**
 * Many files of one directory, read as one version, while others replace the directory.
 */

import { systemCalls } from "./os/mod.ts";
import { type Handle, type Os, sameFile, type Stat } from "./os/port.ts";
import { siblingName } from "./names.ts";
import { inside, split, toPath, withoutSlash } from "./paths.ts";
import { describe } from "./errors.ts";
import { OsError } from "./os/errno.ts";
import { runAsync, runSync, settle, type Steps } from "./steps.ts";
import { look } from "./target.ts";

/** A directory that is missing between two renames is waited for so long, in ms. */
const GAP = 1000;

/**
 * Runs `read`, and runs it again if the directory was replaced meanwhile: what it returns comes from
 * one version, though it opens many files. While a swap of two renames is under way it waits. Errors
 * of a `read` that met a replacement are forgotten; so `read` should do nothing but read.
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
export async function readStable<T>(
  dir: string | URL,
  read: (path: string) => T | Promise<T>,
): Promise<T> {
  return await runAsync(stable(systemCalls().async, toPath(dir), read));
}

/**
 * The same as {@link readStable}, done when it returns.
 *
 * @param dir The directory.
 * @param read Reads what it likes below the path that it is given.
 * @returns What `read` returned.
 * @throws {UntornError} When the directory is missing, or can't be looked at.
 */
export function readStableSync<T>(dir: string | URL, read: (path: string) => T): T {
  return runSync(stable(systemCalls().sync, toPath(dir), read)) as T;
}

/** Reads one version, as steps. */
export function* stable<T>(
  os: Os,
  dir: string,
  read: (path: string) => T | Promise<T>,
): Steps<T> {
  for (;;) {
    const { open, stat } = yield* inWords(dir, openVersion(os, dir));
    let answer: { value: T } | { error: unknown };
    let same: boolean;
    try {
      try {
        answer = { value: yield* settle(read(dir)) };
      } catch (error) {
        answer = { error };
      }
      // As long as it is open its inode number is no other's.
      const now = yield* inWords(dir, target(os, dir));
      same = now !== undefined && sameFile(now, stat);
    } finally {
      if (open !== undefined) yield* os.close(open);
    }
    if (same && "value" in answer) return answer.value;
    if (same && "error" in answer) throw answer.error;
  }
}

/** Opens the directory; one that is missing because it is being replaced is waited for. */
function* openVersion(os: Os, dir: string): Steps<{ open: Handle | undefined; stat: Stat }> {
  const deadline = performance.now() + GAP;
  for (let pause = 1;; pause = Math.min(pause * 2, 20)) {
    try {
      return yield* openNow(os, dir);
    } catch (error) {
      const gone = error instanceof OsError && error.code === "ENOENT";
      if (!gone || performance.now() > deadline) throw error;
      // It is being replaced, or has come back since.
      const back = (yield* target(os, dir)) !== undefined;
      if (!back && !(yield* isBeingReplaced(os, dir))) throw error;
    }
    yield* os.sleep(pause);
  }
}

function* openNow(os: Os, dir: string): Steps<{ open: Handle | undefined; stat: Stat }> {
  const open = yield* os.openDir(dir);
  if (open === undefined) return { open, stat: yield* os.lstat(inside(dir, ".")) };
  try {
    return { open, stat: yield* os.fstat(open) };
  } catch (error) {
    yield* os.close(open);
    throw error;
  }
}

function* inWords<T>(dir: string, steps: Steps<T>): Steps<T> {
  try {
    return yield* steps;
  } catch (error) {
    const failure = {
      operation: "read",
      target: dir,
      outcome: "unchanged",
      existed: false,
    } as const;
    throw describe(error, { ...failure, path: dir });
  }
}

/** Whether its previous version stands aside for it. */
function* isBeingReplaced(os: Os, dir: string): Steps<boolean> {
  const { dir: above, name } = split(withoutSlash(dir));
  return (yield* look(os, inside(above, siblingName("old", name)))) !== undefined;
}

function target(os: Os, dir: string): Steps<Stat | undefined> {
  return look(os, inside(dir, "."));
}
