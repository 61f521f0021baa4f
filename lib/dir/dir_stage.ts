/**
 * The stage of one directory X, all of it under the lock of X:
 *
 *     lock X → recover X → make .staging-X → write → seal: carry over, sync all of it and the parent
 *
 *     new ──open──▶ open ──seal──▶ sealed ──▶ published (publish.ts), or committed by a transaction
 *                    └──────discard───┴─────▶ discarded
 *
 * A discarded stage leaves X as it was, and nothing beside it.
 */

import { relative } from "node:path";
import { isMissing, OsError, RefusedError } from "../core/errors.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os, Stat } from "../os/port.ts";
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
import type { Source } from "../stage/content.ts";
import { type HeldLock, releaseLock, releaseQuietly } from "../lock/lock_file.ts";
import { lockAndRecover } from "../recovery/recover_dir.ts";
import { CarryOver } from "./carry_over.ts";
import type { DirSettings } from "./dir_options.ts";
import { EntryWriter, removeStagedWriteOnce } from "./entry_writer.ts";

/** A new version that is complete, and synced as its durability asks for. */
export interface SealedDir {
  /** X, with its present version. */
  target: Target;
  paths: SwapPaths;
  carry: CarryOver;
  /** The number of entries that were written. */
  written: number;
}

/** A staged version of a directory. */
export class DirStage {
  protected readonly os: Os;
  protected readonly given: string;
  readonly settings: DirSettings;
  readonly warnings: string[] = [];
  readonly #part: Part | undefined;
  readonly #newParents: NewDirs = { made: [], parents: [] };
  #target: Target | undefined;
  #paths: SwapPaths | undefined;
  #lock: HeldLock | undefined;
  #entries: EntryWriter | undefined;
  #isMade = false;
  #isHandedOut = false;

  /** `part` is for a directory that is staged as a part of a transaction. */
  constructor(os: Os, given: string, settings: DirSettings, part?: Part) {
    this.os = os;
    this.given = given;
    this.settings = settings;
    this.#part = part;
  }

  *open(): Steps<void> {
    yield* this.prepare();
    yield* this.make();
  }

  /**
   * Finds, locks and recovers X. Returns the directory above it, and its file system; a transaction makes a
   * missing one at its commit, and until then no other process can lock or persist X.
   */
  protected *prepare(): Steps<{ dir: string; dev: number | undefined }> {
    const { os, settings } = this;
    settings.signal?.throwIfAborted();
    const target = this.#target = yield* locateDir(os, this.given);
    const { dir, name, path } = target;
    const above = inside(dir, ".");
    let dev = (yield* lstatOrUndefined(os, above))?.dev;
    if (dev !== undefined) expectDirectory(path, target.stat, dev);
    else if (this.#part === undefined) {
      if (!settings.createParents) throw new OsError("ENOENT", "lstat", path);
      yield* makeDirs(os, dir, this.#newParents);
      dev = (yield* os.lstat(above)).dev;
    }
    this.#paths = { ...swapPaths(dir, name), live: path };
    if (dev === undefined) return { dir, dev };
    // Before anything is staged: leftovers may include the last good version.
    const transaction = this.#part && relative(dir, this.#part.committed);
    const options = { transaction, refusesFiles: true };
    const { lock, live, warnings } = yield* lockAndRecover(os, this.#paths, settings, options);
    this.#lock = lock;
    this.warnings.push(...warnings);
    // The previous holder may have replaced it. A link there is not followed again.
    this.#target = { ...target, stat: live };
    expectDirectory(path, live, dev);
    return { dir, dev };
  }

  /** Makes the staging directory. */
  protected *make(): Steps<void> {
    const { os, settings } = this;
    const paths = this.#paths!;
    if (this.#part !== undefined) paths.staging = inside(this.#part.staged, this.#part.name);
    const { stat } = this.#target!;
    const mode = settings.mode ?? stat?.mode;
    yield* os.mkdir(paths.staging, mode === undefined ? 0o777 : narrow(mode) | 0o700);
    this.#isMade = true;
    if (groupFor(stat) !== undefined) yield* this.#inheritGroup(stat!);
    this.#entries = new EntryWriter(os, settings, paths.staging, stat && paths.live);
  }

  /** Gives the staging directory the previous set-group-id bit and group, which its entries inherit. */
  *#inheritGroup(previous: Stat): Steps<void> {
    const { staging } = this.#paths!;
    const open = yield* this.os.openDir(staging);
    if (open === undefined) return;
    try {
      const rules = { ...ENTRY_RULES, mode: narrow(previous.mode) | 0o2700, group: previous.gid };
      yield* applyMetadata(this.os, open, staging, rules, undefined);
    } finally {
      yield* this.os.close(open);
    }
  }

  /** The staging directory; once a caller has it, any program may fill it. */
  get path(): string {
    this.#isHandedOut = true;
    return this.#paths!.staging;
  }

  /** Whether X exists. */
  protected get hasPrevious(): boolean {
    return this.#target?.stat !== undefined;
  }

  /** The path for an error that names none. */
  protected get pathOfErrors(): string {
    return this.#isMade ? this.#paths!.staging : this.#target?.path ?? this.given;
  }

  /** Writes one entry, unless `writeOnce` protects the existing one. */
  write(relative: string, source: Source): Steps<void> {
    return this.#entries!.write(relative, source);
  }

  /**
   * Completes the new version, and syncs it as its durability asks for. `carries` is false if the
   * entries will be moved into X itself, which keeps its other entries.
   */
  *seal(carries: boolean = true): Steps<SealedDir> {
    const { os, settings } = this;
    const { durability, signal, mode } = settings;
    const paths = this.#paths!;
    const target = this.#target!;
    if ((yield* lstatOrUndefined(os, paths.staging)) === undefined) {
      const why = "its staging directory is gone: another program removed it";
      throw new RefusedError("ENOENT", paths.staging, why);
    }
    const wholeFs = durability === "none" ? undefined : yield* os.openFs(paths.staging);
    try {
      const sync = durability !== "none" && wholeFs === undefined;
      const carry = new CarryOver(os, paths, settings, target.stat);
      const { dirs, files } = this.#isHandedOut || sync
        ? yield* walkStage(os, paths.staging, sync, this.#entries!.synced, signal)
        : this.#entries!.contents;
      let written = files;
      if (target.stat !== undefined) {
        written -= yield* removeStagedWriteOnce(os, settings, paths);
        if (carries) yield* carry.carry();
      }
      yield* carry.finishDirs(dirs, mode, sync);
      if (sync) yield* this.#syncClaim(carries);
      if (wholeFs !== undefined) yield* os.syncFs(wholeFs);
      return { target, paths, carry, written };
    } finally {
      if (wholeFs !== undefined) yield* os.closeFs(wholeFs);
    }
  }

  /** Syncs new directories above X, and the lock file, which claims the leftovers of a swap. */
  *#syncClaim(swaps: boolean): Steps<void> {
    for (const parent of this.#newParents.parents) yield* syncDir(this.os, parent);
    if (!swaps || !this.hasPrevious) return;
    // Recovery reads the full name of X in it, if the names beside X are shortened.
    if (this.#lock?.handle !== undefined) yield* this.os.fsync(this.#lock.handle, this.#lock.path);
    yield* syncDir(this.os, this.#target!.dir);
  }

  /** Ends the stage once its version is in place; a failure becomes a warning. */
  *close(warnings: string[]): Steps<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    this.leave();
    yield* releaseQuietly(this.os, lock, warnings);
  }

  /** Leaves the staged version where it is: it is published, or recovery will decide. */
  leave(): void {
    this.#isMade = false;
    this.#newParents.made = [];
  }

  /** Removes everything that was staged, and releases the lock even if that fails; once. */
  *discard(): Steps<void> {
    const [isMade, lock] = [this.#isMade, this.#lock];
    this.#isMade = false;
    this.#lock = undefined;
    try {
      // A transaction removes its parts itself.
      if (isMade && this.#part === undefined) {
        yield* trash(this.os, this.#target!.dir, this.#paths!.staging);
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
    } finally {
      try {
        if (lock !== undefined) yield* releaseLock(this.os, lock);
      } finally {
        yield* removeDirs(this.os, this.#newParents);
      }
    }
  }
}
