/**
 * Sorts a directory's entries by what their names say (`names.ts`); nothing is decided here. Names that
 * were too long for their prefix and are shortened are given back in full, as far as a lock file or an
 * entry tells them.
 */

import type { CleanupSettings } from "./cleanup_options.ts";
import { inspectLock } from "../lock/lock_file.ts";
import { isShortened, recognise, type Sibling, siblingName } from "../core/names.ts";
import { OsError } from "../core/errors.ts";
import type { Entry, Os } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";

/** What of a directory's entries may be left of a crash. */
export interface Leftovers {
  /** Names of directories or files that have a staging directory, a version before, or a lock. */
  targets: Set<string>;
  stagedFiles: { name: string; target: string | undefined }[];
  trash: string[];
  /** Transactions, being staged (`.txn-…`) and committed (`.commit-…`). */
  transactions: string[];
  /** What is not for a cleanup to touch. */
  skipped: { name: string; target: string | undefined; reason: string }[];
  /** Paths of all other directories. */
  subdirs: string[];
}

/** Finds what may be left in a directory. */
export function* findLeftovers(
  os: Os,
  dir: string,
  entries: Entry[],
  { recursive, legacyTmp }: Pick<CleanupSettings, "recursive" | "legacyTmp">,
): Steps<Leftovers> {
  const found: Leftovers = {
    targets: new Set(),
    stagedFiles: [],
    trash: [],
    transactions: [],
    skipped: [],
    subdirs: [],
  };
  const siblings: { name: string; kind: Sibling; target: string }[] = [];
  for (const { name, kind } of entries) {
    const isDir = kind === "directory";
    const known = isDir || kind === "file"
      ? recognise(name, isDir ? "directory" : "file")
      : undefined;
    if (known === undefined) {
      if (recursive && isDir) found.subdirs.push(inside(dir, name));
      else if (legacyTmp && kind === "file" && name.endsWith(".tmp") && name !== ".tmp") {
        found.stagedFiles.push({ name, target: undefined });
      }
      continue;
    }
    const { target } = known;
    switch (known.kind) {
      case "staged file":
        found.stagedFiles.push({ name, target });
        break;
      case "trash":
        found.trash.push(name);
        break;
      case "corrupt": {
        const reason = "a version that was set aside: look at it, then remove it";
        found.skipped.push({ name, target, reason });
        break;
      }
      case "transaction":
        found.transactions.push(name);
        break;
      case "history":
        break;
      default:
        siblings.push({ name, kind: known.kind, target });
    }
  }
  yield* nameTargets(os, dir, entries, siblings, found);
  const byName = (a: { name: string }, b: { name: string }): number => a.name < b.name ? -1 : 1;
  return {
    targets: new Set([...found.targets].sort()),
    stagedFiles: found.stagedFiles.sort(byName),
    trash: found.trash.sort(),
    transactions: found.transactions.sort(),
    skipped: found.skipped.sort(byName),
    subdirs: found.subdirs.sort(),
  };
}

/** Whose lock a file is; nothing if it can't be read. */
function* targetOf(os: Os, lock: string): Steps<string | undefined> {
  try {
    return (yield* inspectLock(os, lock)).target;
  } catch (error) {
    // Then what is beside it is kept, and the report says so.
    if (error instanceof OsError) return undefined;
    throw error;
  }
}

function* nameTargets(
  os: Os,
  dir: string,
  entries: Entry[],
  siblings: { name: string; kind: Sibling; target: string }[],
  found: Leftovers,
): Steps<void> {
  const shortened = siblings.filter(({ kind, target }) => isShortened(kind, target));
  const candidates = new Set<string>();
  if (shortened.length > 0) {
    for (const { name } of entries) candidates.add(name);
    // Another sibling's prefix is shorter, so that the name may be whole there.
    for (const sibling of siblings) {
      if (!shortened.includes(sibling)) candidates.add(sibling.target);
      else if (sibling.kind === "lock") {
        const target = yield* targetOf(os, inside(dir, sibling.name));
        if (target !== undefined) candidates.add(target);
      }
    }
  }
  for (const sibling of siblings) {
    const { name, kind, target } = sibling;
    if (!shortened.includes(sibling)) {
      found.targets.add(target);
      continue;
    }
    const full = [...candidates].find((candidate) =>
      candidate.length > target.length / 4 && siblingName(kind, candidate) === name
    );
    if (full !== undefined) found.targets.add(full);
    else {
      const reason = "its name is shortened, and nothing here tells its target's";
      found.skipped.push({ name, target: undefined, reason });
    }
  }
}
