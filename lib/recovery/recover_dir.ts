/**
 * What a crash left beside a directory, finished or undone as `recovery.ts` decides; under its lock.
 */

import { catchOsError, CommitError, RefusedError } from "../core/errors.ts";
import { addVersion } from "../fs/history.ts";
import { journalName, newToken, quarantineName } from "../core/names.ts";
import { type LockSettings, shown } from "../core/options.ts";
import type { Os, Stat } from "../os/port.ts";
import { inside, split } from "../core/paths.ts";
import { type Action, type DirState, planRecovery } from "./decide.ts";
import { finishCommitted } from "../journal/roll_forward.ts";
import { type Steps, waitFor } from "../core/steps.ts";
import type { SwapPaths } from "../fs/swap.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { acquireLock, type HeldLock, releaseLock } from "../lock/lock_file.ts";
import { trash } from "../fs/trash.ts";

/** Whether a version can be trusted. */
export type IsValid = (path: string) => Steps<boolean>;

/** The entries beside a directory, and the directory itself. */
export interface Neighbours {
  found: DirState;
  /** The entry at the directory's own path. */
  live: Stat | undefined;
  /** A path of a version at which there is no directory; the entry is the user's. */
  inTheWay: string | undefined;
}

/** Looks at a directory, and at its versions beside it. */
export function* findVersions(
  os: Os,
  paths: SwapPaths,
  isValid: IsValid = () => waitFor(true),
): Steps<Neighbours> {
  const live = yield* lstatOrUndefined(os, paths.live);
  const old = yield* lstatOrUndefined(os, paths.old);
  const staging = yield* lstatOrUndefined(os, paths.staging);
  const isDir = (stat: Stat | undefined): boolean => stat?.kind === "directory";
  const isOther = (stat: Stat | undefined): boolean => stat !== undefined && !isDir(stat);
  const trusted = function* (path: string): Steps<"whole" | "invalid"> {
    return (yield* isValid(path)) ? "whole" : "invalid";
  };
  let target: DirState["target"] = live === undefined ? "missing" : "whole";
  if (isOther(live)) target = "other";
  else if (live !== undefined && (isDir(old) || isDir(staging))) {
    target = yield* trusted(paths.live);
  }
  return {
    found: {
      target,
      staging: isDir(staging),
      old: isDir(old) ? yield* trusted(paths.old) : "missing",
      history: isDir(yield* lstatOrUndefined(os, paths.history)),
    },
    live,
    inTheWay: isOther(old) ? paths.old : isOther(staging) ? paths.staging : undefined,
  };
}

/** Does what was decided; returns where what was acted on is now, if it still is. */
export function* applyAction(
  os: Os,
  { dir, name }: { dir: string; name: string },
  paths: SwapPaths,
  { act, what }: Action,
): Steps<string | undefined> {
  const path = what === "target" ? paths.live : paths[what];
  if (act === "trash") {
    // The swap that made it spare may not be on the disk yet: its process was killed.
    yield* trash(os, dir, path, true);
    return undefined;
  }
  if (act === "keep") return path;
  if (act === "archive") {
    return inside(paths.history, `${yield* addVersion(os, paths.history, path)}`);
  }
  const to = act === "restore" ? paths.live : inside(dir, quarantineName(name, newToken()));
  yield* os.rename(path, to);
  return to;
}

/** A directory after its recovery. */
export interface Recovered {
  /** The entry at its path. */
  live: Stat | undefined;
  /** Messages for its user. */
  warnings: string[];
}

/**
 * Finishes or undoes what a crash left beside a directory, under its lock. `refusesFiles`: a file at the
 * path of a version is refused first.
 */
export function* recoverDir(
  os: Os,
  dir: string,
  name: string,
  paths: SwapPaths,
  waiting: LockSettings,
  refusesFiles: boolean = false,
): Steps<Recovered> {
  yield* finishCommitted(os, dir, inside(dir, journalName(name)), waiting);
  // Without a `validate`, every version is trusted.
  const { found, live, inTheWay } = yield* findVersions(os, paths);
  if (refusesFiles && inTheWay !== undefined) {
    const why = `${JSON.stringify(inTheWay)} is in the way (EEXIST); remove it`;
    throw new RefusedError("EEXIST", inTheWay, why);
  }
  const actions = planRecovery(found);
  const warnings: string[] = [];
  for (const action of actions) {
    const now = yield* applyAction(os, { dir, name }, paths, action);
    if (action.act !== "set aside") continue;
    const of = JSON.stringify(action.what === "target" ? paths.live : paths[action.what]);
    warnings.push(`${of} was set aside (${action.reason}): see ${JSON.stringify(now)}`);
  }
  return { live: actions.length === 0 ? live : yield* lstatOrUndefined(os, paths.live), warnings };
}

/** A directory after its recovery, with its lock, if it was to be locked. */
export interface Locked extends Recovered {
  lock: HeldLock | undefined;
}

/**
 * Locks a directory, if its settings want that, and recovers it. `transaction` is the path of the transaction
 * that it is locked for, from its parent.
 */
export function* lockAndRecover(
  os: Os,
  paths: SwapPaths,
  settings: LockSettings & { lock: boolean },
  { transaction, refusesFiles }: { transaction?: string; refusesFiles?: boolean } = {},
): Steps<Locked> {
  const { dir, name } = split(paths.live);
  const lock = settings.lock ? yield* acquireLock(os, dir, name, settings, transaction) : undefined;
  try {
    return { lock, ...yield* recoverDir(os, dir, name, paths, settings, refusesFiles) };
  } catch (error) {
    const left = lock && (yield* catchOsError(releaseLock(os, lock)));
    throw left === undefined ? error : new CommitError(error, "unchanged", lock!.path);
  }
}
/**
 * Whether a version is valid. What throws is not, and why is added to `invalid`, by path; what forgets
 * its answer is a mistake, and fails.
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
    if (answer instanceof Promise) answer = answer.catch(failed);
  } catch (error) {
    return failed(error);
  }
  answer = yield* waitFor(answer);
  if (typeof answer === "boolean") return answer;
  throw new TypeError(`option "validate" must answer true or false, not ${shown(answer)}`);
}
