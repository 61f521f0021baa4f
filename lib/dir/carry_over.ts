/**
 * What a new version of a directory takes over from the live one: everything that it does not bring
 * itself. Files are hard links to the same inode, so that owner, mode, times and attributes stay and
 * an editor that has one open loses nothing; where a link is refused, copies. Nothing is left out
 * silently: what can't be carried fails the whole.
 *
 * After the swap, {@link drain} brings what appeared or changed in the previous version meanwhile.
 */

import { refuseNonUtf8 } from "../fs/copy_tree.ts";
import type { DirSettings } from "./dir_options.ts";
import { trySync } from "../fs/sync.ts";
import { isNotOffered, OsError, RefusedError } from "../core/errors.ts";
import { applyMetadata, ENTRY_RULES, type MetadataRules } from "../fs/metadata.ts";
import { copyFile } from "../fs/new_file.ts";
import type { Entry, Os, Stat } from "../os/port.ts";
import { inside, parentsOf } from "../core/paths.ts";
import { parallel, type Steps } from "../core/steps.ts";

/** A carry-over from the live version to the staged one; draining it, from the previous to the live one. */
export interface CarryOver {
  from: string;
  into: string;
  /** The file system of `from`: an entry of another can't be carried. */
  dev: number;
  /** Whether an unmanaged entry is wanted in the new version; false for what is below such a one. */
  wanted: (relative: string) => boolean;
  /** Entries that are wanted all the same, wherever they are. */
  always: readonly string[];
  /** Entries that both versions have, where the new one is the staged one. */
  managed: Set<string>;
  /** Entries that are not wanted; what is below a directory among them is not asked for. */
  refused: Set<string>;
  /** Which inodes were carried, by relative path: so a later change of either side can be told. */
  inodes: Map<string, number>;
  /** Directories that both versions have, by relative path, with the live one's attributes. */
  dirs: Map<string, Stat>;
  /** Of those, the ones that are made for the carry-over alone, whose times are kept. */
  whole: Set<string>;
  /** What was copied rather than linked, with its attributes then. */
  copied: Map<string, Stat>;
  /** Whether the previous version stays: then files are copied, and nothing is removed from it. */
  keep: boolean;
  /** How many entries were carried, directories not counted. */
  carried: number;
}

/** A carry-over of which nothing is done yet; `dev` is the live directory's file system. */
export function startCarrying(
  { live, staging }: { live: string; staging: string },
  dev: number,
  { carryOver, writeOnce, keep }: DirSettings,
): CarryOver {
  return {
    from: live,
    into: staging,
    dev,
    wanted: carryOver,
    always: writeOnce,
    managed: new Set(),
    refused: new Set(),
    inodes: new Map(),
    dirs: new Map(),
    whole: new Set(),
    copied: new Map(),
    carried: 0,
    keep: keep > 0,
  };
}

/** Whether an entry is in the new version if it is in the live one, or may have such entries below. */
export function isWanted({ wanted, always }: CarryOver, relative: string): boolean {
  return always.some((path) => path === relative || path.startsWith(relative + "/")) ||
    [...parentsOf(relative), relative].every((path) => wanted(path));
}

/** Carries what is below a relative path (`""` or one that ends in a slash). */
export function* carryOver(os: Os, carry: CarryOver, below: string = ""): Steps<void> {
  const staged = new Map<string, Stat["kind"]>();
  for (const { name, kind } of yield* os.readdir(inside(carry.into, below))) {
    staged.set(name, kind);
  }
  const entries = yield* os.readdir(inside(carry.from, below));
  const dirs: Entry[] = [];
  const others = entries.values();
  yield* parallel(function* () {
    for (const entry of others) {
      const relative = below + entry.name;
      const own = staged.get(entry.name);
      const isDir = entry.kind === "directory";
      if (own === undefined && !isWanted(carry, relative)) {
        carry.refused.add(relative);
        continue;
      }
      yield* refuseNonUtf8(os, inside(carry.from, relative));
      if (isDir && (own === undefined || own === "directory")) dirs.push(entry);
      else if (own === undefined) return carryEntry(os, carry, relative, entry.kind);
      else if (isDir || own === "directory") refuseMixture(carry, relative, isDir);
      else carry.managed.add(relative);
    }
    return undefined;
  });
  for (const { name } of dirs) {
    yield* carryDir(os, carry, below + name, !staged.has(name));
  }
}

function* carryDir(os: Os, carry: CarryOver, relative: string, isNew: boolean): Steps<void> {
  const stat = yield* os.lstat(inside(carry.from, relative));
  if (stat.dev !== carry.dev) throw otherFileSystem(carry, relative);
  carry.dirs.set(relative, stat);
  if (isNew) {
    carry.whole.add(relative);
    yield* os.mkdir(inside(carry.into, relative), 0o700);
  }
  yield* carryOver(os, carry, relative + "/");
}

function* carryEntry(
  os: Os,
  carry: CarryOver,
  relative: string,
  kind: Stat["kind"],
): Steps<void> {
  const to = inside(carry.into, relative);
  yield* linkOrCopy(os, carry, relative, kind, to);
  carry.inodes.set(relative, (yield* os.lstat(to)).ino);
  carry.carried++;
}

export function* linkOrCopy(
  os: Os,
  carry: CarryOver,
  relative: string,
  kind: Stat["kind"],
  to: string,
): Steps<void> {
  const from = inside(carry.from, relative);
  try {
    if (!carry.keep || kind !== "file") return yield* os.link(from, to);
  } catch (error) {
    if (error instanceof OsError && error.code === "EXDEV") throw otherFileSystem(carry, relative);
    const copyable = kind === "file" || kind === "symlink";
    // No links on this file system, or none to this file: link(2).
    if (!copyable || !isNotOffered(error, "EACCES", "EMLINK")) throw error;
  }
  if (kind === "symlink") return yield* os.symlink(yield* os.readlink(from), to);
  carry.copied.set(relative, yield* copyFile(os, from, to));
}

/** Refuses a file in the place of a directory, or the other way round, unless the present one may go. */
export function refuseMixture(carry: CarryOver, relative: string, isDir: boolean): void {
  // What is not wanted need not be saved.
  if (!isWanted(carry, relative)) return;
  const path = inside(carry.from, relative);
  const [there, new_] = isDir ? ["a directory", "a file"] : ["a file", "a directory"];
  const why =
    `${JSON.stringify(path)} is ${there}, and ${new_} in the new version; remove it, or ` +
    `exclude it (carryOver), if nothing in it is needed`;
  throw new RefusedError(isDir ? "EISDIR" : "ENOTDIR", path, why);
}

function otherFileSystem(carry: CarryOver, relative: string): RefusedError {
  const path = inside(carry.from, relative);
  const why = `${JSON.stringify(path)} is on another file system, and can't be carried over ` +
    `(EXDEV); unmount it, or exclude it (carryOver)`;
  return new RefusedError("EXDEV", path, why);
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
    const path = relative === "" ? carry.into : inside(carry.into, relative);
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
