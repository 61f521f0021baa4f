/** The version before, once a new one is in its place: moved away, emptied, then removed or kept. */

import { basename, dirname } from "node:path";
import { type CarryOver, linkOrCopy } from "./carry_over.ts";
import { type Claim, claim, unclaim } from "../fs/claim.ts";
import { syncDir } from "../fs/sync.ts";
import { catchOsError } from "../core/errors.ts";
import { addVersion, prune } from "../fs/history.ts";
import { newToken, quarantineName, stagedFileName, trashName } from "../core/names.ts";
import type { Entry, Os, Stat } from "../os/port.ts";
import { inside, parentsOf, split } from "../core/paths.ts";
import { parallel, type Steps, waitFor } from "../core/steps.ts";
import type { SwapPaths } from "../fs/swap.ts";
import { lstatEntry, lstatOrUndefined } from "../fs/target.ts";
import { makeWritable } from "../fs/trash.ts";

/** What became of a previous version. */
export interface Retired {
  /** Whether its removal from its place, and the swap before, are known to survive a power cut. */
  isSynced: boolean;
  /** Late changes that were brought into the live version, by relative path. */
  rescued: string[];
  warnings: string[];
}

/**
 * Moves the previous version away, and syncs that with the swap before it; only this sync may fail. Then brings
 * late changes from it into the live version, and removes it, or keeps it with others, `keep` of them.
 */
export function* retirePrevious(
  os: Os,
  previous: string,
  { live, history }: SwapPaths,
  carry: CarryOver,
  { keep, sync }: { keep: number; sync: boolean },
): Steps<Retired> {
  const { dir, name } = split(live);
  const warnings: string[] = [];
  const rescued: Rescued = { paths: [], conflicts: new Set() };
  let path = previous;
  let claimed: Claim | undefined;
  let hasMoved = false;
  // It may hold the only copy of something, so it stays under a name that no cleanup removes.
  const setAside = function* (why: string): Steps<void> {
    const kept = inside(dir, quarantineName(name, newToken()));
    const stays = keep > 0 || (yield* catchOsError(os.rename(path, kept)));
    warnings.push(`${why}: see ${JSON.stringify(stays ? path : kept)}`);
  };
  const attempt = function* (steps: Steps<void>): Steps<void> {
    try {
      yield* steps;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      yield* setAside(`the version before was not removed (${why})`);
    }
  };
  const moveAway = function* (): Steps<void> {
    claimed = yield* claim(os, previous);
    if (keep > 0) path = inside(history, `${yield* addVersion(os, history, previous)}`);
    else {
      const aside = inside(dir, trashName(newToken()));
      yield* os.rename(previous, aside);
      path = aside;
    }
    hasMoved = true;
  };
  const empty = function* (): Steps<void> {
    yield* drainPrevious(os, { ...carry, from: path, into: live }, rescued);
    if (keep > 0) yield* prune(os, dir, history, keep);
    if (rescued.conflicts.size === 0) return;
    const both = [...rescued.conflicts].map((path) => JSON.stringify(path)).join(", ");
    yield* setAside(`${both} was changed in both versions`);
  };
  try {
    yield* attempt(moveAway());
    const isSynced = sync && (yield* syncDir(os, dir));
    if (hasMoved) yield* attempt(empty());
    return { isSynced, rescued: rescued.paths, warnings };
  } finally {
    yield* unclaim(os, claimed);
  }
}

/** What was rescued from a previous version. */
export interface Rescued {
  /** Relative paths that were brought into the live directory. */
  paths: string[];
  /** Those that were changed in both versions: the live one stays, the previous one is kept. */
  conflicts: Set<string>;
}

/**
 * Empties a previous version and removes it, but for conflicts: `carry.from` is the previous version
 * now, at a name that nobody knows, `carry.into` the live directory. What appeared or changed in it
 * after it had been carried over is brought into the live directory first. Who had found the way into
 * it before the swap may still create something at any moment until it is removed; it can't be before
 * that is rescued too, since only an empty directory can be removed, and nothing is created in a
 * removed one. A version that is kept is only looked through.
 */
export function* drainPrevious(
  os: Os,
  carry: CarryOver,
  rescued: Rescued,
  below: string = "",
): Steps<void> {
  const previous = below === "" ? carry.from : inside(carry.from, below);
  if (!carry.keep) yield* makeWritable(os, previous);
  for (;;) {
    const isLeft = ({ name }: Entry): boolean => !rescued.conflicts.has(below + name);
    const entries = (yield* os.readdir(previous)).filter(isLeft);
    const others = entries.filter(({ kind }) => kind !== "directory").values();
    yield* parallel(function* () {
      const next = yield* waitFor(others.next());
      return next.done ? undefined : drainEntry(os, carry, rescued, below + next.value.name);
    });
    for (const { name, kind } of entries) {
      if (kind !== "directory") continue;
      const relative = below + name;
      if (!carry.dirs.has(relative) && !isRefused(carry, relative)) {
        yield* makeMissingDirs(os, carry, relative + "/");
      }
      yield* drainPrevious(os, carry, rescued, relative + "/");
      const conflicts = [...rescued.conflicts];
      if (conflicts.some((path) => path.startsWith(relative + "/"))) {
        rescued.conflicts.add(relative);
      }
    }
    if (carry.keep) return;
    const error = yield* catchOsError(os.rmdir(previous));
    if (error === undefined) return;
    // rename(2) and rmdir(2) name both for a directory that is not empty; xfs takes the second.
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    if (entries.length === 0 && rescued.conflicts.size > 0) return;
  }
}

function* drainEntry(
  os: Os,
  carry: CarryOver,
  rescued: Rescued,
  relative: string,
): Steps<void> {
  const from = inside(carry.from, relative);
  let bytes: number | undefined;
  if (!carry.managed.has(relative) && !isRefused(carry, relative)) {
    const previous = yield* os.lstat(from);
    if (isLate(carry, relative, previous)) {
      if (!(yield* salvage(os, carry, relative, previous))) {
        rescued.conflicts.add(relative);
        return;
      }
      rescued.paths.push(relative);
    }
    // What has another name frees nothing.
    bytes = previous.links > 1 ? 0 : previous.size;
  }
  if (!carry.keep) yield* os.unlink(from, bytes);
}

/** Whether an entry, or a directory that it is in, was not wanted; who came late was never asked. */
function isRefused({ refused }: CarryOver, relative: string): boolean {
  return [...parentsOf(relative), relative].some((path) => refused.has(path));
}

/** Whether the previous version has something else than what was carried over. */
function isLate(carry: CarryOver, relative: string, previous: Stat): boolean {
  const copied = carry.copied.get(relative);
  if (copied === undefined) return carry.inodes.get(relative) !== previous.ino;
  return copied.ino !== previous.ino || copied.size !== previous.size ||
    copied.mtime !== previous.mtime || copied.ctime !== previous.ctime;
}

/** Brings a late change into the live directory; false if that has changed there as well. */
function* salvage(os: Os, carry: CarryOver, relative: string, previous: Stat): Steps<boolean> {
  const path = inside(carry.into, relative);
  const there = yield* lstatEntry(os, path);
  if (there?.ino !== carry.inodes.get(relative)) return false;
  const temp = inside(dirname(path), stagedFileName(basename(path), newToken()));
  if (there === undefined) yield* makeMissingDirs(os, carry, relative);
  yield* linkOrCopy(os, carry, relative, previous.kind, there === undefined ? path : temp);
  if (there !== undefined) yield* os.rename(temp, path);
  return true;
}

/** Directories that came late as well, with the modes that they had. */
function* makeMissingDirs(os: Os, carry: CarryOver, relative: string): Steps<void> {
  for (const dir of parentsOf(relative)) {
    const path = inside(carry.into, dir);
    if ((yield* lstatOrUndefined(os, path)) !== undefined) continue;
    yield* os.mkdir(path, 0o777);
  }
}
