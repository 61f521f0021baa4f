/** Paths below a root, which lead out of it neither by their text nor through a link. */

import { dirname, isAbsolute, relative, sep } from "node:path";
import { RefusedError } from "../core/errors.ts";
import { checkEntryName, inside, toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { lstatOrUndefined } from "../fs/target.ts";

/** A caller's path, relative to the root; an absolute one must start with one of the spellings `roots`. */
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
    throw new TypeError(`${JSON.stringify(given)} is outside ${JSON.stringify(roots[0])}`);
  }
  checkEntryName(path);
  return path;
}

/** A path relative to the root, with links resolved except at its end; refused if it is elsewhere. */
export function* canonicalPath(os: Os, realRoot: string, dev: number, path: string): Steps<string> {
  const { dir, real } = yield* refuseOutside(os, realRoot, path);
  if ((yield* os.lstat(real)).dev !== dev) {
    const why = `${JSON.stringify(real)} is on another file system (EXDEV)`;
    throw new RefusedError("EXDEV", real, why);
  }
  return relative(realRoot, inside(real, relative(dir, path))).replaceAll(sep, "/");
}

/** Refuses a path that leads out of the root through a link. Returns its closest existing directory. */
export function* refuseOutside(
  os: Os,
  realRoot: string,
  path: string,
): Steps<{ dir: string; real: string }> {
  let dir = dirname(path);
  // Missing directories are yet to be created, and can't be links.
  while ((yield* lstatOrUndefined(os, inside(dir, "."))) === undefined) dir = dirname(dir);
  const real = yield* os.realpath(dir);
  if (real === realRoot || real.startsWith(inside(realRoot, ""))) return { dir, real };
  const why = `${JSON.stringify(path)} is outside ${JSON.stringify(realRoot)}, through a link`;
  throw new RefusedError("EINVAL", path, why);
}
