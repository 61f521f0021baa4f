/**
 * What a crash left beside a directory, finished or undone as `recovery.ts` decides; under its lock.
 */

import { Refusal } from "../core/errors.ts";
import { addVersion } from "../fs/history.ts";
import { journalName, keptName, newToken } from "../core/names.ts";
import { type LockSettings, shown } from "../core/options.ts";
import type { Os } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { type Action, decide, type Found } from "./decide.ts";
import { finishCommitted } from "../journal/roll_forward.ts";
import { settle, type Steps } from "../core/steps.ts";
import type { SwapPaths } from "../fs/swap.ts";
import { look } from "../fs/target.ts";
import { trash } from "../fs/trash.ts";

/** Whether a version can be trusted. */
export type IsValid = (path: string) => Steps<boolean>;

/** Looks at what is beside a directory; what is no directory has another's name. */
export function* findVersions(
  os: Os,
  { live, staging, old, history }: SwapPaths,
  isValid: IsValid,
): Steps<Found> {
  const target = yield* look(os, live);
  const hasOld = (yield* look(os, old))?.kind === "directory";
  const hasStaging = (yield* look(os, staging))?.kind === "directory";
  const trusted = function* (path: string): Steps<"whole" | "invalid"> {
    return (yield* isValid(path)) ? "whole" : "invalid";
  };
  const asked = hasOld || hasStaging;
  return {
    target: target === undefined
      ? "missing"
      : target.kind !== "directory"
      ? "other"
      : asked
      ? yield* trusted(live)
      : "whole",
    staging: hasStaging,
    old: hasOld ? yield* trusted(old) : "missing",
    history: (yield* look(os, history))?.kind === "directory",
  };
}

/** Refuses files where versions are to be: they are the user's. */
export function* expectNoFiles(os: Os, { staging, old }: SwapPaths): Steps<void> {
  for (const path of [old, staging]) {
    const stat = yield* look(os, path);
    if (stat === undefined || stat.kind === "directory") continue;
    const why = `${JSON.stringify(path)} is in the way (EEXIST); remove it`;
    throw new Refusal("EEXIST", path, why);
  }
}

/** Does what was decided; returns where what was acted on is now, if it still is. */
export function* perform(
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
  const to = act === "restore" ? paths.live : inside(dir, keptName(name, newToken()));
  yield* os.rename(path, to);
  return to;
}

/** Finishes or undoes what a crash left beside a directory; returns what its user should know of it. */
export function* recoverDir(
  os: Os,
  dir: string,
  name: string,
  paths: SwapPaths,
  waiting: LockSettings,
): Steps<string[]> {
  const warnings: string[] = [];
  yield* finishCommitted(os, dir, inside(dir, journalName(name)), waiting);
  // Without a `validate`, every version is trusted.
  const found = yield* findVersions(os, paths, () => settle(true));
  for (const action of decide(found)) {
    const now = yield* perform(os, { dir, name }, paths, action);
    if (action.act !== "set aside") continue;
    const of = JSON.stringify(action.what === "target" ? paths.live : paths[action.what]);
    warnings.push(`${of} was set aside (${action.reason}): see ${JSON.stringify(now)}`);
  }
  return warnings;
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
  answer = yield* settle(answer);
  if (typeof answer === "boolean") return answer;
  throw new TypeError(`option "validate" must answer true or false, not ${shown(answer)}`);
}
