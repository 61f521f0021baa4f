/** Finds the file or directory to be replaced, following links, and creates missing directories above it. */

import { basename, dirname, isAbsolute, join } from "node:path";
import { catchOsError, isMissing, OsError, RefusedError, unlessCode } from "../core/errors.ts";
import { inside, split, withoutSlash } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { missingFlags } from "../os/permissions.ts";
import type { Access, Os, Stat } from "../os/port.ts";

/** The destination of a new version. */
export interface Target {
  /** The path to rename to: the given one, or the one that its links lead to. */
  path: string;
  dir: string;
  name: string;
  /** The metadata of the existing version; for a file to be written, only a file's. */
  stat: Stat | undefined;
  /** The paths visited on the way: the links, and where their text seems to lead. */
  via: string[];
}

/** Linux's own limit: MAXSYMLINKS, include/linux/namei.h. */
const MOST_LINKS = 40;

/** Finds the target of a path, following links if wanted; refuses links to paths without permission. */
export function* locate(
  os: Os,
  given: string,
  followSymlink: boolean,
  kinds: readonly Access[] = ["read", "write"],
): Steps<Target> {
  let path = given;
  const via: string[] = [];
  for (let links = 0;; links++) {
    const { dir, name } = split(path);
    // Not by `lstatOrUndefined`, which costs another generator: every write comes here.
    let stat: Stat | undefined;
    try {
      stat = yield* os.lstat(path);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    if (stat?.kind !== "symlink" || !followSymlink) {
      if (links > 0) refuseUnpermitted(given, path, kinds, kinds);
      return { path, dir, name, stat, via };
    }
    if (links === MOST_LINKS) throw new OsError("ELOOP", "lstat", path);
    via.push(path);
    const text = yield* os.readlink(path);
    path = isAbsolute(text) ? text : inside(dir, text);
    const climbs = !isAbsolute(text) && text.split(/[/\\]/).includes("..");
    if (climbs) path = join(path);
    refuseUnpermitted(given, path, ["read"], kinds);
    if (!climbs) continue;
    // If `..` comes after another link, only the system can follow it.
    via.push(path);
    path = yield* resolve(os, dir, text);
    refuseUnpermitted(given, path, ["read"], kinds);
  }
}

function* resolve(os: Os, dir: string, text: string): Steps<string> {
  const real = yield* unlessCode(os.realpath(inside(dir, dirname(text))), "ENOENT");
  // The directory may not exist yet.
  return real === undefined ? join(yield* os.realpath(dir), text) : inside(real, basename(text));
}

/** Refuses a link to a path without permission, for which the runtime would prompt; names the flags. */
function refuseUnpermitted(
  given: string,
  path: string,
  needed: readonly Access[],
  all: readonly Access[],
): void {
  const dir = dirname(path);
  if (missingFlags(dir, needed).length === 0) return;
  const why = `it is a link to ${JSON.stringify(path)}, for which permission was not given; ` +
    `run again with ${missingFlags(dir, all).join(" ")}`;
  throw new RefusedError("ERR_PERMISSION", given, why);
}

/** Finds a directory, which may not exist yet. */
export function* locateDir(os: Os, given: string): Steps<Target> {
  const target = yield* locate(os, withoutSlash(given), true);
  if (target.name !== "") return target;
  const why = "a directory must be given by its name, not by . or .. or /";
  throw new RefusedError("EINVAL", target.path, why);
}

/** Refuses an entry that a directory can't replace; `dev` is the file system of its parent directory. */
export function expectDirectory(path: string, stat: Stat | undefined, dev: number): void {
  if (stat === undefined) return;
  if (stat.kind !== "directory") {
    throw new RefusedError("ENOTDIR", path, "it is not a directory (ENOTDIR)");
  }
  if (stat.dev !== dev) {
    throw new RefusedError("EBUSY", path, "it is a mount point, which can't be replaced (EBUSY)");
  }
}

/** Returns a path's metadata, or nothing if the path does not exist. */
export function lstatOrUndefined(os: Os, path: string): Steps<Stat | undefined> {
  return unlessCode(os.lstat(path), "ENOENT");
}

/** Returns an entry's metadata, or nothing, even if a file has taken the name of a directory above it. */
export function lstatEntry(os: Os, path: string): Steps<Stat | undefined> {
  return unlessCode(os.lstat(path), "ENOENT", "ENOTDIR");
}

export interface NewDirs {
  /** Those that this process created, outermost first; removed if the operation fails. */
  made: string[];
  /** The parent directories of all, including those that others created; they must be synced. */
  parents: string[];
}

/** Creates a directory, and those above it that are missing. */
export function* makeDirs(os: Os, dir: string, dirs: NewDirs): Steps<void> {
  const missing: string[] = [];
  for (let path = dir;;) {
    try {
      yield* os.mkdir(path, 0o777);
      dirs.made.push(path);
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      if (error.code === "ENOENT" && dirname(path) !== path) {
        missing.push(path);
        path = dirname(path);
        continue;
      }
      if (error.code !== "EEXIST") throw error;
      // Another process may just have created it, and not synced it yet.
    }
    dirs.parents.push(dirname(path));
    const next = missing.pop();
    if (next === undefined) return;
    path = next;
  }
}

/** Removes the directories that this process created, unless others have put entries into them. */
export function* removeDirs(os: Os, dirs: NewDirs): Steps<void> {
  for (const path of dirs.made.splice(0).reverse()) {
    // It is in use; so are those above it.
    if ((yield* catchOsError(os.rmdir(path))) !== undefined) return;
  }
}
