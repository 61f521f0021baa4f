/**
 * Removes a file or a tree in one step. A tree is renamed to trash (that is the one step), and then deleted. It is
 * recovered first, under its lock: leftovers of a crash beside it would bring it back.
 */

import {
  catchOsError,
  OsError,
  type Outcome,
  outcomeOf,
  RefusedError,
  withOutcome,
} from "../core/errors.ts";
import { newToken, siblingName, trashName } from "../core/names.ts";
import type { Durability } from "../core/options.ts";
import { inside, split, toPath, withoutSlash } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { type Os, sameFile, type Stat } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { type Claim, claim, unclaim } from "../fs/claim.ts";
import { describeFailure } from "../fs/failure.ts";
import { lstatUncached } from "../fs/shared_fs.ts";
import { swapPaths } from "../fs/swap.ts";
import { syncDir, trySync } from "../fs/sync.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { refuseMounts, removeAll } from "../fs/trash.ts";
import { inspectLock, releaseQuietly } from "../lock/lock_file.ts";
import { findVersions, lockAndRecover } from "../recovery/recover_dir.ts";
import { type RemoveOptions, type RemoveSettings, removeSettings } from "./dir_options.ts";

/** A summary of a removal. */
export interface RemoveResult {
  /** The path, as it was given. */
  path: string;
  /** Whether there was an entry to remove. */
  removed: boolean;
  /** The durability that was achieved: the requested one, or `"none"` where directories can't be synced. */
  durability: Durability;
  /** Failures after the entry was removed; empty if there were none. */
  warnings: string[];
}

/**
 * Removes a file, a link (not its target) or a directory with its content, atomically. Readers see all of it or
 * nothing, even after a crash; by default, a power failure does not bring it back once the call returns. Kept
 * versions (`.history-{name}`) stay.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory above.
 *
 * @param path The file or directory.
 * @param options Options; see {@link RemoveOptions}.
 * @returns A summary of the removal.
 * @throws {TypeError | RangeError} If an argument is invalid; thrown before anything is touched.
 * @throws {UntornError} If the removal failed; with the outcome `"replaced"` the entry is gone, but a power
 * failure may bring it back.
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
export function atomicRemove(path: string | URL, options?: RemoveOptions): Promise<RemoveResult> {
  return runOnSystem((os) => remove(os, toPath(path), removeSettings(options)));
}

/** Synchronous version of {@link atomicRemove}. */
export function atomicRemoveSync(path: string | URL, options?: RemoveOptions): RemoveResult {
  return runOnSystemSync((os) => remove(os, toPath(path), removeSettings(options)));
}

/** Removes an entry, as steps. */
export function* remove(os: Os, given: string, settings: RemoveSettings): Steps<RemoveResult> {
  const removal = new Removal(os, given, settings);
  try {
    return yield* removal.run();
  } catch (error) {
    throw describeFailure(error, "remove", given, { existed: true, outcome: removal.outcome });
  }
}

class Removal {
  readonly #os: Os;
  readonly #path: string;
  readonly #dir: string;
  readonly #name: string;
  readonly #settings: RemoveSettings;
  readonly result: RemoveResult;
  /** Kept here, since an error of a later close(2) replaces the one that carries it. */
  outcome: Outcome = "unchanged";

  constructor(os: Os, given: string, settings: RemoveSettings) {
    this.#os = os;
    this.#path = withoutSlash(given);
    const { dir, name } = split(this.#path);
    this.#dir = dir;
    this.#name = name;
    this.#settings = settings;
    this.result = { path: given, removed: false, durability: settings.durability, warnings: [] };
  }

  *run(): Steps<RemoveResult> {
    this.#settings.signal?.throwIfAborted();
    if (this.#name === "") {
      const why = "it must be given by its own name, not by . or .. or /";
      throw new RefusedError("EINVAL", this.#path, why);
    }
    const stat = yield* lstatOrUndefined(this.#os, this.#path);
    if (stat === undefined || stat.kind === "directory") yield* this.#removeDir(stat);
    else yield* this.#remove(stat);
    if (!this.result.removed) yield* this.#confirmMissing();
    return this.result;
  }

  /** Removes a directory, and the leftovers beside it. */
  *#removeDir(there: Stat | undefined): Steps<void> {
    const os = this.#os;
    const { warnings } = this.result;
    const paths = swapPaths(this.#dir, this.#name);
    const { found } = yield* findVersions(os, paths);
    if (there === undefined && !found.staging && found.old === "missing") return;
    // Without the lock, the stage of a live process could be mistaken for a leftover.
    let recovers = this.#settings.lock && (yield* os.canLock());
    if (!recovers) {
      const { state } = yield* inspectLock(os, inside(this.#dir, siblingName("lock", this.#name)));
      recovers = state !== "held" && state !== "unknown";
    }
    const locked = recovers ? yield* lockAndRecover(os, paths, this.#settings) : undefined;
    try {
      warnings.push(...locked?.warnings ?? []);
      const stat = locked === undefined ? yield* lstatOrUndefined(os, this.#path) : locked.live;
      if (stat !== undefined) yield* this.#remove(stat);
    } finally {
      yield* releaseQuietly(os, locked?.lock, warnings);
    }
  }

  *#remove(stat: Stat): Steps<void> {
    const os = this.#os;
    const path = this.#path;
    const isDir = stat.kind === "directory";
    const aside = inside(this.#dir, trashName(newToken()));
    const { signal, durability } = this.#settings;
    const sync = durability !== "none";
    // Opened before the step, so that a failure leaves the entry in place.
    const above = sync ? yield* os.openDir(this.#dir) : undefined;
    let claimed: Claim | undefined;
    try {
      if (isDir) {
        yield* refuseMounts(os, path);
        claimed = yield* claim(os, path);
      }
      signal?.throwIfAborted();
      yield* this.#step(isDir ? os.rename(path, aside) : os.unlink(path), stat);
      this.result.removed = true;
      const isSynced = above !== undefined && (yield* trySync(os, above, this.#dir));
      if (sync && !isSynced) this.result.durability = "none";
      const error = isDir ? yield* catchOsError(removeAll(os, aside)) : undefined;
      if (error === undefined) return;
      const why = `${JSON.stringify(aside)} could not be removed (${error.code})`;
      this.result.warnings.push(`${why}: a cleanup tries again`);
    } finally {
      try {
        yield* unclaim(os, claimed);
      } finally {
        if (above !== undefined) yield* os.close(above);
      }
    }
  }

  /** The one step; after an error, a look shows whether it took place. */
  *#step(step: Steps<void>, stat: Stat): Steps<void> {
    const path = this.#path;
    const os = this.#os;
    try {
      yield* withOutcome(step, function* () {
        const now = yield* lstatUncached(os, path);
        return now !== undefined && sameFile(now, stat) ? "unchanged" : "replaced";
      });
      this.outcome = "replaced";
    } catch (error) {
      this.outcome = outcomeOf(error);
      throw error;
    }
  }

  /** Syncs the directory above a missing entry: the process that removed it may not have done so. */
  *#confirmMissing(): Steps<void> {
    if (this.#settings.mustExist) throw new OsError("ENOENT", "lstat", this.#path);
    if (this.#settings.durability === "none") return;
    if ((yield* lstatOrUndefined(this.#os, inside(this.#dir, "."))) === undefined) return;
    if (!(yield* syncDir(this.#os, this.#dir))) this.result.durability = "none";
  }
}
