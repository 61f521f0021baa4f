/**
 * The changes of a committed transaction, each made unless it has been already, which shows in what is left in
 * the transaction's directory.
 */

import { dirname } from "node:path";
import { syncDir } from "../fs/sync.ts";
import { catchOsError } from "../core/errors.ts";
import { newToken, quarantineName } from "../core/names.ts";
import type { Handle, Os, Stat } from "../os/port.ts";
import { inside, split } from "../core/paths.ts";
import { type Change, hasFingerprint } from "./record.ts";
import { beForgotten } from "../fs/shared_fs.ts";
import type { Steps } from "../core/steps.ts";
import { chooseSwap, swapIn, type SwapPaths, swapPaths } from "../fs/swap.ts";
import { lstatOrUndefined, makeDirs, type NewDirs } from "../fs/target.ts";
import { refuseOutside } from "./within_root.ts";

/** A committed transaction. */
export interface Committed {
  root: string;
  /** The transaction's directory. */
  dir: string;
  changes: Change[];
  sync: boolean;
}

/**
 * Makes all changes; what one of them meets keeps none of the others back, and is thrown at the end.
 * `recovering`: after a crash, since when others may have changed the same. What was renamed in the root is
 * left to the sync after the transaction's own last rename there, before which it is not on the disk.
 */
export function* applyAll(os: Os, committed: Committed, recovering: boolean): Steps<void> {
  const errors: unknown[] = [];
  const entered: Entered = { found: new Set(), made: new Set() };
  const { root, changes, sync } = committed;
  const real = yield* os.realpath(root);
  for (const change of changes) {
    try {
      for (const name of change.do === "rename" ? [change.path, change.to] : [change.path]) {
        const path = inside(root, name);
        if (entered.found.has(dirname(path))) continue;
        yield* refuseOutside(os, real, path);
        entered.found.add(dirname(path));
      }
      yield* apply(os, committed, change, recovering, entered);
    } catch (error) {
      errors.push(error);
    }
  }
  entered.found.delete(root);
  if (sync) {
    for (const dir of new Set([...entered.found, ...entered.made])) yield* syncDir(os, dir);
  }
  if (errors.length > 0) throw errors[0];
  // What was replaced in place has the names that it had: nobody may take old files for it once this is done.
  if (changes.some((change) => change.do === "stamp")) yield* beForgotten(os, real);
}

/** The directories that changes were made in. */
interface Entered {
  found: Set<string>;
  /** Those in which directories were made, or that were changed themselves. */
  made: Set<string>;
}

function* apply(
  os: Os,
  { root, dir }: Committed,
  change: Change,
  recovering: boolean,
  { made }: Entered,
): Steps<void> {
  const path = inside(root, change.path);
  const now = yield* lstatOrUndefined(os, path);
  switch (change.do) {
    case "make": {
      const dirs: NewDirs = { made: [], parents: [] };
      if (now === undefined) yield* makeDirs(os, path, dirs);
      for (const dir of dirs.parents) made.add(dir);
      return;
    }
    case "mode":
      made.add(path);
      return yield* onOpen(os, path, (open) => os.chmod(open, path, change.mode));
    case "stamp":
      return yield* onOpen(os, path, (open) => os.utime(open, change.mtime));
    case "rename": {
      const { ino, birth } = change.moved;
      if (now?.ino !== ino || now.birth !== birth) return;
      const to = inside(root, change.to);
      if (recovering && !hasFingerprint(change.before, yield* lstatOrUndefined(os, to))) return;
      return yield* os.rename(path, to);
    }
  }
  const staged = inside(dir, change.staged);
  const there = yield* lstatOrUndefined(os, staged);
  if (change.do === "swap") {
    if (there?.ino === change.ino) yield* swap(os, path, staged, now, recovering && change);
  } else if (change.do === "write") {
    if (there === undefined || recovering && !hasFingerprint(change.before, now)) return;
    yield* os.rename(staged, path);
  } else {
    if (there !== undefined || recovering && !hasFingerprint(change.before, now)) return;
    const error = yield* catchOsError(os.rename(path, staged));
    if (error !== undefined && error.code !== "ENOENT") throw error;
  }
}

/** Where the version before is, if it was not exchanged. */
export function previousPath(staged: string): string {
  return `${staged}.old`;
}

function* swap(
  os: Os,
  path: string,
  staged: string,
  now: Stat | undefined,
  since: false | Change & { do: "swap" },
): Steps<void> {
  const { dir, name } = split(path);
  const paths: SwapPaths = { ...swapPaths(dir, name), staging: staged, old: previousPath(staged) };
  if (since) {
    const aside = yield* lstatOrUndefined(os, paths.old);
    if (aside === undefined && !hasFingerprint(since.before, now)) return;
    if (aside !== undefined && now !== undefined) {
      // Made while the version before stood aside: by somebody who missed it, and may need it.
      yield* os.rename(path, inside(dir, quarantineName(name, newToken())));
      now = undefined;
    }
  }
  const { dev } = yield* os.lstat(staged);
  yield* swapIn(os, paths, yield* chooseSwap(os, dir, dev, "auto"), now !== undefined);
}

/** What only the owner of a directory may do; for others it stays undone. */
function* onOpen(
  os: Os,
  path: string,
  act: (open: Handle) => Steps<void>,
): Steps<void> {
  const open = yield* os.openDir(path);
  if (open === undefined) return;
  try {
    const error = yield* catchOsError(act(open));
    if (error !== undefined && error.code !== "EPERM") throw error;
  } finally {
    yield* os.close(open);
  }
}
