/**
 * Goes through directories, finds by name what crashes left, and does with it what `recovery.ts`
 * decides, or only tells it. A target is touched under its lock alone; one that fails does not stop the
 * others; a name that is not Untorn's is never touched.
 */

import { dirname, join } from "node:path";
import type { CleanupSettings } from "./cleanup_options.ts";
import { type CleanupReport, ReportBuilder } from "./report.ts";
import { syncDir } from "../fs/sync.ts";
import { reasonOf } from "../fs/failure.ts";
import { findLeftovers } from "./leftovers.ts";
import { acquireLock, inspectLock, type LockState, releaseLock } from "../lock/lock_file.ts";
import { siblingName } from "../core/names.ts";
import { isMissing } from "../core/errors.ts";
import type { Entry, Os, Stat } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { applyAction, askValid, findVersions } from "./recover_dir.ts";
import { type Action, isOld, planRecovery } from "./decide.ts";
import { rollForward } from "../journal/roll_forward.ts";
import type { Steps } from "../core/steps.ts";
import { type SwapPaths, swapPaths } from "../fs/swap.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { canClaim, claim, unclaim } from "../fs/claim.ts";
import { trashClaimed } from "../fs/trash.ts";

/** Where an action is reported. */
const LISTS = {
  "restore": "restored",
  "trash": "removed",
  "archive": "skipped",
  "set aside": "quarantined",
  "keep": "skipped",
} as const;

/** One cleanup. */
export class Sweep {
  readonly #os: Os;
  readonly #settings: CleanupSettings;
  readonly #acts: boolean;
  /** Why versions failed validation, by path. */
  readonly #invalid = new Map<string, string>();
  readonly #findings: ReportBuilder = new ReportBuilder();
  /** Abandoned transactions that are completed, or would be. */
  readonly #completed = new Set<string>();
  /** Versions of the present directory that were put back, by path, and the number of those set aside. */
  #moved: { back: string[]; aside: number } = { back: [], aside: 0 };

  /** `acts`: whether to do what is decided, rather than only tell it. */
  constructor(os: Os, settings: CleanupSettings, acts: boolean) {
    this.#os = os;
    this.#settings = settings;
    this.#acts = acts;
  }

  /** Cleans up a directory, and those below it if that is wanted. */
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

  /** The entries of a directory below the root; none if it can't be listed, which is reported. */
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

  /** Cleans up one directory; returns those in it, restored ones included. */
  *#directory(dir: string, entries: Entry[]): Steps<string[]> {
    const leftovers = yield* findLeftovers(this.#os, dir, entries, this.#settings);
    this.#moved = { back: [], aside: 0 };
    // First: a transaction is older than what has been made since.
    for (const name of leftovers.transactions.filter((name) => name.startsWith(".commit-"))) {
      yield* this.#attempt(inside(dir, name), this.#committed(dir, inside(dir, name)));
    }
    for (const name of leftovers.targets) {
      yield* this.#attempt(inside(dir, name), this.#target(dir, name));
    }
    for (const { name, target } of leftovers.stagedFiles) {
      yield* this.#attempt(inside(dir, name), this.#stagedFile(dir, name, target));
    }
    for (const name of leftovers.transactions.filter((name) => name.startsWith(".txn-"))) {
      const path = inside(dir, name);
      yield* this.#attempt(path, this.#trash(dir, path, "was not committed"));
    }
    yield* this.#attempt(dir, this.#allTrash(dir, leftovers.trash));
    for (const { name, target, reason } of leftovers.skipped) {
      this.#findings.note("skipped", inside(dir, name), target && inside(dir, target), reason);
    }
    const { back, aside } = this.#moved;
    if (back.length + aside > 0) yield* this.#attempt(dir, syncDir(this.#os, dir));
    return [...leftovers.subdirs.reverse(), ...back];
  }

  *#attempt(path: string, steps: Steps<unknown>): Steps<void> {
    this.#settings.signal?.throwIfAborted();
    try {
      yield* steps;
    } catch (error) {
      this.#findings.fail(error, path);
    }
  }

  /** A directory, and what stands beside it by the names of a swap and of a lock. */
  *#target(dir: string, name: string): Steps<void> {
    const os = this.#os;
    const paths = swapPaths(dir, name);
    const lockPath = inside(dir, siblingName("lock", name));
    const lock = yield* inspectLock(os, lockPath);
    const hands = (yield* this.#unfinished(dir, lock)) ??
      (yield* this.#handsOff(lock, lockPath, paths));
    if (hands !== undefined) {
      const hasLock = lock.state !== "none" && lock.state !== "users";
      const there = [...yield* this.#directories(paths), ...hasLock ? [lockPath] : []];
      for (const path of there) {
        this.#findings.note("skipped", path, paths.live, hands, lock.claims);
      }
      return;
    }
    const isClean = this.#acts
      ? yield* this.#underLock(dir, name, lock, paths)
      : yield* this.#versions(dir, name, lock, paths);
    if (lock.state !== "free" || !isClean) return;
    const reason = lock.claims ? `its holder, ${lock.holder}, has ended` : "nobody holds it";
    this.#findings.note("removed", lockPath, paths.live, reason, lock.claims);
  }

  /** A lock that is left of a transaction further up leads to it, and stays until that is at its end. */
  *#unfinished(dir: string, { transaction }: LockState): Steps<string | undefined> {
    if (transaction === undefined) return undefined;
    if ((yield* lstatOrUndefined(this.#os, inside(dir, transaction))) === undefined) {
      return undefined;
    }
    if (!this.#acts && this.#completed.has(join(dir, transaction))) return undefined;
    const root = yield* this.#os.realpath(inside(dir, dirname(transaction)));
    return `a transaction is to be brought to its end first: clean up ${JSON.stringify(root)}`;
  }

  /** Why what is beside a target must be left alone, if it must. */
  *#handsOff(lock: LockState, path: string, paths: SwapPaths): Steps<string | undefined> {
    const { claimedOnly } = this.#settings;
    if (lock.state === "held") return `${lock.holder} holds its lock`;
    if (lock.state === "users") return `${JSON.stringify(path)} is in the way of its lock`;
    if (lock.state === "unknown") return "this runtime can't tell whether its lock is held";
    if (claimedOnly && !lock.claims) return "no lock file claims it";
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

  *#underLock(dir: string, name: string, lock: LockState, paths: SwapPaths): Steps<boolean> {
    const os = this.#os;
    const held = yield* acquireLock(os, dir, name, { wait: 0, signal: this.#settings.signal });
    let isClean = false;
    try {
      isClean = yield* this.#versions(dir, name, lock, paths);
      // What a power cut brings back must be claimed as well.
      if (isClean && lock.claims) yield* syncDir(os, dir);
      return isClean;
    } finally {
      // What stays is still claimed, if it was.
      if (isClean || !lock.claims) yield* releaseLock(os, held);
      else if (held.handle !== undefined) yield* os.close(held.handle);
    }
  }

  /** Decides on the versions of a directory, and acts; whether nothing of a crash is beside it then. */
  *#versions(dir: string, name: string, lock: LockState, paths: SwapPaths): Steps<boolean> {
    let isClean = true;
    const { found } = yield* findVersions(
      this.#os,
      paths,
      (path) => askValid(this.#settings.validate, path, this.#invalid),
    );
    for (const action of planRecovery(found)) {
      const path = action.what === "target" ? paths.live : paths[action.what];
      let now: string | undefined;
      if (this.#acts) {
        now = yield* applyAction(this.#os, { dir, name }, paths, action);
        if (action.act === "restore") this.#moved.back.push(paths.live);
        if (action.act === "set aside") this.#moved.aside++;
      }
      const reason = this.#why(action, path, now);
      this.#findings.note(LISTS[action.act], path, paths.live, reason, lock.claims);
      if (action.act === "keep" && action.what !== "target") isClean = false;
    }
    return isClean;
  }

  #why({ act, reason }: Action, path: string, now: string | undefined): string {
    const error = this.#invalid.get(path);
    const where = (act === "set aside" || act === "archive") && now !== undefined
      ? `; see ${JSON.stringify(now)}`
      : "";
    return reason + (error === undefined ? "" : ` (${error})`) + where;
  }

  *#stagedFile(dir: string, name: string, of: string | undefined): Steps<void> {
    const os = this.#os;
    const path = inside(dir, name);
    const stat = yield* lstatOrUndefined(os, path);
    if (stat?.kind !== "file") return;
    const target = of === undefined ? undefined : inside(dir, of);
    const lock = of === undefined
      ? undefined
      : yield* inspectLock(os, inside(dir, siblingName("lock", of)));
    const claimed = lock?.claims ?? false;
    if (this.#settings.claimedOnly && !claimed) {
      return this.#findings.note("skipped", path, target, "no lock file claims it");
    }
    if (!this.#isOld(stat)) return this.#findings.note("skipped", path, target, MAY_LIVE, claimed);
    if (this.#acts) yield* os.unlink(path);
    const reason = of === undefined
      ? "a *.tmp file (legacyTmp)"
      : "left by a write that did not end";
    this.#findings.note("removed", path, target, reason, claimed);
  }

  /** A committed transaction of a process that has ended is brought to its end. */
  *#committed(dir: string, path: string): Steps<void> {
    const os = this.#os;
    const stat = yield* lstatOrUndefined(os, path);
    if (stat?.kind !== "directory") return;
    const keep = (reason: string): void => this.#findings.note("skipped", path, dir, reason, true);
    if (!(yield* canClaim(os, path)) && !this.#isOld(stat)) return keep(MAY_LIVE);
    if (this.#acts) {
      try {
        const ending = yield* rollForward(os, dir, path);
        if (ending === "another's") return keep(IS_LIVE);
        if (ending === "gone") return;
      } catch (error) {
        // What is missing is something that it needs.
        if (!isMissing(error)) throw error;
        return this.#findings.note("failed", path, dir, reasonOf(error, dir), true);
      }
    } else {
      const claimed = yield* claim(os, path);
      if (claimed === undefined) return keep(IS_LIVE);
      yield* unclaim(os, claimed);
    }
    this.#completed.add(join(path));
    const reason = "its process ended before all of it was in place";
    this.#findings.note("rolledForward", path, dir, reason, true);
  }

  *#allTrash(dir: string, names: string[]): Steps<void> {
    // By its name before that, which a power cut may bring back, it may need what is in it.
    if (this.#acts && names.length > 0) yield* syncDir(this.#os, dir);
    for (const name of names) {
      const path = inside(dir, name);
      yield* this.#attempt(path, this.#trash(dir, path, "was being deleted"));
    }
  }

  *#trash(dir: string, path: string, reason: string): Steps<void> {
    const os = this.#os;
    const stat = yield* lstatOrUndefined(os, path);
    if (stat?.kind !== "directory") return;
    const keep = (reason: string): void => this.#findings.note("skipped", path, undefined, reason);
    if (this.#settings.claimedOnly) return keep("no lock file claims it");
    const claimed = yield* claim(os, path);
    if (claimed === undefined) return keep(IS_LIVE);
    try {
      if (!(yield* canClaim(os, path)) && !this.#isOld(stat)) return keep(MAY_LIVE);
      // By a rename first: a mount point can't be renamed.
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

const IS_LIVE = "another process is working on it";
const MAY_LIVE = "it is younger than minAge: its writer may live";
