/**
 * Walks directories, finds leftovers of crashes by their names (leftovers.ts), and recovers each target as
 * decide.ts plans, or only reports that. A target is touched under its lock only. The failure of one target
 * does not stop the others. A name that is not Untorn's is never touched.
 *
 * A leftover is skipped if
 *
 *   - a process holds its lock or works on it, or this runtime can't find that out;
 *   - it has no lock, and is younger than `minAge`: its writer may still be alive;
 *   - no lock file claims it, and `claimedOnly` is set;
 *   - a transaction of a directory above must be completed first;
 *   - a file of the user is in the way of its lock, or at its target's path;
 *   - it is quarantined, or its shortened name can't be resolved (leftovers.ts);
 *   - no version of its target is valid, and this one stays in place (decide.ts).
 */

import { dirname, join } from "node:path";
import { isMissing } from "../core/errors.ts";
import { siblingName } from "../core/names.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Entry, Os, Stat } from "../os/port.ts";
import { canClaim, claim, unclaim } from "../fs/claim.ts";
import { reasonOf } from "../fs/failure.ts";
import { type SwapPaths, swapPaths } from "../fs/swap.ts";
import { syncDir } from "../fs/sync.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { trashClaimed } from "../fs/trash.ts";
import { rollForward } from "../journal/roll_forward.ts";
import { acquireLock, inspectLock, type LockState, releaseLock } from "../lock/lock_file.ts";
import type { CleanupSettings } from "./cleanup_options.ts";
import { isOld, planRecovery } from "./decide.ts";
import { findLeftovers } from "./leftovers.ts";
import { applyAction, askValid, findVersions } from "./recover_dir.ts";
import { type CleanupReport, ReportBuilder } from "./report.ts";

/** A directory with something beside it, and its lock. */
interface Target {
  dir: string;
  name: string;
  paths: SwapPaths;
  lockPath: string;
  lock: LockState;
}

/** The list of the report for each action. */
const LISTS = {
  "restore": "restored",
  "trash": "removed",
  "archive": "removed",
  "quarantine": "quarantined",
  "keep": "skipped",
} as const;

const IS_LIVE = "another process is working on it";
const MAY_LIVE = "it is younger than minAge: its writer may still be alive";
const UNCLAIMED = "no lock file claims it";

/** One cleanup. */
export class Sweep {
  readonly #os: Os;
  readonly #settings: CleanupSettings;
  readonly #acts: boolean;
  readonly #findings: ReportBuilder = new ReportBuilder();
  /** Why versions failed validation, by path. */
  readonly #invalid = new Map<string, string>();
  /** Abandoned transactions that were, or would be, completed. */
  readonly #completed = new Set<string>();
  /** The present directory: restored versions, and whether any version was renamed. */
  #restored: string[] = [];
  #hasRenamed = false;

  /** `acts`: whether to take the actions, rather than only report them. */
  constructor(os: Os, settings: CleanupSettings, acts: boolean) {
    this.#os = os;
    this.#settings = settings;
    this.#acts = acts;
  }

  /** Cleans up a directory, and those below it if `recursive` is set. */
  *run(root: string): Steps<CleanupReport> {
    const { recursive, signal, onProgress } = this.#settings;
    const left = [root];
    for (let directories = 1; left.length > 0; directories++) {
      signal?.throwIfAborted();
      const dir = left.pop()!;
      const entries = dir === root ? yield* this.#os.readdir(dir) : yield* this.#list(dir);
      const below = yield* this.#directory(dir, entries);
      onProgress?.({ directories, path: dir });
      if (recursive) left.push(...below);
    }
    return this.#findings.report;
  }

  /** Lists a directory below the root; a failure is reported. */
  *#list(dir: string): Steps<Entry[]> {
    try {
      // Another process may have put a link in its place.
      if ((yield* this.#os.lstat(dir)).kind !== "directory") return [];
      return yield* this.#os.readdir(dir);
    } catch (error) {
      // A runtime shows a name that is not UTF-8 with U+FFFD in it, under which nothing is found.
      if (!isMissing(error) || !dir.includes("\ufffd")) this.#findings.fail(error, dir);
      else this.#findings.note("failed", dir, undefined, "its name is not UTF-8; rename it");
      return [];
    }
  }

  /** Cleans up one directory; returns the directories in it, restored ones included. */
  *#directory(dir: string, entries: Entry[]): Steps<string[]> {
    const { targets, stagedFiles, trash, uncommitted, committed, skipped, subdirs } =
      yield* findLeftovers(this.#os, dir, entries, this.#settings);
    this.#restored = [];
    this.#hasRenamed = false;
    // First: a committed transaction is older than everything that was made since.
    yield* this.#each(dir, committed, (path) => this.#committed(dir, path));
    yield* this.#each(dir, targets, (_, name) => this.#target(dir, name));
    const files = stagedFiles.keys();
    yield* this.#each(dir, files, (path, name) => this.#file(dir, path, stagedFiles.get(name)));
    yield* this.#each(dir, uncommitted, (path) => this.#trash(dir, path, "it was never committed"));
    yield* this.#attempt(dir, this.#allTrash(dir, trash));
    for (const { name, target, reason } of skipped) {
      this.#findings.note("skipped", inside(dir, name), target && inside(dir, target), reason);
    }
    if (this.#hasRenamed) yield* this.#attempt(dir, syncDir(this.#os, dir));
    return [...subdirs.reverse(), ...this.#restored];
  }

  *#each(
    dir: string,
    names: Iterable<string>,
    clean: (path: string, name: string) => Steps<void>,
  ): Steps<void> {
    for (const name of names) {
      const path = inside(dir, name);
      yield* this.#attempt(path, clean(path, name));
    }
  }

  /** Runs steps; a failure is reported at the path. */
  *#attempt(path: string, steps: Steps<unknown>): Steps<void> {
    this.#settings.signal?.throwIfAborted();
    try {
      yield* steps;
    } catch (error) {
      this.#findings.fail(error, path);
    }
  }

  /** Completes a committed transaction of a process that has ended. */
  *#committed(dir: string, path: string): Steps<void> {
    const os = this.#os;
    const stat = yield* lstatOrUndefined(os, path);
    if (stat?.kind !== "directory") return;
    const skip = (reason: string): void => this.#findings.note("skipped", path, dir, reason, true);
    if (!(yield* canClaim(os, path)) && !this.#isOld(stat)) return skip(MAY_LIVE);
    if (this.#acts) {
      try {
        const ending = yield* rollForward(os, dir, path);
        if (ending === "another's") return skip(IS_LIVE);
        if (ending === "gone") return;
      } catch (error) {
        // A file that it needs is missing.
        if (!isMissing(error)) throw error;
        return this.#findings.note("failed", path, dir, reasonOf(error, dir), true);
      }
    } else {
      const claimed = yield* claim(os, path);
      if (claimed === undefined) return skip(IS_LIVE);
      yield* unclaim(os, claimed);
    }
    this.#completed.add(join(path));
    const reason = "its process ended before all changes were in place";
    this.#findings.note("rolledForward", path, dir, reason, true);
  }

  /** Recovers a directory, and removes its lock file. */
  *#target(dir: string, name: string): Steps<void> {
    const paths = swapPaths(dir, name);
    const lockPath = inside(dir, siblingName("lock", name));
    const lock = yield* inspectLock(this.#os, lockPath);
    const target: Target = { dir, name, paths, lockPath, lock };
    const why = (yield* this.#unfinished(target)) ?? (yield* this.#untouchable(target));
    if (why !== undefined) {
      const there = yield* this.#directories(paths);
      if (lock.state !== "none" && lock.state !== "users") there.push(lockPath);
      for (const path of there) {
        this.#findings.note("skipped", path, paths.live, why, lock.claims);
      }
      return;
    }
    const isClean = yield* (this.#acts ? this.#underLock(target) : this.#versions(target));
    if (lock.state !== "free" || !isClean) return;
    const reason = lock.claims ? `its holder, ${lock.holder}, has ended` : "no process holds it";
    this.#findings.note("removed", lockPath, paths.live, reason, lock.claims);
  }

  /** Why a target must wait: the lock of a transaction further up stays until that is completed. */
  *#unfinished({ dir, lock: { transaction } }: Target): Steps<string | undefined> {
    if (transaction === undefined) return undefined;
    if ((yield* lstatOrUndefined(this.#os, inside(dir, transaction))) === undefined) {
      return undefined;
    }
    if (!this.#acts && this.#completed.has(join(dir, transaction))) return undefined;
    const root = yield* this.#os.realpath(inside(dir, dirname(transaction)));
    return `a transaction must be completed first: clean up ${JSON.stringify(root)}`;
  }

  /** Why a target must be left alone, if it must. */
  *#untouchable({ lock, lockPath, paths }: Target): Steps<string | undefined> {
    if (lock.state === "held") return `${lock.holder} holds its lock`;
    if (lock.state === "users") return `${JSON.stringify(lockPath)} is in the way of its lock`;
    if (lock.state === "unknown") return "this runtime can't check whether its lock is held";
    if (this.#settings.claimedOnly && !lock.claims) return UNCLAIMED;
    if (yield* this.#os.canLock()) return undefined;
    for (const path of yield* this.#directories(paths)) {
      const stat = yield* lstatOrUndefined(this.#os, path);
      if (stat !== undefined && !this.#isOld(stat)) return MAY_LIVE;
    }
    return undefined;
  }

  *#directories({ staging, old }: SwapPaths): Steps<string[]> {
    const found: string[] = [];
    for (const path of [staging, old]) {
      if ((yield* lstatOrUndefined(this.#os, path))?.kind === "directory") found.push(path);
    }
    return found;
  }

  *#underLock(target: Target): Steps<boolean> {
    const os = this.#os;
    const { dir, name, lock: { claims } } = target;
    const held = yield* acquireLock(os, dir, name, { wait: 0, signal: this.#settings.signal });
    let isClean = false;
    try {
      isClean = yield* this.#versions(target);
      // A leftover that a power cut brings back must be claimed as well.
      if (isClean && claims) yield* syncDir(os, dir);
      return isClean;
    } finally {
      yield* releaseLock(os, held, !isClean && claims);
    }
  }

  /** Recovers the versions of a directory; returns whether no leftovers remain beside it. */
  *#versions({ paths, lock }: Target): Steps<boolean> {
    const { validate } = this.#settings;
    const ask = (path: string): Steps<boolean> => askValid(validate, path, this.#invalid);
    const { found } = yield* findVersions(this.#os, paths, ask);
    let isClean = true;
    for (const action of planRecovery(found)) {
      const { act, what } = action;
      const path = paths[what];
      let { reason } = action;
      if (this.#invalid.has(path)) reason += ` (${this.#invalid.get(path)})`;
      if (this.#acts) {
        const now = yield* applyAction(this.#os, paths, action);
        if (now !== undefined) reason += `; see ${JSON.stringify(now)}`;
        if (act === "restore") this.#restored.push(paths.live);
        if (act === "restore" || act === "quarantine") this.#hasRenamed = true;
      }
      this.#findings.note(LISTS[act], path, paths.live, reason, lock.claims);
      if (act === "keep" && what !== "live") isClean = false;
    }
    return isClean;
  }

  /** Removes a staged file; `name` is its target's, if its own name shows one. */
  *#file(dir: string, path: string, name: string | undefined): Steps<void> {
    const os = this.#os;
    const stat = yield* lstatOrUndefined(os, path);
    if (stat?.kind !== "file") return;
    const target = name === undefined ? undefined : inside(dir, name);
    const claimed = name !== undefined &&
      (yield* inspectLock(os, inside(dir, siblingName("lock", name)))).claims;
    const note = (list: "skipped" | "removed", reason: string): void =>
      this.#findings.note(list, path, target, reason, claimed);
    if (this.#settings.claimedOnly && !claimed) return note("skipped", UNCLAIMED);
    if (!this.#isOld(stat)) return note("skipped", MAY_LIVE);
    if (this.#acts) yield* os.unlink(path);
    note("removed", name ? "left by an interrupted write" : "a *.tmp file (legacyTmp)");
  }

  *#allTrash(dir: string, names: string[]): Steps<void> {
    // A power cut may bring back its former name, under which its content may be needed.
    if (this.#acts && names.length > 0) yield* syncDir(this.#os, dir);
    yield* this.#each(dir, names, (path) => this.#trash(dir, path, "its deletion was interrupted"));
  }

  *#trash(dir: string, path: string, reason: string): Steps<void> {
    const os = this.#os;
    const stat = yield* lstatOrUndefined(os, path);
    if (stat?.kind !== "directory") return;
    const skip = (reason: string): void => this.#findings.note("skipped", path, undefined, reason);
    if (this.#settings.claimedOnly) return skip(UNCLAIMED);
    const claimed = yield* claim(os, path);
    if (claimed === undefined) return skip(IS_LIVE);
    try {
      if (!(yield* canClaim(os, path)) && !this.#isOld(stat)) return skip(MAY_LIVE);
      // Renamed first: a mount point can't be renamed.
      if (this.#acts) yield* trashClaimed(os, dir, path);
    } finally {
      yield* unclaim(os, claimed);
    }
    this.#findings.note("removed", path, undefined, reason);
  }

  #isOld({ mtime, ctime }: Stat): boolean {
    return isOld(Date.now() - Math.max(mtime, ctime), this.#settings.minAge);
  }
}
