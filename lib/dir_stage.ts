/**
 * The protocol of one directory X, the only place that knows it; all of it under the lock of X:
 *
 *     recover X → make .staging-X → write → carry over → sync all of it and the directory above →
 *     swap → sync the directory above → rescue late changes → trash the previous version
 *
 * A reader of X sees the old version or the new one. Whatever fails before the swap leaves X as it
 * was; what fails after the second sync is told in the result, and is no failure.
 */

import { type CarryOver, carryOver, drain, type Rescued } from "./carry_over.ts";
import type { Source } from "./content.ts";
import type { DirSettings } from "./dir_options.ts";
import { finishDirs, syncDir, walkStage } from "./dir_sync.ts";
import { dropKept, EntryWriter } from "./entry_writer.ts";
import { describe, type Outcome, Refusal } from "./errors.ts";
import { addVersion, prune } from "./history.ts";
import { acquireLock, type HeldLock, releaseLock } from "./lock.ts";
import { narrow } from "./metadata.ts";
import { keptName, newToken, trashName } from "./names.ts";
import { caught, OsError } from "./os/errno.ts";
import type { Os } from "./os/port.ts";
import { inside, withoutSlash } from "./paths.ts";
import type { PersistResult } from "./persist_result.ts";
import { recoverDir, swapPaths } from "./recover_dir.ts";
import type { Steps } from "./steps.ts";
import { chooseSwap, type Swap, swapAndTell, type SwapChoice, type SwapPaths } from "./swap.ts";
import { locate, look, makeDirs, type NewDirs, removeDirs, type Target } from "./target.ts";
import { type Claim, claim, trash, unclaim } from "./trash.ts";

/** A directory's new version on its way: open, write, then commit or fail or discard. */
export class DirStage {
  readonly #os: Os;
  readonly #given: string;
  readonly #settings: DirSettings;
  readonly #newParents: NewDirs = { made: [], parents: [] };
  #target: Target | undefined;
  #lock: HeldLock | undefined;
  #paths: SwapPaths | undefined;
  #staged = false;
  #handedOut = false;
  #choice: SwapChoice | undefined;
  #warnings: string[] = [];
  #outcome: Outcome = "unchanged";
  #entries: EntryWriter | undefined;

  constructor(os: Os, given: string, settings: DirSettings) {
    this.#os = os;
    this.#given = given;
    this.#settings = settings;
  }

  /** The staging directory; who knows it may fill it by other means than `write`. */
  get path(): string {
    this.#handedOut = true;
    return this.#paths!.staging;
  }

  /** Locks the target, recovers it, and makes the staging directory. */
  *open(): Steps<void> {
    const os = this.#os;
    const settings = this.#settings;
    yield* this.#find();
    const { dir, name } = this.#target!;
    if (settings.lock) this.#lock = yield* acquireLock(os, dir, name, settings);
    this.#paths = { ...swapPaths(dir, name), live: this.#target!.path };
    for (const path of [this.#paths.old, this.#paths.staging]) {
      const stat = yield* look(os, path);
      if (stat === undefined || stat.kind === "directory") continue;
      const why = `${JSON.stringify(path)} is in the way (EEXIST); remove it`;
      throw new Refusal("EEXIST", path, why);
    }
    // First: a writer that deletes what it finds is how the last good version gets lost.
    this.#warnings = yield* recoverDir(os, dir, name, this.#paths);
    // Whoever had the lock before may have put something else there; a link is not followed again.
    this.#target = { ...this.#target!, stat: yield* look(os, this.#paths.live) };
    const { stat } = this.#target;
    yield* this.#expectDirectory();
    const dev = stat?.dev ?? (yield* os.lstat(inside(dir, "."))).dev;
    this.#choice = yield* chooseSwap(os, dir, dev, settings.swap);
    const mode = settings.mode ?? stat?.mode;
    yield* os.mkdir(this.#paths.staging, mode === undefined ? 0o777 : narrow(mode) | 0o700);
    this.#staged = true;
    const present = stat === undefined ? undefined : this.#paths.live;
    this.#entries = new EntryWriter(os, settings, this.#paths.staging, present);
  }

  /** Writes one entry, unless its existing version stays. */
  write(relative: string, source: Source): Steps<void> {
    return this.#entries!.write(relative, source);
  }

  /** Makes what was staged the new version. */
  *commit(): Steps<PersistResult> {
    const os = this.#os;
    const { durability, signal } = this.#settings;
    const { staging } = this.#paths!;
    const { dir, stat } = this.#target!;
    if ((yield* look(os, staging)) === undefined) {
      throw new Refusal("ENOENT", staging, "its staging directory is gone: somebody removed it");
    }
    const wholeFs = durability === "none" ? undefined : yield* os.openFs(staging);
    const carry = this.#carryOver();
    try {
      const sync = durability !== "none" && wholeFs === undefined;
      const { dirs, files } = this.#handedOut || sync
        ? yield* walkStage(os, staging, sync, this.#entries!.synced, signal)
        : this.#entries!.contents;
      let written = files;
      if (stat !== undefined) {
        written -= yield* dropKept(os, this.#settings, this.#paths!);
        yield* carryOver(os, carry);
      }
      yield* finishDirs(os, carry, dirs, { old: stat, mode: this.#settings.mode }, sync);
      if (wholeFs !== undefined) yield* os.syncFs(wholeFs);
      if (durability !== "none") yield* this.#syncParents();
      signal?.throwIfAborted();
      const swap = yield* this.#swap();
      const full = durability !== "full" || (yield* syncDir(os, dir));
      const result: PersistResult = {
        path: this.#given,
        swap,
        written,
        carried: carry.carried,
        rescued: [],
        durability: full ? durability : "file",
        warnings: this.#warnings,
      };
      const previous = swap === "exchange" ? staging : this.#paths!.old;
      if (swap !== "create") yield* this.#dispose(previous, carry, result);
      yield* this.#unlock(result.warnings);
      return result;
    } finally {
      if (wholeFs !== undefined) yield* os.closeFs(wholeFs);
    }
  }

  /** Removes everything that was staged, and gives the lock back whatever happens. */
  *discard(): Steps<void> {
    // Forgotten first: what is under way once must not be done twice.
    const [staged, lock] = [this.#staged, this.#lock];
    this.#staged = false;
    this.#lock = undefined;
    try {
      if (staged) yield* trash(this.#os, this.#target!.dir, this.#paths!.staging);
    } catch (error) {
      // Gone by another's hand is gone as well.
      if (!(error instanceof OsError && error.code === "ENOENT")) throw error;
    } finally {
      try {
        if (lock !== undefined) yield* releaseLock(this.#os, lock);
      } finally {
        yield* removeDirs(this.#os, this.#newParents);
      }
    }
  }

  /** Undoes what was staged, and puts into the caller's words what went wrong. */
  *fail(error: unknown): Steps<unknown> {
    const path = this.#paths?.staging ?? this.#target?.path ?? this.#given;
    let leftover: string | undefined;
    try {
      // What is at the staging name after a swap is the previous version, for cleanup to decide.
      if (this.#outcome !== "unchanged") this.#staged = false;
      yield* this.discard();
    } catch (raw) {
      if (!(raw instanceof OsError)) throw raw;
      leftover = raw.path ?? path;
    }
    return describe(error, {
      operation: "persist",
      target: this.#given,
      outcome: this.#outcome,
      existed: this.#target?.stat !== undefined,
      path,
      leftover,
    });
  }

  *#find(): Steps<void> {
    const os = this.#os;
    const { createParents, signal } = this.#settings;
    signal?.throwIfAborted();
    this.#target = yield* locate(os, withoutSlash(this.#given), true);
    const { path, dir, name } = this.#target;
    if (name === "") {
      throw new Refusal(
        "EINVAL",
        path,
        "a directory is named by its own name, not by . or .. or /",
      );
    }
    if ((yield* look(os, inside(dir, "."))) === undefined) {
      if (!createParents) throw new OsError("ENOENT", "lstat", path);
      yield* makeDirs(os, dir, this.#newParents);
    } else yield* this.#expectDirectory();
  }

  /** Refuses what can't be replaced by a directory. */
  *#expectDirectory(): Steps<void> {
    const { path, dir, stat } = this.#target!;
    if (stat === undefined) return;
    if (stat.kind !== "directory") {
      throw new Refusal("ENOTDIR", path, "it is not a directory (ENOTDIR)");
    }
    if (stat.dev !== (yield* this.#os.lstat(inside(dir, "."))).dev) {
      throw new Refusal("EBUSY", path, "it is a mount point, which can't be replaced (EBUSY)");
    }
  }

  #carryOver(): CarryOver {
    const { carryOver, writeOnce } = this.#settings;
    return {
      live: this.#paths!.live,
      staging: this.#paths!.staging,
      dev: this.#target!.stat?.dev ?? 0,
      wanted: carryOver,
      always: writeOnce,
      managed: new Set(),
      refused: new Set(),
      inodes: new Map(),
      dirs: new Map(),
      whole: new Set(),
      copied: new Map(),
      carried: 0,
      keep: this.#settings.keep > 0,
    };
  }

  /** Syncs the directory above, for the claim, and the new ones above that. */
  *#syncParents(): Steps<void> {
    for (const parent of this.#newParents.parents) yield* syncDir(this.#os, parent);
    yield* syncDir(this.#os, this.#target!.dir);
  }

  *#swap(): Steps<Swap> {
    const told = (outcome: Outcome): void => void (this.#outcome = outcome);
    const { stat } = this.#target!;
    const swap: Swap = yield* swapAndTell(this.#os, this.#paths!, this.#choice!, stat, told);
    this.#newParents.made = [];
    return swap;
  }

  /** Rescues what is new in the previous version, and removes it. Nothing in here fails a persist. */
  *#dispose(previous: string, carry: CarryOver, result: PersistResult): Steps<void> {
    const os = this.#os;
    const { dir } = this.#target!;
    const { warnings, rescued: paths } = result;
    const { keep } = this.#settings;
    this.#staged = false;
    let path = previous;
    let claimed: Claim | undefined;
    try {
      claimed = yield* claim(os, previous);
      const { history } = this.#paths!;
      if (keep > 0) path = inside(history, `${yield* addVersion(os, history, previous)}`);
      else {
        const aside = inside(dir, trashName(newToken()));
        yield* os.rename(previous, aside);
        path = aside;
      }
      const rescued: Rescued = { paths, conflicts: new Set() };
      yield* drain(os, { ...carry, live: path, staging: carry.live }, rescued);
      if (keep > 0) yield* prune(os, dir, history, keep);
      if (rescued.conflicts.size === 0) return;
      const both = [...rescued.conflicts].map((path) => JSON.stringify(path)).join(", ");
      yield* this.#setAside(path, `${both} was changed in both versions`, warnings);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      yield* this.#setAside(path, `the version before was not removed (${why})`, warnings);
    } finally {
      yield* unclaim(os, claimed);
    }
  }

  /** Keeps what may be nowhere else, under a name that cleaning up does not remove. */
  *#setAside(path: string, why: string, warnings: string[]): Steps<void> {
    const { dir, name } = this.#target!;
    const kept = inside(dir, keptName(name, newToken()));
    const stays = this.#settings.keep > 0 || (yield* caught(this.#os.rename(path, kept)));
    warnings.push(`${why}: see ${JSON.stringify(stays ? path : kept)}`);
  }

  *#unlock(warnings: string[]): Steps<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    try {
      if (lock !== undefined) yield* releaseLock(this.#os, lock);
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      warnings.push(`the lock file ${JSON.stringify(lock!.path)} could not be removed`);
    }
  }
}
