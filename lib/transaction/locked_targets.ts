/**
 * The directories that a transaction removes or renames: each under its lock until the transaction's end,
 * and after what a crash left beside it was recovered, which would bring it back otherwise.
 */

import { relative } from "node:path";
import { catchOsErrors, type OsError } from "../core/errors.ts";
import { journalName } from "../core/names.ts";
import { inside, split } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { type SwapPaths, swapPaths } from "../fs/swap.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { type HeldLock, releaseLock } from "../lock/lock_file.ts";
import type { Os, Stat } from "../os/port.ts";
import { findVersions, lockAndRecover } from "../recovery/recover_dir.ts";
import type { TransactionSettings } from "./transaction_options.ts";

/** The locks of a transaction's targets. */
export class LockedTargets {
  readonly #os: Os;
  readonly #settings: TransactionSettings;
  readonly #locks: HeldLock[] = [];
  /** Messages of their recovery, for the user. */
  readonly warnings: string[] = [];

  constructor(os: Os, settings: TransactionSettings) {
    this.#os = os;
    this.#settings = settings;
  }

  /**
   * Takes the lock of a directory, or of one that is missing since its swap was cut off, and recovers it; returns
   * the entry that is there then. `committed` is the transaction's directory after the commit.
   */
  *lock(path: string, stat: Stat | undefined, committed: string): Steps<Stat | undefined> {
    const { dir, name } = split(path);
    const paths = swapPaths(dir, name);
    const isConcerned = stat === undefined
      ? yield* this.#isCutOff(dir, name, paths)
      : stat.kind === "directory";
    if (!isConcerned) return stat;
    const transaction = relative(dir, committed);
    const locked = yield* lockAndRecover(this.#os, paths, this.#settings, { transaction });
    if (locked.lock !== undefined) this.#locks.push(locked.lock);
    this.warnings.push(...locked.warnings);
    return locked.live;
  }

  *#isCutOff(dir: string, name: string, paths: SwapPaths): Steps<boolean> {
    const { found: { staging, old } } = yield* findVersions(this.#os, paths);
    return staging || old !== "missing" ||
      (yield* lstatOrUndefined(this.#os, inside(dir, journalName(name)))) !== undefined;
  }

  /** Gives all locks back; returns the first error. */
  release(): Steps<OsError | undefined> {
    return catchOsErrors(this.#locks.splice(0).map((lock) => releaseLock(this.#os, lock)));
  }
}
