/** Makes a committed transaction's changes; the content of its directory shows which were made already. */

import { dirname } from "node:path";
import { unlessCode } from "../core/errors.ts";
import { newToken, quarantineName } from "../core/names.ts";
import { inside, split } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Handle, Os, Stat } from "../os/port.ts";
import { withDir } from "../fs/io.ts";
import { beForgotten } from "../fs/shared_fs.ts";
import { chooseSwap, swapIn, type SwapPaths, swapPaths } from "../fs/swap.ts";
import { syncDir } from "../fs/sync.ts";
import { lstatOrUndefined, makeDirs, type NewDirs } from "../fs/target.ts";
import { type Change, hasFingerprint } from "./record.ts";
import { refuseOutside } from "./within_root.ts";

/** A committed transaction; `dir` is its own directory. */
export interface Committed {
  root: string;
  dir: string;
  changes: Change[];
  sync: boolean;
}

/**
 * Makes all changes; a failed one does not prevent the others, and the first error is thrown at the end.
 * `recovering`: after a crash, since which others may have changed the same paths. Renames in the root itself
 * are synced by the caller, after the transaction's own last rename there.
 */
export function* applyAll(os: Os, committed: Committed, recovering: boolean): Steps<void> {
  const errors: unknown[] = [];
  // The directories to sync: those that contain changed entries, and those that were changed themselves.
  const found = new Set<string>();
  const made = new Set<string>();
  const { root, changes, sync } = committed;
  const real = yield* os.realpath(root);
  for (const change of changes) {
    try {
      for (const name of change.do === "rename" ? [change.path, change.to] : [change.path]) {
        const path = inside(root, name);
        if (found.has(dirname(path))) continue;
        yield* refuseOutside(os, real, path);
        found.add(dirname(path));
      }
      yield* apply(os, committed, change, recovering, made);
    } catch (error) {
      errors.push(error);
    }
  }
  found.delete(root);
  if (sync) {
    for (const dir of new Set([...found, ...made])) yield* syncDir(os, dir);
  }
  if (errors.length > 0) throw errors[0];
  // Entries replaced in place keep their names: no machine may take cached old files for them after this.
  if (changes.some((change) => change.do === "stamp")) yield* beForgotten(os, real);
}

function* apply(
  os: Os,
  { root, dir }: Committed,
  change: Change,
  recovering: boolean,
  made: Set<string>,
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
      return yield* asOwner(os, path, (open) => os.chmod(open, path, change.mode));
    case "stamp":
      return yield* asOwner(os, path, (open) => os.utime(open, change.mtime));
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
    yield* unlessCode(os.rename(path, staged), "ENOENT");
  }
}

/** Changes a directory's metadata, which only its owner may do; for others, the change is skipped. */
function asOwner(os: Os, path: string, act: (open: Handle) => Steps<void>): Steps<void> {
  return withDir(os, path, (open) => unlessCode(act(open), "EPERM"));
}

/** Where the previous version is, unless it was exchanged. */
export function previousPath(staged: string): string {
  return `${staged}.old`;
}

function* swap(
  os: Os,
  path: string,
  staged: string,
  now: Stat | undefined,
  recovered: false | Change & { do: "swap" },
): Steps<void> {
  const { dir, name } = split(path);
  const paths: SwapPaths = { ...swapPaths(dir, name), staging: staged, old: previousPath(staged) };
  if (recovered) {
    const aside = yield* lstatOrUndefined(os, paths.old);
    if (aside === undefined && !hasFingerprint(recovered.before, now)) return;
    if (aside !== undefined && now !== undefined) {
      // Created by a process that missed the previous version while that stood aside; it may still be needed.
      yield* os.rename(path, inside(dir, quarantineName(name, newToken())));
      now = undefined;
    }
  }
  const { dev } = yield* os.lstat(staged);
  yield* swapIn(os, paths, yield* chooseSwap(os, dir, dev, "auto"), now !== undefined);
}
