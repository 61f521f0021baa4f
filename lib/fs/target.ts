/**
 * The file or directory that is going to be replaced: found through links, looked at once, its parent
 * made where it is missing.
 */

import { basename, dirname, isAbsolute, join } from "node:path";
import { isMissing, OsError, RefusedError } from "../core/errors.ts";
import { missingFlags } from "../os/permissions.ts";
import type { Os, Stat } from "../os/port.ts";
import { inside, split, withoutSlash } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";

/** Where a new version goes, and what is there now. */
export interface Target {
  /** The path to rename to: the given one, or what it leads to. */
  path: string;
  dir: string;
  name: string;
  /** What is there now; for a file to be written, only a file. */
  stat: Stat | undefined;
  /** What was looked at on the way: the links, and where their letters seem to lead. */
  via: string[];
}

/** As many as Linux follows: MAXSYMLINKS, include/linux/namei.h. */
const MOST_LINKS = 40;

/** Finds what is at a path, or where the links there lead, and refuses these unless they are permitted. */
export function* locate(
  os: Os,
  given: string,
  followSymlink: boolean,
  kinds: readonly ("read" | "write")[] = ["read", "write"],
): Steps<Target> {
  let path = given;
  const via: string[] = [];
  for (let links = 0;; links++) {
    const { dir, name } = split(path);
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
    const letters = yield* follow(os, path, dir);
    refuseUnpermitted(given, letters.path, ["read"], kinds);
    path = letters.path;
    if (!letters.climbs) continue;
    via.push(path);
    path = yield* resolve(os, dir, letters.text);
    refuseUnpermitted(given, path, ["read"], kinds);
  }
}

/** What is at a path; nothing if nothing is. */
export function* lstatOrUndefined(os: Os, path: string): Steps<Stat | undefined> {
  try {
    return yield* os.lstat(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined;
  }
}

/** Where a link's letters lead. What `..` means after another link, only the system can tell. */
function* follow(
  os: Os,
  link: string,
  dir: string,
): Steps<{ path: string; text: string; climbs: boolean }> {
  const text = yield* os.readlink(link);
  if (isAbsolute(text)) return { path: text, text, climbs: false };
  const climbs = text.split(/[/\\]/).includes("..");
  const path = inside(dir, text);
  return { path: climbs ? join(path) : path, text, climbs };
}

function* resolve(os: Os, dir: string, text: string): Steps<string> {
  try {
    return inside(yield* os.realpath(inside(dir, dirname(text))), basename(text));
  } catch (error) {
    if (!isMissing(error)) throw error;
    // Its directory is yet to be created.
    return join(yield* os.realpath(dir), text);
  }
}

/** A link must not make a runtime ask for permissions that nobody thought of. */
function refuseUnpermitted(
  given: string,
  path: string,
  needed: readonly ("read" | "write")[],
  told: readonly ("read" | "write")[],
): void {
  const dir = dirname(path);
  if (missingFlags(dir, needed).length === 0) return;
  const flags = missingFlags(dir, told);
  const why = `it is a link to ${JSON.stringify(path)}, for which permission was not given`;
  const advice = `run again with ${flags.join(" ")}`;
  throw new RefusedError("ERR_PERMISSION", given, `${why}; ${advice}`);
}

/** Directories that did not exist a moment ago. */
export interface NewDirs {
  /** Those that this process made, outermost first: to be removed if the operation fails. */
  made: string[];
  /** Where all of them were entered, others' too: to be synced. */
  parents: string[];
}

/** Makes a directory and those above it that are missing. */
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
      // Another process made it just now, and may not have synced it yet.
    }
    dirs.parents.push(dirname(path));
    const next = missing.pop();
    if (next === undefined) return;
    path = next;
  }
}

/** Removes the directories that were made, as far as nobody else has put anything in them. */
export function* removeDirs(os: Os, dirs: NewDirs): Steps<void> {
  for (const path of dirs.made.splice(0).reverse()) {
    try {
      yield* os.rmdir(path);
    } catch (error) {
      // It is in use, so it stays, and so do those above it.
      if (error instanceof OsError) return;
      throw error;
    }
  }
}

/** What is at an entry's path; nothing where a file has the name of a directory above. */
export function* lstatEntry(os: Os, path: string): Steps<Stat | undefined> {
  try {
    return yield* lstatOrUndefined(os, path);
  } catch (error) {
    if (error instanceof OsError && error.code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Finds a directory, or where it is to be. */
export function* locateDir(os: Os, given: string): Steps<Target> {
  const target = yield* locate(os, withoutSlash(given), true);
  if (target.name !== "") return target;
  const why = "a directory is named by its own name, not by . or .. or /";
  throw new RefusedError("EINVAL", target.path, why);
}

/** Refuses an entry that a directory can't replace; `dev` is the file system of the directory above. */
export function expectDirectory(path: string, stat: Stat | undefined, dev: number): void {
  if (stat === undefined) return;
  if (stat.kind !== "directory") {
    throw new RefusedError("ENOTDIR", path, "it is not a directory (ENOTDIR)");
  }
  if (stat.dev !== dev) {
    throw new RefusedError("EBUSY", path, "it is a mount point, which can't be replaced (EBUSY)");
  }
}
