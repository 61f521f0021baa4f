/** Kept versions of a directory: `.history-{name}/{n}`, the highest n being the latest. */

import { unlessCode } from "../core/errors.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { lstatOrUndefined } from "./target.ts";
import { trash } from "./trash.ts";

/** Moves a version into the history; returns its number, which is higher than all others and than `last`. */
export function* addVersion(os: Os, history: string, version: string, last = 0): Steps<number> {
  if ((yield* lstatOrUndefined(os, history)) === undefined) yield* os.mkdir(history, 0o777);
  const latest = (yield* versions(os, history)).at(-1) ?? 0;
  const number = Math.max(latest, last) + 1;
  yield* os.rename(version, inside(history, `${number}`));
  return number;
}

/** Removes the oldest versions, except the latest `keep`; `dir` is the directory above the history. */
export function* prune(os: Os, dir: string, history: string, keep: number): Steps<void> {
  const all = yield* versions(os, history);
  for (const number of all.slice(0, Math.max(0, all.length - keep))) {
    yield* trash(os, dir, inside(history, `${number}`));
  }
}

/** The numbers of the versions, ascending; none if there is no history. Entries with other names are ignored. */
export function* versions(os: Os, history: string): Steps<number[]> {
  const entries = (yield* unlessCode(os.readdir(history), "ENOENT")) ?? [];
  return entries.filter(({ name, kind }) => kind === "directory" && /^[1-9]\d{0,14}$/.test(name))
    .map(({ name }) => Number(name))
    .sort((one, other) => one - other);
}
