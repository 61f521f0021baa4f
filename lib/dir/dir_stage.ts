/**
 * The protocol of one directory X, the only place that knows it; all of it under the lock of X:
 *
 *     recover X → make .staging-X → write → carry over → sync all of it and the directory above → swap →
 *     move the previous version away → sync the directory above → rescue late changes → empty it
 *
 * A reader of X sees the old version or the new one. Whatever fails before the swap leaves X as it was;
 * what fails afterwards is told in the result, and is no failure, except for the second sync.
 */

import { relative } from "node:path";
import { type CarryOver, carryOver, finishDirs, startCarrying } from "./carry_over.ts";
import type { Source } from "../stage/content.ts";
import type { DirSettings, PersistResult } from "./dir_options.ts";
import { syncDir, walkStage } from "../fs/sync.ts";
import { dropKept, EntryWriter } from "./entry_writer.ts";
import { describe } from "../fs/failure.ts";
import { isMissing, OsError, type Outcome, Refusal } from "../core/errors.ts";
import { persistInPlace } from "./replace_in_place.ts";
import { acquireLock, type HeldLock, releaseLock } from "../lock/lock_file.ts";
import { narrow } from "../fs/metadata.ts";
import type { Os } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { dispose } from "./previous.ts";
import { type Mark, markOf, type Part } from "../journal/record.ts";
import { expectNoFiles, recoverDir } from "../recovery/recover_dir.ts";
import { oldOf } from "../journal/apply.ts";
import type { Steps } from "../core/steps.ts";
import {
  chooseSwap,
  type Swap,
  swapAndTell,
  type SwapChoice,
  type SwapPaths,
  swapPaths,
} from "../fs/swap.ts";
import {
  expectDirectory,
  locateDir,
  look,
  makeDirs,
  type NewDirs,
  removeDirs,
  type Target,
} from "../fs/target.ts";
import { trash } from "../fs/trash.ts";

/** A directory's new version on its way: open, write, then commit or fail or discard. */
export class DirStage {
  readonly #os: Os;
  readonly #given: string;
  readonly #settings: DirSettings;
  readonly #part: Part | undefined;
  readonly #newParents: NewDirs = { made: [], parents: [] };
  #target: Target | undefined;
  #lock: HeldLock | undefined;
  #paths: SwapPaths | undefined;
  #hasParent = true;
  #staged = false;
  #handedOut = false;
  #choice: SwapChoice | undefined;
  #warnings: string[] = [];
  #outcome: Outcome = "unchanged";
  #entries: EntryWriter | undefined;
  #carry: CarryOver | undefined;
  #written = 0;

  constructor(os: Os, given: string, settings: DirSettings, part?: Part) {
    this.#os = os;
    this.#given = given;
    this.#settings = settings;
    this.#part = part;
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
    const transaction = this.#part && relative(dir, this.#part.committed);
    if (settings.lock && this.#hasParent) {
      this.#lock = yield* acquireLock(os, dir, name, settings, transaction);
    }
    this.#paths = { ...swapPaths(dir, name), live: this.#target!.path };
    if (this.#hasParent) yield* this.#recover();
    if (this.#part !== undefined) {
      this.#paths.staging = inside(this.#part.staged, this.#part.name);
    }
    const { stat } = this.#target!;
    const mode = settings.mode ?? stat?.mode;
    yield* os.mkdir(this.#paths.staging, mode === undefined ? 0o777 : narrow(mode) | 0o700);
    this.#staged = true;
    const present = stat === undefined ? undefined : this.#paths.live;
    this.#entries = new EntryWriter(os, settings, this.#paths.staging, present);
  }

  /** Finishes or undoes what a crash left, and looks at what there is then. */
  *#recover(): Steps<void> {
    const os = this.#os;
    const settings = this.#settings;
    const { dir, name } = this.#target!;
    const paths = this.#paths!;
    yield* expectNoFiles(os, paths);
    // First: a writer that deletes what it finds is how the last good version gets lost.
    this.#warnings = yield* recoverDir(os, dir, name, paths, settings);
    // Whoever had the lock before may have put something else there; a link is not followed again.
    const stat = yield* look(os, paths.live);
    this.#target = { ...this.#target!, stat };
    yield* expectDirectory(os, this.#target);
    if (this.#part !== undefined) return;
    const dev = stat?.dev ?? (yield* os.lstat(inside(dir, "."))).dev;
    const wanted = settings.swap === "journal" ? "rename" : settings.swap;
    this.#choice = yield* chooseSwap(os, dir, dev, wanted);
  }

  /** Writes one entry, unless its existing version stays. */
  write(relative: string, source: Source): Steps<void> {
    return this.#entries!.write(relative, source);
  }

  /** Makes what was staged the new version. */
  *commit(): Steps<PersistResult> {
    const os = this.#os;
    const { durability, signal, swap: wanted } = this.#settings;
    const { stat } = this.#target!;
    const inPlace = wanted === "journal" && stat !== undefined;
    const carry = yield* this.#prepare(!inPlace);
    signal?.throwIfAborted();
    const told = (outcome: Outcome): void => void (this.#outcome = outcome);
    if (inPlace) {
      const moved = (path: string): void => void (this.#paths = { ...this.#paths!, staging: path });
      const end = yield* persistInPlace(os, carry, stat, this.#settings, { outcome: told, moved });
      if (end.left !== undefined) {
        this.#warnings.push(
          `${JSON.stringify(end.left)} could not be deleted: a cleanup tries again`,
        );
      }
      return yield* this.#end("journal", end.durable);
    }
    const swap: Swap = yield* swapAndTell(os, this.#paths!, this.#choice!, stat, told);
    // The previous version's name means something until it is moved away, after two renames the last good one.
    const sync = durability === "full" || durability === "file" && swap === "rename";
    return yield* this.#end(swap, sync ? undefined : false);
  }

  /** Makes what was staged whole, to be swapped in by a transaction; returns what the record needs. */
  *handOver(): Steps<{ ino: number; before: Mark | null }> {
    yield* this.#prepare(true);
    const { ino } = yield* this.#os.lstat(this.#paths!.staging);
    return { ino, before: markOf(this.#target!.stat) };
  }

  /** What is left to do once a transaction has swapped it in; it is in place whatever happens. */
  *swapped(durable: boolean): Steps<PersistResult> {
    this.#outcome = "replaced";
    const { committed, name } = this.#part!;
    const staging = inside(committed, name);
    const old = oldOf(staging);
    this.#paths = { ...this.#paths!, staging, old };
    const renamed = (yield* look(this.#os, old)) !== undefined;
    const exchanged = !renamed && (yield* look(this.#os, staging)) !== undefined;
    return yield* this.#end(exchanged ? "exchange" : renamed ? "rename" : "create", durable);
  }

  /** Makes what was staged whole, with what is carried over unless all of that stays where it is. */
  *#prepare(carries: boolean): Steps<CarryOver> {
    const os = this.#os;
    const { durability, signal } = this.#settings;
    const { staging } = this.#paths!;
    const { stat } = this.#target!;
    if ((yield* look(os, staging)) === undefined) {
      throw new Refusal("ENOENT", staging, "its staging directory is gone: somebody removed it");
    }
    const wholeFs = durability === "none" ? undefined : yield* os.openFs(staging);
    const carry = this.#carry = startCarrying(this.#paths!, stat?.dev ?? 0, this.#settings);
    try {
      const sync = durability !== "none" && wholeFs === undefined;
      const { dirs, files } = this.#handedOut || sync
        ? yield* walkStage(os, staging, sync, this.#entries!.synced, signal)
        : this.#entries!.contents;
      this.#written = files;
      if (stat !== undefined) {
        this.#written -= yield* dropKept(os, this.#settings, this.#paths!);
        if (carries) yield* carryOver(os, carry);
      }
      yield* finishDirs(os, carry, dirs, { old: stat, mode: this.#settings.mode }, sync);
      if (sync) yield* this.#syncClaim(carries);
      if (wholeFs !== undefined) yield* os.syncFs(wholeFs);
      return carry;
    } finally {
      if (wholeFs !== undefined) yield* os.closeFs(wholeFs);
    }
  }

  /** The new version is in place: only its sync can fail, unless it is known whether it is `durable`. */
  *#end(swap: Swap, durable: boolean | undefined): Steps<PersistResult> {
    const { durability, keep } = this.#settings;
    const { staging, old } = this.#paths!;
    this.#newParents.made = [];
    this.#staged = false;
    const result: PersistResult = {
      path: this.#given,
      swap,
      written: this.#written,
      carried: this.#carry!.carried,
      rescued: [],
      durability,
      warnings: this.#warnings,
    };
    if (swap === "exchange" || swap === "rename") {
      const previous = swap === "exchange" ? staging : old;
      const how = { keep, sync: durable === undefined };
      const isSynced = yield* dispose(this.#os, previous, this.#paths!, this.#carry!, how, result);
      durable ??= isSynced;
    }
    durable ??= yield* syncDir(this.#os, this.#target!.dir);
    if (durability === "full" && !durable) result.durability = "file";
    yield* this.#unlock(result.warnings);
    return result;
  }

  /** Removes everything that was staged, and gives the lock back whatever happens. */
  *discard(): Steps<void> {
    // Forgotten first: what is under way once must not be done twice.
    const [staged, lock] = [this.#staged, this.#lock];
    this.#staged = false;
    this.#lock = undefined;
    try {
      // What a transaction stages goes with it.
      if (staged && this.#part === undefined) {
        yield* trash(this.#os, this.#target!.dir, this.#paths!.staging);
      }
    } catch (error) {
      // Gone by another's hand is gone as well.
      if (!isMissing(error)) throw error;
    } finally {
      try {
        if (lock !== undefined) yield* releaseLock(this.#os, lock);
      } finally {
        yield* removeDirs(this.#os, this.#newParents);
      }
    }
  }

  /** Gives the lock back; what is staged is another's to put in place. */
  *leave(): Steps<void> {
    this.#staged = false;
    this.#newParents.made = [];
    yield* this.discard();
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
    const target = this.#target = yield* locateDir(os, this.#given);
    if ((yield* look(os, inside(target.dir, "."))) !== undefined) {
      return yield* expectDirectory(os, target);
    }
    // A transaction makes them when it is committed; until then nobody can lock or persist there.
    this.#hasParent = this.#part === undefined;
    if (!this.#hasParent) return;
    if (!createParents) throw new OsError("ENOENT", "lstat", target.path);
    yield* makeDirs(os, target.dir, this.#newParents);
  }

  /** Syncs new directories above, and, where a version is moved, the lock file, which claims it. */
  *#syncClaim(moves: boolean): Steps<void> {
    const os = this.#os;
    for (const parent of this.#newParents.parents) yield* syncDir(os, parent);
    if (!moves || this.#target!.stat === undefined) return;
    // Who finds something at a shortened name must be able to read the full one.
    if (this.#lock?.handle !== undefined) yield* os.fsync(this.#lock.handle, this.#lock.path);
    yield* syncDir(os, this.#target!.dir);
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
