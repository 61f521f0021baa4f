/**
 * Sorts the entries of a directory by what their names say (`names.ts`); decides nothing. Names that were too
 * long for their prefix are shortened; they are restored as far as a lock file or another entry gives them.
 */

import { OsError } from "../core/errors.ts";
import { isShortened, recognise, type Sibling, siblingName } from "../core/names.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Entry, Os } from "../os/port.ts";
import { inspectLock } from "../lock/lock_file.ts";
import type { CleanupSettings } from "./cleanup_options.ts";

/** Entries of a directory that may be leftovers of crashes, by name, in order. */
export interface Leftovers {
  /** Names that have a staging directory, a previous version or a lock beside them. */
  targets: string[];
  /** Staged files, with the targets that their names show. */
  stagedFiles: Map<string, string | undefined>;
  trash: string[];
  /** Transactions before (`.txn-…`) and after their commit (`.commit-…`). */
  uncommitted: string[];
  committed: string[];
  /** Entries that a cleanup does not touch. */
  skipped: { name: string; target: string | undefined; reason: string }[];
  /** Paths of all other directories. */
  subdirs: string[];
}

interface Beside {
  name: string;
  kind: Sibling;
  /** The target, as the name shows it. */
  target: string;
}

/** Finds the leftovers in a directory. */
export function* findLeftovers(
  os: Os,
  dir: string,
  entries: Entry[],
  { recursive, legacyTmp }: Pick<CleanupSettings, "recursive" | "legacyTmp">,
): Steps<Leftovers> {
  const found: Leftovers = {
    ...{ targets: [], stagedFiles: new Map(), trash: [], uncommitted: [], committed: [] },
    ...{ skipped: [], subdirs: [] },
  };
  const siblings: Beside[] = [];
  for (const { name, kind } of entries.toSorted(byName)) {
    const isFile = kind === "file";
    const known = isFile || kind === "directory" ? recognise(name, kind) : undefined;
    if (known === undefined) {
      if (recursive && kind === "directory") found.subdirs.push(inside(dir, name));
      else if (legacyTmp && isFile && name.endsWith(".tmp") && name !== ".tmp") {
        found.stagedFiles.set(name, undefined);
      }
      continue;
    }
    const { target } = known;
    if (known.kind === "staged file") found.stagedFiles.set(name, target);
    else if (known.kind === "trash") found.trash.push(name);
    else if (known.kind === "transaction") {
      found[name.startsWith(".commit-") ? "committed" : "uncommitted"].push(name);
    } else if (known.kind === "corrupt") {
      const reason = "a quarantined version: inspect it, then remove it";
      found.skipped.push({ name, target, reason });
    } else if (known.kind !== "history") siblings.push({ name, kind: known.kind, target });
  }
  yield* nameTargets(os, dir, entries, siblings, found);
  found.targets = [...new Set(found.targets)].sort();
  found.skipped.sort(byName);
  return found;
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

/** Adds the targets of siblings, and skips a sibling whose target is unknown. */
function* nameTargets(
  os: Os,
  dir: string,
  entries: Entry[],
  siblings: Beside[],
  found: Leftovers,
): Steps<void> {
  const shortened = siblings.filter(({ kind, target }) => isShortened(kind, target));
  const candidates = new Set<string>();
  if (shortened.length > 0) {
    for (const { name } of entries) candidates.add(name);
    // The prefix of another sibling is shorter, so that the name may be complete there.
    for (const sibling of siblings) {
      if (!shortened.includes(sibling)) candidates.add(sibling.target);
      else if (sibling.kind === "lock") {
        const target = yield* lockTarget(os, inside(dir, sibling.name));
        if (target !== undefined) candidates.add(target);
      }
    }
  }
  for (const sibling of siblings) {
    const { name, kind, target } = sibling;
    const full = !shortened.includes(sibling)
      ? target
      : [...candidates].find((candidate) =>
        candidate.length > target.length / 4 && siblingName(kind, candidate) === name
      );
    if (full !== undefined) found.targets.push(full);
    else {
      const reason =
        "its name is shortened, and nothing beside it gives the full name of its target";
      found.skipped.push({ name, target: undefined, reason });
    }
  }
}

/** The target that a lock file names; `undefined` if it is unreadable. */
function* lockTarget(os: Os, lock: string): Steps<string | undefined> {
  try {
    return (yield* inspectLock(os, lock)).target;
  } catch (error) {
    // The entries beside it are then skipped, and the report says so.
    if (error instanceof OsError) return undefined;
    throw error;
  }
}
