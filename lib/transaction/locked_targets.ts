/**
 * The directories that a transaction removes or renames: each under its lock until the transaction's end,
 * and after what a crash left beside it was recovered, which would bring it back otherwise.
 */

import { relative } from "node:path";
import type { TransactionSettings } from "./transaction_options.ts";
import { acquireLock, type HeldLock, releaseLock } from "../lock/lock_file.ts";
import { journalName } from "../core/names.ts";
import { caught, type OsError } from "../core/errors.ts";
import type { Os, Stat } from "../os/port.ts";
import { inside, split } from "../core/paths.ts";
import { findVersions, recoverDir } from "../recovery/recover_dir.ts";
import { settle, type Steps } from "../core/steps.ts";
import { type SwapPaths, swapPaths } from "../fs/swap.ts";
import { look } from "../fs/target.ts";

/** The locks that are held, and what was met when they were taken. */
export class HeldTargets {
  readonly #os: Os;
  readonly #settings: TransactionSettings;
  readonly #locks: HeldLock[] = [];
  /** What the user should know. */
  readonly warnings: string[] = [];

  constructor(os: Os, settings: TransactionSettings) {
    this.#os = os;
    this.#settings = settings;
  }

  /**
   * Takes the lock of a directory, or of one that is missing since a swap of it was cut off, and recovers
   * it; returns what is there then. `committed` is where the transaction will be.
   */
  *hold(path: string, stat: Stat | undefined, committed: string): Steps<Stat | undefined> {
    const { dir, name } = split(path);
    const paths = swapPaths(dir, name);
    const isConcerned = stat === undefined
      ? yield* this.#isCutOff(dir, name, paths)
      : stat.kind === "directory";
    if (!isConcerned) return stat;
    const { lock } = this.#settings;
    if (lock) {
      const transaction = relative(dir, committed);
      this.#locks.push(yield* acquireLock(this.#os, dir, name, this.#settings, transaction));
    }
    this.warnings.push(...yield* recoverDir(this.#os, dir, name, paths, this.#settings));
    return yield* look(this.#os, path);
  }

  *#isCutOff(dir: string, name: string, paths: SwapPaths): Steps<boolean> {
    const { staging, old } = yield* findVersions(this.#os, paths, () => settle(true));
    return staging || old !== "missing" ||
      (yield* look(this.#os, inside(dir, journalName(name)))) !== undefined;
  }

  /** Gives all locks back; returns the first error. */
  *release(): Steps<OsError | undefined> {
    let error: OsError | undefined;
    for (const lock of this.#locks.splice(0)) {
      const failed = yield* caught(releaseLock(this.#os, lock));
      error ??= failed;
    }
    return error;
  }
}
