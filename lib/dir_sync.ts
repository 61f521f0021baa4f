/**
 * A staged directory on its way to the disk: files, then directories from the bottom up, since btrfs
 * keeps of a directory that was not synced itself neither links nor empty directories.
 */

import type { CarryOver } from "./carry_over.ts";
import { trySync } from "./comparison.ts";
import { applyMetadata, ENTRY_RULES, type MetadataRules } from "./metadata.ts";
import type { Os, Stat } from "./os/port.ts";
import { inside } from "./paths.ts";
import { parallel, type Steps } from "./steps.ts";

/** So many files are synced at a time, where calls answer later: the disk syncs them together. */
const AT_ONCE = 16;

/** What is in a staged directory. */
export interface Contents {
  /** Its directories by relative path, the first (`""`) itself. */
  dirs: string[];
  /** How many other entries there are. */
  files: number;
}

/**
 * Finds what is in a staged directory, which others may have filled, and syncs its files, but for
 * those that are `synced` already.
 */
export function* walkStage(
  os: Os,
  staging: string,
  sync: boolean,
  synced: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Steps<Contents> {
  const contents: Contents = { dirs: [""], files: 0 };
  const unread = [""];
  const toSync: string[] = [];
  const list = function* (): Steps<void> {
    const below = unread.pop()!;
    for (const { name, kind } of yield* os.readdir(inside(staging, below))) {
      const relative = below + name;
      if (kind === "directory") {
        contents.dirs.push(relative);
        unread.push(relative + "/");
      } else contents.files++;
      if (kind === "file" && sync && !synced.has(relative)) toSync.push(inside(staging, relative));
    }
  };
  yield* parallel(function* () {
    signal?.throwIfAborted();
    while (toSync.length === 0 && unread.length > 0) yield* list();
    const path = toSync.pop();
    return path === undefined ? undefined : syncFile(os, path);
  }, AT_ONCE);
  return contents;
}

function* syncFile(os: Os, path: string): Steps<void> {
  const file = yield* os.open(path);
  try {
    yield* os.fsync(file, path);
  } finally {
    yield* os.close(file);
  }
}

/** Gives staged directories the attributes of the live ones, and syncs them if that is wanted. */
export function* finishDirs(
  os: Os,
  carry: CarryOver,
  staged: string[],
  root: { old: Stat | undefined; mode: number | undefined },
  sync: boolean,
): Steps<void> {
  const all = [...new Set([...staged, ...carry.dirs.keys()])];
  const depth = (relative: string): number => relative === "" ? 0 : relative.split("/").length;
  for (const relative of all.sort((a, b) => depth(b) - depth(a))) {
    const old = relative === "" ? root.old : carry.dirs.get(relative);
    const rules: MetadataRules = relative === ""
      ? { ...ENTRY_RULES, mode: root.mode }
      : ENTRY_RULES;
    if (!sync && old === undefined && rules.mode === undefined) continue;
    const path = relative === "" ? carry.staging : inside(carry.staging, relative);
    const open = yield* os.openDir(path);
    if (open === undefined) continue;
    try {
      yield* applyMetadata(os, open, path, rules, old);
      if (carry.whole.has(relative)) yield* os.utime(open, old!.mtime);
      if (sync) yield* trySync(os, open, path);
    } finally {
      yield* os.close(open);
    }
  }
}

/** Syncs a tree that nobody fills any more: all of its file system at once, where that can be had. */
export function* syncTree(os: Os, path: string, signal: AbortSignal | undefined): Steps<void> {
  const wholeFs = yield* os.openFs(path);
  if (wholeFs === undefined) {
    const { dirs } = yield* walkStage(os, path, true, new Set(), signal);
    // Found from the top down.
    for (const relative of dirs.reverse()) yield* syncDir(os, inside(path, relative));
    return;
  }
  try {
    yield* os.syncFs(wholeFs);
  } finally {
    yield* os.closeFs(wholeFs);
  }
}

/** Syncs a directory; false where the system can't. */
export function* syncDir(os: Os, path: string): Steps<boolean> {
  const open = yield* os.openDir(path);
  if (open === undefined) return false;
  try {
    return yield* trySync(os, open, path);
  } finally {
    yield* os.close(open);
  }
}
