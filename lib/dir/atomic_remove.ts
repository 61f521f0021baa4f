/**
 * A file or a tree that disappears in one step. A tree is renamed to trash, which is the step, and then
 * deleted; under its lock, after what a crash left beside it was recovered: else it would come back.
 */

import { type RemoveOptions, type RemoveSettings, removeSettings } from "./dir_options.ts";
import { trySync } from "../fs/sync.ts";
import { describe } from "../fs/failure.ts";
import { caught, OsError, type Outcome, Refusal } from "../core/errors.ts";
import { acquireLock, type HeldLock, lookAtLock, releaseLock } from "../lock/lock_file.ts";
import { newToken, siblingName, trashName } from "../core/names.ts";
import type { Durability } from "../core/options.ts";
import { systemCalls } from "../os/system.ts";
import { type Handle, type Os, sameFile, type Stat } from "../os/port.ts";
import { inside, split, toPath, withoutSlash } from "../core/paths.ts";
import { findVersions, recoverDir } from "../recovery/recover_dir.ts";
import { lookAfresh } from "../fs/shared_fs.ts";
import { runAsync, runSync, settle, type Steps } from "../core/steps.ts";
import { swapPaths } from "../fs/swap.ts";
import { look } from "../fs/target.ts";
import { type Claim, claim, unclaim } from "../fs/claim.ts";
import { refuseMounts, removeAll } from "../fs/trash.ts";

/** What a removal has done. */
export interface RemoveResult {
  /** The path, as it was given. */
  path: string;
  /** Whether there was something. */
  removed: boolean;
  /** What has been made sure of: what was asked for, or `"none"` where directories can't be synced. */
  durability: Durability;
  /** What went wrong after it was gone; empty if nothing did. */
  warnings: string[];
}

/**
 * Removes a file, a link (not what it leads to) or a directory with all that is in it. A reader, and
 * whoever comes after a crash, finds all of it or nothing; by default nothing also after a power cut,
 * once the call returns. Versions that were kept (`.history-{name}`) stay.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory above.
 *
 * @param path The file or directory.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was removed.
 * @throws {UntornError} When it failed; `outcome` is `"replaced"` if it is gone all the same, though it
 * may be back after a power cut.
 *
 * @example A directory, gone in one step
 * ```ts
 * import { atomicRemove, persistDir } from "@untorn/untorn";
 * import { mkdtemp, readdir, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * await persistDir(`${dir}/old`, { "a/b": "1", "c": "2" });
 * const { removed } = await atomicRemove(`${dir}/old`);
 * if (!removed || (await readdir(dir)).length > 0) throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export async function atomicRemove(
  path: string | URL,
  options?: RemoveOptions,
): Promise<RemoveResult> {
  return await runAsync(remove(systemCalls().async, toPath(path), removeSettings(options)));
}

/**
 * The same as {@link atomicRemove}, done when it returns.
 *
 * @param path The file or directory.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was removed.
 * @throws {UntornError} When it failed; `outcome` says whether it is gone all the same.
 */
export function atomicRemoveSync(path: string | URL, options?: RemoveOptions): RemoveResult {
  return runSync(remove(systemCalls().sync, toPath(path), removeSettings(options)));
}

/** A removal, as steps. */
export function* remove(os: Os, given: string, settings: RemoveSettings): Steps<RemoveResult> {
  const removal = new Removal(os, given, settings);
  try {
    return yield* removal.run();
  } catch (error) {
    throw describe(error, {
      operation: "remove",
      target: given,
      outcome: removal.outcome,
      existed: true,
      path: given,
    });
  }
}

class Removal {
  readonly #os: Os;
  readonly #path: string;
  readonly #settings: RemoveSettings;
  readonly #result: RemoveResult;
  outcome: Outcome = "unchanged";

  constructor(os: Os, given: string, settings: RemoveSettings) {
    this.#os = os;
    this.#path = withoutSlash(given);
    this.#settings = settings;
    const { durability } = settings;
    this.#result = { path: given, removed: false, durability, warnings: [] };
  }

  *run(): Steps<RemoveResult> {
    const os = this.#os;
    const { lock, signal } = this.#settings;
    const path = this.#path;
    signal?.throwIfAborted();
    const { dir, name } = split(path);
    if (name === "") {
      throw new Refusal("EINVAL", path, "it is removed by its own name, not by . or .. or /");
    }
    let stat = yield* look(os, path);
    if (stat === undefined || stat.kind === "directory") {
      const paths = swapPaths(dir, name);
      const { staging, old } = yield* findVersions(os, paths, () => settle(true));
      if (stat === undefined && !staging && old === "missing") {
        return yield* this.#missing(dir);
      }
      const held = lock ? yield* acquireLock(os, dir, name, this.#settings) : undefined;
      try {
        if (held?.handle !== undefined || !(yield* this.#mayBeLive(dir, name))) {
          this.#result.warnings.push(...yield* recoverDir(os, dir, name, paths, this.#settings));
        }
        stat = yield* look(os, path);
        if (stat !== undefined) yield* this.#removeNow(dir, stat);
      } finally {
        yield* this.#unlock(held);
      }
    } else yield* this.#removeNow(dir, stat);
    return stat === undefined ? yield* this.#missing(dir) : this.#result;
  }

  /** There is nothing to be removed; who removed it may not have synced that. */
  *#missing(dir: string): Steps<RemoveResult> {
    const os = this.#os;
    const { mustExist, durability } = this.#settings;
    if (mustExist) throw new OsError("ENOENT", "lstat", this.#path);
    if (durability === "none" || (yield* look(os, inside(dir, "."))) === undefined) {
      return this.#result;
    }
    const above = yield* os.openDir(dir);
    try {
      yield* this.#sync(above, dir);
    } finally {
      if (above !== undefined) yield* os.close(above);
    }
    return this.#result;
  }

  /** Without the lock, what a live process stages must not be taken for a leftover. */
  *#mayBeLive(dir: string, name: string): Steps<boolean> {
    const { state } = yield* lookAtLock(this.#os, inside(dir, siblingName("lock", name)));
    return state === "held" || state === "unknown";
  }

  *#removeNow(dir: string, stat: Stat): Steps<void> {
    const os = this.#os;
    const path = this.#path;
    const isDir = stat.kind === "directory";
    const aside = inside(dir, trashName(newToken()));
    const { durability, signal } = this.#settings;
    // Opened before the step: what can fail early should fail while it is still there.
    const above = durability === "none" ? undefined : yield* os.openDir(dir);
    let claimed: Claim | undefined;
    try {
      if (isDir) {
        yield* refuseMounts(os, path);
        claimed = yield* claim(os, path);
      }
      signal?.throwIfAborted();
      yield* this.#step(isDir ? os.rename(path, aside) : os.unlink(path), stat);
      this.#result.removed = true;
      yield* this.#sync(above, dir);
      if (!isDir) return;
      const error = yield* caught(removeAll(os, aside));
      if (error === undefined) return;
      const why = `${JSON.stringify(aside)} could not be deleted (${error.code})`;
      this.#result.warnings.push(`${why}: a cleanup tries again`);
    } finally {
      yield* unclaim(os, claimed);
      if (above !== undefined) yield* os.close(above);
    }
  }

  /** The step in which it disappears; after an error only a look tells whether it did. */
  *#step(step: Steps<void>, stat: Stat): Steps<void> {
    try {
      yield* step;
    } catch (error) {
      this.outcome = "unknown";
      const now = yield* lookAfresh(this.#os, this.#path);
      this.outcome = now !== undefined && sameFile(now, stat) ? "unchanged" : "replaced";
      throw error;
    }
    this.outcome = "replaced";
  }

  *#sync(above: Handle | undefined, dir: string): Steps<void> {
    if (this.#settings.durability === "none") return;
    if (above === undefined || !(yield* trySync(this.#os, above, dir))) {
      this.#result.durability = "none";
    }
  }

  *#unlock(held: HeldLock | undefined): Steps<void> {
    if (held === undefined) return;
    const error = yield* caught(releaseLock(this.#os, held));
    if (error === undefined) return;
    const { warnings } = this.#result;
    warnings.push(`the lock file ${JSON.stringify(held.path)} could not be removed`);
  }
}
