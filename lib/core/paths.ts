/**
 * Paths as callers give them: checked, taken apart and put together again without being normalised.
 * `a/link/../b` means what the system says it means, which is not `a/b` where `link` is a link.
 */

import { basename, dirname, isAbsolute, sep } from "node:path";
import { isProtocolName } from "./names.ts";

/** The path as a string; a mistake in it is a `TypeError`. */
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
  if (path.includes("\0")) {
    throw new TypeError(`the path ${JSON.stringify(path)} contains a NUL character`);
  }
  if (!path.isWellFormed()) {
    throw new TypeError(`the path ${JSON.stringify(path)} contains a lone surrogate`);
  }
  return path;
}

/** A path's directory and last name; the name is empty if the path can only be a directory. */
export function split(path: string): { dir: string; name: string } {
  const name = path.endsWith("/") || path.endsWith(sep) ? "" : basename(path);
  return {
    dir: dirname(path),
    name: name === "." || name === ".." ? "" : name,
  };
}

/** The path of `name` in `dir`. */
export function inside(dir: string, name: string): string {
  return dir.endsWith("/") || dir.endsWith(sep) ? dir + name : dir + sep + name;
}

/** A path of a directory without the slashes that may end it. */
export function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, "");
}

/** The directories that an entry is in, by relative path, the outermost first. */
export function parentsOf(relative: string): string[] {
  const parents: string[] = [];
  for (let at = relative.indexOf("/"); at >= 0; at = relative.indexOf("/", at + 1)) {
    parents.push(relative.slice(0, at));
  }
  return parents;
}

/** Refuses what can't be the path of an entry within a directory, or what Untorn's own may be called. */
export function checkEntryName(relative: unknown): void {
  checkRelative(relative);
  for (const part of (relative as string).split("/")) {
    if (isProtocolName(part)) wrong(relative, `${part} is a name that cleaning up may remove`);
  }
}

function wrong(relative: unknown, why: string): never {
  throw new TypeError(`an entry can't be called ${JSON.stringify(relative)}: ${why}`);
}

/** Refuses what leads out of a directory, or can't be a path. */
export function checkRelative(relative: unknown): void {
  if (typeof relative !== "string") return wrong(relative, "it must be a string");
  if (relative === "") wrong(relative, "it is empty");
  if (isAbsolute(relative)) wrong(relative, "it must be relative");
  if (relative.includes("\0")) wrong(relative, "it contains a NUL character");
  if (!relative.isWellFormed()) wrong(relative, "it contains a lone surrogate");
  if (sep !== "/" && relative.includes(sep)) wrong(relative, "its parts are separated by /");
  for (const part of relative.split("/")) {
    if (part === "" || part === "." || part === "..") wrong(relative, `it has a part "${part}"`);
  }
}
