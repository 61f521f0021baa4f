/**
 * A file or a tree that disappears in one step. A tree is renamed to trash, which is the step, and then
 * deleted; under its lock, after what a crash left beside it was recovered: else it would come back.
 */

import { catchOsError, OsError, outcomeOf, RefusedError, withOutcome } from "../core/errors.ts";
import { newToken, siblingName, trashName } from "../core/names.ts";
import type { Durability } from "../core/options.ts";
import { inside, split, toPath, withoutSlash } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { type Claim, claim, unclaim } from "../fs/claim.ts";
import { describeFailure } from "../fs/failure.ts";
import { lstatUncached } from "../fs/shared_fs.ts";
import { swapPaths } from "../fs/swap.ts";
import { trySync } from "../fs/sync.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { refuseMounts, removeAll } from "../fs/trash.ts";
import { inspectLock, releaseQuietly } from "../lock/lock_file.ts";
import { type Handle, type Os, sameFile, type Stat } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { findVersions, lockAndRecover } from "../recovery/recover_dir.ts";
import { type RemoveOptions, type RemoveSettings, removeSettings } from "./dir_options.ts";

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
export function atomicRemove(
  path: string | URL,
  options?: RemoveOptions,
): Promise<RemoveResult> {
  return runOnSystem((os) => remove(os, toPath(path), removeSettings(options)));
}

/** Synchronous version of {@link atomicRemove}. */
export function atomicRemoveSync(path: string | URL, options?: RemoveOptions): RemoveResult {
  return runOnSystemSync((os) => remove(os, toPath(path), removeSettings(options)));
}

/** A removal, as steps. */
export function* remove(os: Os, given: string, settings: RemoveSettings): Steps<RemoveResult> {
  const removal = new Removal(os, given, settings);
  try {
    return yield* removal.run();
  } catch (error) {
    const outcome = removal.result.removed ? "replaced" : outcomeOf(error);
    throw describeFailure(error, "remove", given, { existed: true, outcome });
  }
}

class Removal {
  readonly #os: Os;
  readonly #path: string;
  readonly #dir: string;
  readonly #name: string;
  readonly #settings: RemoveSettings;
  readonly result: RemoveResult;

  constructor(os: Os, given: string, settings: RemoveSettings) {
    const { durability } = settings;
    const path = withoutSlash(given);
    const { dir, name } = split(path);
    this.#name = name;
    this.#os = os;
    this.#path = path;
    this.#dir = dir;
    this.#settings = settings;
    this.result = { path: given, removed: false, durability, warnings: [] };
  }

  *run(): Steps<RemoveResult> {
    this.#settings.signal?.throwIfAborted();
    if (this.#name === "") {
      const why = "it is removed by its own name, not by . or .. or /";
      throw new RefusedError("EINVAL", this.#path, why);
    }
    const stat = yield* lstatOrUndefined(this.#os, this.#path);
    if (stat === undefined || stat.kind === "directory") yield* this.#removeVersions(stat);
    else yield* this.#remove(stat);
    if (!this.result.removed) yield* this.#confirmMissing();
    return this.result;
  }

  /** Removes a directory, and what a crash left beside it, which would bring it back. */
  *#removeVersions(there: Stat | undefined): Steps<void> {
    const os = this.#os;
    const { lock } = this.#settings;
    const [dir, name] = [this.#dir, this.#name];
    const paths = swapPaths(dir, name);
    const { found } = yield* findVersions(os, paths);
    if (there === undefined && !found.staging && found.old === "missing") return;
    // Without the lock, the stage of a live process must not be taken for a leftover.
    const isSafe = lock && (yield* os.canLock()) || !(yield* this.#mayBeStaged(dir, name));
    const locked = isSafe ? yield* lockAndRecover(os, paths, this.#settings) : undefined;
    const { warnings } = this.result;
    try {
      warnings.push(...locked?.warnings ?? []);
      const stat = locked === undefined ? yield* lstatOrUndefined(os, this.#path) : locked.live;
      if (stat !== undefined) yield* this.#remove(stat);
    } finally {
      yield* releaseQuietly(os, locked?.lock, warnings);
    }
  }

  *#mayBeStaged(dir: string, name: string): Steps<boolean> {
    const { state } = yield* inspectLock(this.#os, inside(dir, siblingName("lock", name)));
    return state === "held" || state === "unknown";
  }

  *#remove(stat: Stat): Steps<void> {
    const os = this.#os;
    const path = this.#path;
    const isDir = stat.kind === "directory";
    const aside = inside(this.#dir, trashName(newToken()));
    const { signal } = this.#settings;
    // Opened before the step: a failure should come while the entry is still there.
    const above = yield* this.#openParent();
    let claimed: Claim | undefined;
    try {
      if (isDir) {
        yield* refuseMounts(os, path);
        claimed = yield* claim(os, path);
      }
      signal?.throwIfAborted();
      yield* withOutcome(isDir ? os.rename(path, aside) : os.unlink(path), function* () {
        const now = yield* lstatUncached(os, path);
        return now !== undefined && sameFile(now, stat) ? "unchanged" : "replaced";
      });
      this.result.removed = true;
      yield* this.#syncParent(above);
      if (!isDir) return;
      const error = yield* catchOsError(removeAll(os, aside));
      if (error === undefined) return;
      const why = `${JSON.stringify(aside)} could not be deleted (${error.code})`;
      this.result.warnings.push(`${why}: a cleanup tries again`);
    } finally {
      yield* unclaim(os, claimed);
      if (above !== undefined) yield* os.close(above);
    }
  }

  /** Nothing is there to be removed; the process that removed it may not have synced that. */
  *#confirmMissing(): Steps<void> {
    const os = this.#os;
    if (this.#settings.mustExist) throw new OsError("ENOENT", "lstat", this.#path);
    if (this.#settings.durability === "none") return;
    if ((yield* lstatOrUndefined(os, inside(this.#dir, "."))) === undefined) return;
    const above = yield* this.#openParent();
    try {
      yield* this.#syncParent(above);
    } finally {
      if (above !== undefined) yield* os.close(above);
    }
  }

  *#openParent(): Steps<Handle | undefined> {
    return this.#settings.durability === "none" ? undefined : yield* this.#os.openDir(this.#dir);
  }

  *#syncParent(above: Handle | undefined): Steps<void> {
    if (this.#settings.durability === "none") return;
    if (above !== undefined && (yield* trySync(this.#os, above, this.#dir))) return;
    this.result.durability = "none";
  }
}
