/** Recovers a directory: finishes or undoes, under its lock, what a crash left beside it (decide.ts). */

import { catchOsError, CommitError, RefusedError } from "../core/errors.ts";
import { journalName, newToken, quarantineName } from "../core/names.ts";
import { type LockSettings, shown } from "../core/options.ts";
import { inside, split } from "../core/paths.ts";
import { type Steps, waitFor } from "../core/steps.ts";
import type { Os, Stat } from "../os/port.ts";
import { addVersion } from "../fs/history.ts";
import type { SwapPaths } from "../fs/swap.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { trash } from "../fs/trash.ts";
import { finishCommitted } from "../journal/roll_forward.ts";
import { acquireLock, type HeldLock, releaseLock } from "../lock/lock_file.ts";
import { type Action, type DirState, planRecovery } from "./decide.ts";

/** A directory after its recovery. */
export interface Recovered {
  /** Its lock, if its settings ask for one. */
  lock: HeldLock | undefined;
  /** The entry at its path. */
  live: Stat | undefined;
  warnings: string[];
}

/** Options of {@link lockAndRecover}. */
interface RecoverOptions {
  /** The path, from its parent, of the transaction that it is locked for. */
  transaction?: string | undefined;
  /** Whether to refuse a file at the path of a version before anything is touched. */
  refusesFiles?: boolean;
}

/** Locks a directory, if its settings ask for that, and recovers it. */
export function* lockAndRecover(
  os: Os,
  paths: SwapPaths,
  settings: LockSettings & { lock: boolean },
  { transaction, refusesFiles = false }: RecoverOptions = {},
): Steps<Recovered> {
  const { dir, name } = split(paths.live);
  const lock = settings.lock ? yield* acquireLock(os, dir, name, settings, transaction) : undefined;
  try {
    yield* finishCommitted(os, dir, inside(dir, journalName(name)), settings);
    return { lock, ...yield* recoverVersions(os, paths, refusesFiles) };
  } catch (error) {
    const left = lock && (yield* catchOsError(releaseLock(os, lock)));
    throw left === undefined ? error : new CommitError(error, "unchanged", lock!.path);
  }
}

function* recoverVersions(
  os: Os,
  paths: SwapPaths,
  refusesFiles: boolean,
): Steps<Omit<Recovered, "lock">> {
  // Without a `validate`, every version is trusted.
  const { found, live, inTheWay } = yield* findVersions(os, paths);
  if (refusesFiles && inTheWay !== undefined) {
    const why = `${JSON.stringify(inTheWay)} is in the way (EEXIST); remove it`;
    throw new RefusedError("EEXIST", inTheWay, why);
  }
  const actions = planRecovery(found);
  const warnings: string[] = [];
  for (const action of actions) {
    const now = yield* applyAction(os, paths, action);
    if (action.act !== "quarantine") continue;
    const path = JSON.stringify(paths[action.what]);
    warnings.push(`${path} was quarantined (${action.reason}): see ${JSON.stringify(now)}`);
  }
  return { live: actions.length === 0 ? live : yield* lstatOrUndefined(os, paths.live), warnings };
}

/** A directory and its versions, as they are found. */
export interface Versions {
  found: DirState;
  /** The entry at the directory's own path. */
  live: Stat | undefined;
  /** The path of a version at which there is something else, which is the user's. */
  inTheWay: string | undefined;
}

/** Inspects a directory and its versions; a version for which `isValid` answers false is not trusted. */
export function* findVersions(
  os: Os,
  paths: SwapPaths,
  isValid: (path: string) => Steps<boolean> = () => waitFor(true),
): Steps<Versions> {
  const live = yield* lstatOrUndefined(os, paths.live);
  const old = yield* lstatOrUndefined(os, paths.old);
  const staging = yield* lstatOrUndefined(os, paths.staging);
  const isDir = (stat: Stat | undefined): boolean => stat?.kind === "directory";
  const isOther = (stat: Stat | undefined): boolean => stat !== undefined && !isDir(stat);
  const trusted = function* (path: string): Steps<"whole" | "invalid"> {
    return (yield* isValid(path)) ? "whole" : "invalid";
  };
  const found: DirState = {
    live: live === undefined ? "missing" : isDir(live) ? "whole" : "other",
    staging: isDir(staging),
    old: "missing",
    history: false,
  };
  if (isDir(live) && (isDir(old) || isDir(staging))) found.live = yield* trusted(paths.live);
  if (isDir(old)) found.old = yield* trusted(paths.old);
  found.history = isDir(yield* lstatOrUndefined(os, paths.history));
  return {
    found,
    live,
    inTheWay: isOther(old) ? paths.old : isOther(staging) ? paths.staging : undefined,
  };
}

/** Takes an action; returns the new path of a version that was archived or quarantined. */
export function* applyAction(
  os: Os,
  paths: SwapPaths,
  { act, what }: Action,
): Steps<string | undefined> {
  const path = paths[what];
  const { dir, name } = split(paths.live);
  switch (act) {
    case "keep":
      return undefined;
    case "restore":
      return void (yield* os.rename(path, paths.live));
    case "trash":
      // The swap that made it spare may not be on the disk yet: its process was killed before the sync.
      return void (yield* trash(os, dir, path, true));
    case "archive":
      return inside(paths.history, `${yield* addVersion(os, paths.history, path)}`);
    case "quarantine": {
      const to = inside(dir, quarantineName(name, newToken()));
      yield* os.rename(path, to);
      return to;
    }
  }
}

/**
 * Asks the caller's `validate` for a version. If it throws, the version is invalid, and the message is added
 * to `invalid`, by path. An answer that is not a boolean is a `TypeError`.
 */
export function* askValid(
  validate: ((path: string) => unknown) | undefined,
  path: string,
  invalid: Map<string, string>,
): Steps<boolean> {
  if (validate === undefined) return true;
  const failed = (error: unknown): boolean => {
    invalid.set(path, error instanceof Error ? error.message : String(error));
    return false;
  };
  let answer: unknown;
  try {
    answer = validate(path);
  } catch (error) {
    return failed(error);
  }
  // Outside the `try`: a promise in a synchronous operation is a mistake.
  answer = yield* waitFor(answer instanceof Promise ? answer.catch(failed) : answer);
  if (typeof answer === "boolean") return answer;
  throw new TypeError(`option "validate" must answer true or false, not ${shown(answer)}`);
}
