/**
 * The stage of one directory X, all of it under the lock of X:
 *
 *     lock X → recover X → make .staging-X → write → seal: carry over, sync all of it and the parent
 *
 *     new ──open──▶ open ──seal──▶ sealed ──▶ published (publish.ts), or handed to a transaction
 *                    └──────discard───┴─────▶ discarded
 *
 * A stage that is discarded leaves X as it was, and nothing beside it.
 */

import { relative } from "node:path";
import { isMissing, OsError, RefusedError } from "../core/errors.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { applyMetadata, ENTRY_RULES, groupFor, narrow } from "../fs/metadata.ts";
import { type SwapPaths, swapPaths } from "../fs/swap.ts";
import { syncDir, walkStage } from "../fs/sync.ts";
import {
  expectDirectory,
  locateDir,
  lstatOrUndefined,
  makeDirs,
  type NewDirs,
  removeDirs,
  type Target,
} from "../fs/target.ts";
import { trash } from "../fs/trash.ts";
import type { Part } from "../journal/record.ts";
import { type HeldLock, releaseLock, releaseQuietly } from "../lock/lock_file.ts";
import type { Os, Stat } from "../os/port.ts";
import { lockAndRecover } from "../recovery/recover_dir.ts";
import type { Source } from "../stage/content.ts";
import { type CarryOver, carryOver, finishDirs, startCarrying } from "./carry_over.ts";
import type { DirSettings } from "./dir_options.ts";
import { EntryWriter, removeStagedWriteOnce } from "./entry_writer.ts";

/** A new version that is complete, and on the disk if it is to be. */
export interface SealedDir {
  /** X, with its present version. */
  target: Target;
  paths: SwapPaths;
  carry: CarryOver;
  /** The number of entries that were written. */
  written: number;
}

/** A new version of a directory: opened, written, sealed; or discarded. */
export class DirStage {
  readonly #os: Os;
  readonly #given: string;
  readonly settings: DirSettings;
  readonly #part: Part | undefined;
  readonly #newParents: NewDirs = { made: [], parents: [] };
  readonly warnings: string[] = [];
  #target: Target | undefined;
  #paths: SwapPaths | undefined;
  /** The file system of the directory above; nothing as long as that is missing. */
  #dev: number | undefined;
  #lock: HeldLock | undefined;
  #entries: EntryWriter | undefined;
  #isMade = false;
  #isHandedOut = false;

  /** A transaction stages its directories as parts of its own. */
  constructor(os: Os, given: string, settings: DirSettings, part?: Part) {
    this.#os = os;
    this.#given = given;
    this.settings = settings;
    this.#part = part;
  }

  /** The staging directory; from here on, others than `write` may fill it. */
  get path(): string {
    this.#isHandedOut = true;
    return this.#paths!.staging;
  }

  /** The most exact path there is for an error without one. */
  get pathOfErrors(): string {
    return this.#paths?.staging ?? this.#target?.path ?? this.#given;
  }

  /** Whether there was a version before. */
  get hasPrevious(): boolean {
    return this.#target?.stat !== undefined;
  }

  /** The file system on which X is, or will be. */
  get dev(): number | undefined {
    return this.#target?.stat?.dev ?? this.#dev;
  }

  *open(): Steps<void> {
    yield* this.prepare();
    yield* this.make();
  }

  /** Finds X, locks and recovers it. */
  *prepare(): Steps<Target> {
    yield* this.#find();
    const { dir, name, path } = this.#target!;
    this.#paths = { ...swapPaths(dir, name), live: path };
    if (this.#dev !== undefined) yield* this.#recover(this.#dev);
    return this.#target!;
  }

  /** Finds X, and makes the directories above it. */
  *#find(): Steps<void> {
    const os = this.#os;
    const { createParents, signal } = this.settings;
    signal?.throwIfAborted();
    const target = this.#target = yield* locateDir(os, this.#given);
    const above = yield* lstatOrUndefined(os, inside(target.dir, "."));
    this.#dev = above?.dev;
    if (above !== undefined) return expectDirectory(target.path, target.stat, above.dev);
    // A transaction makes them when it is committed; until then nobody can lock or persist there.
    if (this.#part !== undefined) return;
    if (!createParents) throw new OsError("ENOENT", "lstat", target.path);
    yield* makeDirs(os, target.dir, this.#newParents);
    this.#dev = (yield* os.lstat(inside(target.dir, "."))).dev;
  }

  /** First of all: a writer that deletes leftovers unread is how the last good version gets lost. */
  *#recover(dev: number): Steps<void> {
    const transaction = this.#part && relative(this.#target!.dir, this.#part.committed);
    const { lock, live, warnings } = yield* lockAndRecover(
      this.#os,
      this.#paths!,
      this.settings,
      { transaction, refusesFiles: true },
    );
    this.#lock = lock;
    this.warnings.push(...warnings);
    // The holder before may have put something else there; a link is not followed again.
    this.#target = { ...this.#target!, stat: live };
    expectDirectory(this.#target.path, live, dev);
  }

  /** Makes the staging directory. */
  *make(): Steps<void> {
    const paths = this.#paths!;
    if (this.#part !== undefined) paths.staging = inside(this.#part.staged, this.#part.name);
    const { stat } = this.#target!;
    const mode = this.settings.mode ?? stat?.mode;
    yield* this.#os.mkdir(paths.staging, mode === undefined ? 0o777 : narrow(mode) | 0o700);
    this.#isMade = true;
    if (groupFor(stat) !== undefined) yield* this.#inheritGroup(stat!);
    const present = stat === undefined ? undefined : paths.live;
    this.#entries = new EntryWriter(this.#os, this.settings, paths.staging, present);
  }

  /** Entries of a set-group-id directory get its group, so the staging directory has both from the start. */
  *#inheritGroup(previous: Stat): Steps<void> {
    const { staging } = this.#paths!;
    const open = yield* this.#os.openDir(staging);
    if (open === undefined) return;
    try {
      const rules = { ...ENTRY_RULES, mode: narrow(previous.mode) | 0o2700, group: previous.gid };
      yield* applyMetadata(this.#os, open, staging, rules, undefined);
    } finally {
      yield* this.#os.close(open);
    }
  }

  /** Writes one entry, unless its existing version stays. */
  write(relative: string, source: Source): Steps<void> {
    return this.#entries!.write(relative, source);
  }

  /**
   * Completes the new version, and syncs it as the durability says. `carries` is false for a version that
   * is moved into X entry by entry, where everything else stays.
   */
  *seal(carries: boolean = true): Steps<SealedDir> {
    const os = this.#os;
    const { durability, signal, mode } = this.settings;
    const paths = this.#paths!;
    const target = this.#target!;
    if ((yield* lstatOrUndefined(os, paths.staging)) === undefined) {
      const why = "its staging directory is gone: somebody removed it";
      throw new RefusedError("ENOENT", paths.staging, why);
    }
    const wholeFs = durability === "none" ? undefined : yield* os.openFs(paths.staging);
    try {
      const sync = durability !== "none" && wholeFs === undefined;
      const carry = startCarrying(paths, target.stat?.dev ?? 0, this.settings);
      const { dirs, files } = this.#isHandedOut || sync
        ? yield* walkStage(os, paths.staging, sync, this.#entries!.synced, signal)
        : this.#entries!.contents;
      let written = files;
      if (target.stat !== undefined) {
        written -= yield* removeStagedWriteOnce(os, this.settings, paths);
        if (carries) yield* carryOver(os, carry);
      }
      yield* finishDirs(os, carry, dirs, { old: target.stat, mode }, sync);
      if (sync) yield* this.#syncClaim(carries);
      if (wholeFs !== undefined) yield* os.syncFs(wholeFs);
      return { target, paths, carry, written };
    } finally {
      if (wholeFs !== undefined) yield* os.closeFs(wholeFs);
    }
  }

  /** Syncs new directories above, and, where a version is moved, the lock file, which claims it. */
  *#syncClaim(moves: boolean): Steps<void> {
    const os = this.#os;
    for (const parent of this.#newParents.parents) yield* syncDir(os, parent);
    if (!moves || !this.hasPrevious) return;
    // Recovery must be able to read the full name of a target whose name was shortened.
    if (this.#lock?.handle !== undefined) yield* os.fsync(this.#lock.handle, this.#lock.path);
    yield* syncDir(os, this.#target!.dir);
  }

  /** Ends the stage once its version is in place; a failure becomes a warning. */
  *close(warnings: string[]): Steps<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    this.leave();
    yield* releaseQuietly(this.#os, lock, warnings);
  }

  /** Leaves the staged version where it is: it is published, or recovery will decide. */
  leave(): void {
    this.#isMade = false;
    this.#newParents.made = [];
  }

  /** Removes everything that was staged, and gives the lock back whatever happens. */
  *discard(): Steps<void> {
    // Forgotten first, so that a second call does nothing.
    const [isMade, lock] = [this.#isMade, this.#lock];
    this.#isMade = false;
    this.#lock = undefined;
    try {
      // A transaction removes its parts itself.
      if (isMade && this.#part === undefined) {
        yield* trash(this.#os, this.#target!.dir, this.#paths!.staging);
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
    } finally {
      try {
        if (lock !== undefined) yield* releaseLock(this.#os, lock);
      } finally {
        yield* removeDirs(this.#os, this.#newParents);
      }
    }
  }
}
