/**
 * Paths as callers give them: checked, split and joined, but never normalised, since the system resolves
 * `a/link/../b` through the link, which need not lead to `a/b`.
 */

import { basename, dirname, isAbsolute, sep } from "node:path";
import { isProtocolName } from "./names.ts";

/** Checks a path that a caller gives, and returns it as a string. */
export function toPath(path: string | URL): string {
  if (path instanceof URL) {
    if (path.protocol !== "file:") {
      throw new TypeError(`the path must be a file: URL, not ${path.protocol}`);
    }
    path = process.getBuiltinModule("node:url").fileURLToPath(path);
  }
  if (typeof path !== "string") {
    throw new TypeError(`the path must be a string or a URL, not ${typeof path}`);
  }
  if (path === "") throw new TypeError("the path must not be empty");
  const flaw = flawOf(path);
  if (flaw !== undefined) throw new TypeError(`the path ${JSON.stringify(path)} contains ${flaw}`);
  return path;
}

/** The part of a string that no path can contain, if there is one. */
function flawOf(path: string): string | undefined {
  if (path.includes("\0")) return "a NUL character";
  return path.isWellFormed() ? undefined : "a lone surrogate";
}

/** Splits a path into its directory and its last name, empty if the path can only be a directory's. */
export function split(path: string): { dir: string; name: string } {
  const name = path.endsWith("/") || path.endsWith(sep) ? "" : basename(path);
  return { dir: dirname(path), name: name === "." || name === ".." ? "" : name };
}

/** The path of `name` in `dir`. */
export function inside(dir: string, name: string): string {
  return dir.endsWith("/") || dir.endsWith(sep) ? dir + name : dir + sep + name;
}

/** A directory's path without trailing slashes. */
export function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, "");
}

/** The relative paths of the directories above an entry, outermost first. */
export function parentsOf(relative: string): string[] {
  const parents: string[] = [];
  for (let at = relative.indexOf("/"); at >= 0; at = relative.indexOf("/", at + 1)) {
    parents.push(relative.slice(0, at));
  }
  return parents;
}

/** Refuses a path that is not an entry's, or that contains a name which Untorn uses itself. */
export function checkEntryName(relative: unknown): void {
  checkRelative(relative);
  for (const part of relative.split("/")) {
    if (isProtocolName(part)) refuse(relative, `${part} is a name that a cleanup may remove`);
  }
}

/** Refuses a path that leads out of a directory, or is invalid. */
export function checkRelative(relative: unknown): asserts relative is string {
  if (typeof relative !== "string") return refuse(relative, "it must be a string");
  if (relative === "") refuse(relative, "it is empty");
  if (isAbsolute(relative)) refuse(relative, "it must be relative");
  const flaw = flawOf(relative);
  if (flaw !== undefined) refuse(relative, `it contains ${flaw}`);
  if (sep !== "/" && relative.includes(sep)) refuse(relative, "its parts must be separated by /");
  for (const part of relative.split("/")) {
    if (part === "" || part === "." || part === "..") refuse(relative, `it has a part "${part}"`);
  }
}

function refuse(relative: unknown, why: string): never {
  throw new TypeError(`an entry can't be called ${JSON.stringify(relative)}: ${why}`);
}
