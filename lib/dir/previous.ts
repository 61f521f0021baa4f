/**
 * The previous version of a directory, once the new one is in its place:
 *
 *     move away → sync the parent → rescue late changes, and empty it → remove it, or keep it in the history
 *
 * Only the sync may fail; every other failure becomes a warning. A previous version that may hold the only copy
 * of something is quarantined.
 */

import { basename, dirname } from "node:path";
import { catchOsError } from "../core/errors.ts";
import { newToken, quarantineName, stagedFileName, trashName } from "../core/names.ts";
import { inside, parentsOf, split } from "../core/paths.ts";
import { parallel, type Steps, waitFor } from "../core/steps.ts";
import type { Entry, Os, Stat } from "../os/port.ts";
import { type Claim, claim, unclaim } from "../fs/claim.ts";
import { addVersion, prune } from "../fs/history.ts";
import type { SwapPaths } from "../fs/swap.ts";
import { syncDir } from "../fs/sync.ts";
import { lstatEntry, lstatOrUndefined } from "../fs/target.ts";
import { makeWritable } from "../fs/trash.ts";
import type { CarryOver } from "./carry_over.ts";

/** A previous version, to be retired. */
export class PreviousVersion {
  readonly #os: Os;
  readonly #paths: SwapPaths;
  readonly #carry: CarryOver;
  readonly #keep: number;
  readonly #dir: string;
  /** Where it is now. */
  #path: string;
  #claimed: Claim | undefined;
  /** Late changes that were rescued into the live version, by relative path. */
  readonly rescued: string[] = [];
  /** Conflicts: entries that changed in both versions. The live entry stays, and the previous version is kept. */
  readonly #conflicts = new Set<string>();
  readonly warnings: string[] = [];

  constructor(os: Os, path: string, paths: SwapPaths, carry: CarryOver, keep: number) {
    this.#os = os;
    this.#path = path;
    this.#paths = paths;
    this.#carry = carry;
    this.#keep = keep;
    this.#dir = dirname(paths.live);
  }

  /** Retires it; returns whether the removal of its old name, and the swap before, were synced. */
  *retire(sync: boolean): Steps<boolean> {
    try {
      const hasMoved = yield* this.#attempt(this.#moveAway());
      const isSynced = sync && (yield* syncDir(this.#os, this.#dir));
      if (hasMoved) yield* this.#attempt(this.#empty());
      return isSynced;
    } finally {
      yield* unclaim(this.#os, this.#claimed);
    }
  }

  *#attempt(steps: Steps<void>): Steps<boolean> {
    try {
      yield* steps;
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      yield* this.#quarantine(`the previous version was not removed (${why})`);
      return false;
    }
  }

  /** Gives it a name that no cleanup removes; a version in the history has such a name already. */
  *#quarantine(why: string): Steps<void> {
    const { name } = split(this.#paths.live);
    const to = inside(this.#dir, quarantineName(name, newToken()));
    const stays = this.#keep > 0 || (yield* catchOsError(this.#os.rename(this.#path, to)));
    this.warnings.push(`${why}: see ${JSON.stringify(stays ? this.#path : to)}`);
  }

  *#moveAway(): Steps<void> {
    const { history } = this.#paths;
    this.#claimed = yield* claim(this.#os, this.#path);
    let to: string;
    if (this.#keep > 0) {
      to = inside(history, `${yield* addVersion(this.#os, history, this.#path)}`);
    } else {
      to = inside(this.#dir, trashName(newToken()));
      yield* this.#os.rename(this.#path, to);
    }
    this.#path = to;
  }

  *#empty(): Steps<void> {
    yield* this.#drain("");
    if (this.#keep > 0) yield* prune(this.#os, this.#dir, this.#paths.history, this.#keep);
    if (this.#conflicts.size === 0) return;
    const both = [...this.#conflicts].map((path) => JSON.stringify(path)).join(", ");
    yield* this.#quarantine(`${both} changed in both versions`);
  }

  /**
   * Rescues late changes below a relative path, and removes the directory there, except for conflicts. A process
   * that had it open before the swap may still create entries in it until it is removed. None of them is lost,
   * since only an empty directory can be removed, and nothing can be created in a removed one. A version in the
   * history is only searched.
   */
  *#drain(below: string): Steps<void> {
    const os = this.#os;
    const conflicts = this.#conflicts;
    const path = below === "" ? this.#path : inside(this.#path, below);
    if (this.#keep === 0) yield* makeWritable(os, path);
    for (;;) {
      const isLeft = ({ name }: Entry): boolean => !conflicts.has(below + name);
      const entries = (yield* os.readdir(path)).filter(isLeft);
      const others = entries.filter(({ kind }) => kind !== "directory").values();
      yield* parallel(() => {
        const { value } = others.next();
        return waitFor(value === undefined ? undefined : this.#drainEntry(below + value.name));
      });
      for (const { name, kind } of entries) {
        if (kind === "directory") yield* this.#drainDir(below + name);
      }
      if (this.#keep > 0) return;
      const error = yield* catchOsError(os.rmdir(path));
      if (error === undefined) return;
      // rename(2) and rmdir(2) name both for a directory that is not empty; xfs takes the second.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
      if (entries.length === 0 && conflicts.size > 0) return;
    }
  }

  *#drainDir(relative: string): Steps<void> {
    const below = relative + "/";
    if (!this.#carry.dirs.has(relative) && !this.#isRefused(relative)) {
      yield* this.#makeDirs(below);
    }
    yield* this.#drain(below);
    if ([...this.#conflicts].some((path) => path.startsWith(below))) this.#conflicts.add(relative);
  }

  *#drainEntry(relative: string): Steps<void> {
    const path = inside(this.#path, relative);
    let bytes: number | undefined;
    if (!this.#carry.managed.has(relative) && !this.#isRefused(relative)) {
      const stat = yield* this.#os.lstat(path);
      if (this.#isLate(relative, stat)) {
        if (!(yield* this.#rescue(relative, stat))) return void this.#conflicts.add(relative);
        this.rescued.push(relative);
      }
      // A file that has another name frees nothing.
      bytes = stat.links > 1 ? 0 : stat.size;
    }
    if (this.#keep === 0) yield* this.#os.unlink(path, bytes);
  }

  /** Whether `carryOver` refused an entry or a directory above it. It is not asked for late entries. */
  #isRefused(relative: string): boolean {
    return [...parentsOf(relative), relative].some((path) => this.#carry.refused.has(path));
  }

  /** Whether an entry differs from what was carried over. */
  #isLate(relative: string, stat: Stat): boolean {
    const copied = this.#carry.copied.get(relative);
    if (copied === undefined) return this.#carry.inodes.get(relative) !== stat.ino;
    return copied.ino !== stat.ino || copied.size !== stat.size ||
      copied.mtime !== stat.mtime || copied.ctime !== stat.ctime;
  }

  /** Brings a late change into the live version; returns false if the entry changed there as well. */
  *#rescue(relative: string, { kind }: Stat): Steps<boolean> {
    const os = this.#os;
    const path = inside(this.#paths.live, relative);
    const there = yield* lstatEntry(os, path);
    if (there?.ino !== this.#carry.inodes.get(relative)) return false;
    const isNew = there === undefined;
    const to = isNew ? path : inside(dirname(path), stagedFileName(basename(path), newToken()));
    if (isNew) yield* this.#makeDirs(relative);
    yield* this.#carry.linkOrCopy(relative, kind, inside(this.#path, relative), to);
    if (!isNew) yield* os.rename(to, path);
    return true;
  }

  /** Makes the directories above an entry that are missing in the live version. */
  *#makeDirs(relative: string): Steps<void> {
    for (const dir of parentsOf(relative)) {
      const path = inside(this.#paths.live, dir);
      if ((yield* lstatOrUndefined(this.#os, path)) === undefined) {
        yield* this.#os.mkdir(path, 0o777);
      }
    }
  }
}
