/**
 * What a new version of a directory takes over from the live one: everything that it does not bring
 * itself. Files are hard links to the same inode, so that owner, mode, times and attributes stay and
 * an editor that has one open loses nothing; where a link is refused, copies. Nothing is left out
 * silently: what can't be carried fails the whole.
 *
 * After the swap, {@link drain} brings what appeared or changed in the previous version meanwhile.
 */

import { basename, dirname } from "node:path";
import type { DirSettings } from "./dir_options.ts";
import { present } from "./entry_writer.ts";
import { Refusal } from "./errors.ts";
import { applyMetadata, ENTRY_RULES } from "./metadata.ts";
import { newToken, stagedFileName } from "./names.ts";
import { caught, OsError } from "./os/errno.ts";
import type { Entry, Os, Stat } from "./os/port.ts";
import { inside, parentsOf } from "./paths.ts";
import { parallel, settle, type Steps } from "./steps.ts";
import { look } from "./target.ts";
import { makeWritable } from "./trash.ts";

/** A carry-over from a live directory to a staged one. */
export interface CarryOver {
  live: string;
  staging: string;
  /** The file system of the live directory: what is on another can't be carried. */
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
    live,
    staging,
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

/** Links are made so many at a time. */
const AT_ONCE = 16;

/** What link(2) answers where there are no links, or none for this file; then it is copied. */
const NO_LINK = ["EPERM", "EACCES", "EMLINK", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EINVAL"];

/** Whether an entry is in the new version if it is in the live one, or may have such entries below. */
export function isWanted({ wanted, always }: CarryOver, relative: string): boolean {
  return always.some((path) => path === relative || path.startsWith(relative + "/")) ||
    [...parentsOf(relative), relative].every((path) => wanted(path));
}

/** Carries what is below a relative path (`""` or one that ends in a slash). */
export function* carryOver(os: Os, carry: CarryOver, below: string = ""): Steps<void> {
  const staged = new Map<string, Stat["kind"]>();
  for (const { name, kind } of yield* os.readdir(inside(carry.staging, below))) {
    staged.set(name, kind);
  }
  const entries = yield* os.readdir(inside(carry.live, below));
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
      yield* refuseNonUtf8(os, inside(carry.live, relative));
      if (isDir && (own === undefined || own === "directory")) dirs.push(entry);
      else if (own === undefined) return carryEntry(os, carry, relative, entry.kind);
      else if (isDir || own === "directory") refuseMixture(carry, relative, isDir);
      else carry.managed.add(relative);
    }
    return undefined;
  }, AT_ONCE);
  for (const { name } of dirs) {
    yield* carryDir(os, carry, below + name, !staged.has(name));
  }
}

function* carryDir(os: Os, carry: CarryOver, relative: string, isNew: boolean): Steps<void> {
  const stat = yield* os.lstat(inside(carry.live, relative));
  if (stat.dev !== carry.dev) throw otherFileSystem(carry, relative);
  carry.dirs.set(relative, stat);
  if (isNew) {
    carry.whole.add(relative);
    yield* os.mkdir(inside(carry.staging, relative), 0o700);
  }
  yield* carryOver(os, carry, relative + "/");
}

function* carryEntry(
  os: Os,
  carry: CarryOver,
  relative: string,
  kind: Stat["kind"],
): Steps<void> {
  const to = inside(carry.staging, relative);
  yield* linkOrCopy(os, carry, relative, kind, to);
  carry.inodes.set(relative, (yield* os.lstat(to)).ino);
  carry.carried++;
}

function* linkOrCopy(
  os: Os,
  carry: CarryOver,
  relative: string,
  kind: Stat["kind"],
  to: string,
): Steps<void> {
  const from = inside(carry.live, relative);
  try {
    if (!carry.keep || kind !== "file") return yield* os.link(from, to);
  } catch (error) {
    if (error instanceof OsError && error.code === "EXDEV") throw otherFileSystem(carry, relative);
    const copyable = kind === "file" || kind === "symlink";
    if (!copyable || !(error instanceof OsError && NO_LINK.includes(error.code))) throw error;
  }
  if (kind === "symlink") return yield* os.symlink(yield* os.readlink(from), to);
  const stat = yield* os.lstat(from);
  yield* os.copy(from, to);
  yield* copyAttributes(os, stat, to);
  carry.copied.set(relative, stat);
}

/** Gives a copy the mode, the owner (where allowed) and the time of its original. */
export function* copyAttributes(os: Os, original: Stat, path: string): Steps<void> {
  const file = yield* os.open(path);
  try {
    yield* applyMetadata(os, file, path, ENTRY_RULES, original);
    yield* os.utime(file, original.mtime);
  } finally {
    yield* os.close(file);
  }
}

/** Refuses a file in the place of a directory, or the other way round, unless the present one may go. */
export function refuseMixture(carry: CarryOver, relative: string, isDir: boolean): void {
  // What is not wanted need not be saved.
  if (!isWanted(carry, relative)) return;
  const path = inside(carry.live, relative);
  const [there, new_] = isDir ? ["a directory", "a file"] : ["a file", "a directory"];
  const why =
    `${JSON.stringify(path)} is ${there}, and ${new_} in the new version; remove it, or ` +
    `exclude it (carryOver), if nothing in it is needed`;
  throw new Refusal(isDir ? "EISDIR" : "ENOTDIR", path, why);
}

/** A runtime shows a name that is not UTF-8 with U+FFFD in it, under which nothing is found. */
export function* refuseNonUtf8(os: Os, path: string): Steps<void> {
  if (!path.includes("\ufffd") || (yield* look(os, path)) !== undefined) return;
  const why = `the name ${JSON.stringify(path)} is not UTF-8, so it can't be taken over; rename it`;
  throw new Refusal("EILSEQ", path, why);
}

function otherFileSystem(carry: CarryOver, relative: string): Refusal {
  const path = inside(carry.live, relative);
  const why = `${JSON.stringify(path)} is on another file system, and can't be carried over ` +
    `(EXDEV); unmount it, or exclude it (carryOver)`;
  return new Refusal("EXDEV", path, why);
}

/** What was rescued from a previous version. */
export interface Rescued {
  /** Relative paths that were brought into the live directory. */
  paths: string[];
  /** Those that were changed in both versions: the live one stays, the previous one is kept. */
  conflicts: Set<string>;
}

/**
 * Empties a previous version and removes it, but for conflicts: `carry.live` is the previous version
 * now, at a name that nobody knows, `carry.staging` the live directory. What appeared or changed in it
 * after it had been carried over is brought into the live directory first. Who had found the way into
 * it before the swap may still create something at any moment until it is removed; it can't be before
 * that is rescued too, since only an empty directory can be removed, and nothing is created in a
 * removed one. A version that is kept is only looked through.
 */
export function* drain(
  os: Os,
  carry: CarryOver,
  rescued: Rescued,
  below: string = "",
): Steps<void> {
  const previous = below === "" ? carry.live : inside(carry.live, below);
  if (!carry.keep) yield* makeWritable(os, previous);
  for (;;) {
    const isLeft = ({ name }: Entry): boolean => !rescued.conflicts.has(below + name);
    const entries = (yield* os.readdir(previous)).filter(isLeft);
    const others = entries.filter(({ kind }) => kind !== "directory").values();
    yield* parallel(function* () {
      const next = yield* settle(others.next());
      return next.done ? undefined : drainEntry(os, carry, rescued, below + next.value.name);
    }, AT_ONCE);
    for (const { name, kind } of entries) {
      if (kind !== "directory") continue;
      const relative = below + name;
      if (!carry.dirs.has(relative) && !isRefused(carry, relative)) {
        yield* makeMissingDirs(os, carry, relative + "/");
      }
      yield* drain(os, carry, rescued, relative + "/");
      const conflicts = [...rescued.conflicts];
      if (conflicts.some((path) => path.startsWith(relative + "/"))) {
        rescued.conflicts.add(relative);
      }
    }
    if (carry.keep) return;
    const error = yield* caught(os.rmdir(previous));
    if (error === undefined) return;
    // rename(2) and rmdir(2) name both for a directory that is not empty; xfs takes the second.
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    if (entries.length === 0 && rescued.conflicts.size > 0) return;
  }
}

function* drainEntry(
  os: Os,
  carry: CarryOver,
  rescued: Rescued,
  relative: string,
): Steps<void> {
  const from = inside(carry.live, relative);
  let bytes: number | undefined;
  if (!carry.managed.has(relative) && !isRefused(carry, relative)) {
    const previous = yield* os.lstat(from);
    if (isLate(carry, relative, previous)) {
      if (!(yield* bring(os, carry, relative, previous))) {
        rescued.conflicts.add(relative);
        return;
      }
      rescued.paths.push(relative);
    }
    // What has another name frees nothing.
    bytes = previous.links > 1 ? 0 : previous.size;
  }
  if (!carry.keep) yield* os.unlink(from, bytes);
}

/** Whether an entry, or a directory that it is in, was not wanted; who came late was never asked. */
function isRefused({ refused }: CarryOver, relative: string): boolean {
  return [...parentsOf(relative), relative].some((path) => refused.has(path));
}

/** Whether the previous version has something else than what was carried over. */
function isLate(carry: CarryOver, relative: string, previous: Stat): boolean {
  const copied = carry.copied.get(relative);
  if (copied === undefined) return carry.inodes.get(relative) !== previous.ino;
  return copied.ino !== previous.ino || copied.size !== previous.size ||
    copied.mtime !== previous.mtime || copied.ctime !== previous.ctime;
}

/** Brings a late change into the live directory; false if that has changed there as well. */
function* bring(os: Os, carry: CarryOver, relative: string, previous: Stat): Steps<boolean> {
  const path = inside(carry.staging, relative);
  const there = yield* present(os, path);
  if (there?.ino !== carry.inodes.get(relative)) return false;
  const temp = inside(dirname(path), stagedFileName(basename(path), newToken()));
  if (there === undefined) yield* makeMissingDirs(os, carry, relative);
  yield* linkOrCopy(os, carry, relative, previous.kind, there === undefined ? path : temp);
  if (there !== undefined) yield* os.rename(temp, path);
  return true;
}

/** Directories that came late as well, with the modes that they had. */
function* makeMissingDirs(os: Os, carry: CarryOver, relative: string): Steps<void> {
  for (const dir of parentsOf(relative)) {
    const path = inside(carry.staging, dir);
    if ((yield* look(os, path)) !== undefined) continue;
    yield* os.mkdir(path, 0o777);
  }
}
