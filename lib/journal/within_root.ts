/** Paths below a root: none leaves it, neither by its letters nor through a link. */

import { dirname, isAbsolute, relative, sep } from "node:path";
import { RefusedError } from "../core/errors.ts";
import type { Os } from "../os/port.ts";
import { checkEntryName, inside, toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { lstatOrUndefined } from "../fs/target.ts";

/** A caller's path, relative to the root, one of whose spellings an absolute one starts with. */
export function relativeTo(roots: string[], given: string | URL): string {
  let path = toPath(given);
  const leaves = (path: string): boolean => isAbsolute(path) || /^\.\.(?:[/\\]|$)/.test(path);
  if (isAbsolute(path)) {
    const absolute = path;
    path = roots.map((root) => relative(root, absolute)).find((path) => !leaves(path)) ?? "..";
  }
  path = path.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");
  if (sep !== "/") path = path.replaceAll(sep, "/");
  if (leaves(path)) {
    throw new TypeError(`${JSON.stringify(given)} is outside of ${JSON.stringify(roots[0])}`);
  }
  checkEntryName(path);
  return path;
}

/** A path below the root, relative to it and without links above its end; refused if it is elsewhere. */
export function* canonicalPath(
  os: Os,
  realRoot: string,
  dev: number,
  path: string,
): Steps<string> {
  const { dir, real } = yield* refuseOutside(os, realRoot, path);
  if ((yield* os.lstat(real)).dev !== dev) {
    throw new RefusedError(
      "EXDEV",
      real,
      `${JSON.stringify(real)} is on another file system (EXDEV)`,
    );
  }
  return relative(realRoot, inside(real, relative(dir, path))).replaceAll(sep, "/");
}

/**
 * Refuses a path that a link in it leads out of the root. Returns the directory above it that exists,
 * and what that really is.
 */
export function* refuseOutside(
  os: Os,
  realRoot: string,
  path: string,
): Steps<{ dir: string; real: string }> {
  let dir = dirname(path);
  // What is missing has yet to be made, and can't lead anywhere.
  while ((yield* lstatOrUndefined(os, inside(dir, "."))) === undefined) dir = dirname(dir);
  const real = yield* os.realpath(dir);
  if (real === realRoot || real.startsWith(inside(realRoot, ""))) return { dir, real };
  const why = `${JSON.stringify(path)} is outside ${JSON.stringify(realRoot)}, through a link`;
  throw new RefusedError("EINVAL", path, why);
}
