/** Checks a directory that will be copied: it must exist, be permitted, and not overlap the target. */

import { basename, dirname, join, resolve } from "node:path";
import { isMissing, OsError } from "../../core/errors.ts";
import { inside } from "../../core/paths.ts";
import type { Steps } from "../../core/steps.ts";
import type { Os } from "../../os/port.ts";
import { UsageError } from "./options.ts";
import { access, inspect, type Operation, type PermissionCheck } from "./permission_check.ts";

/** Requires to read a directory, and refuses one that cannot be copied to the target. */
export async function requireSource(
  permissions: PermissionCheck,
  operation: Operation,
  from: string,
  target: string,
): Promise<void> {
  const source = resolve(from);
  const request = { operation: "read", path: from, why: "to read the source of the copy" };
  permissions.require(request, access(source, ["read"]));
  const hasLink = await inspect(operation, function* (os) {
    yield* refuseOverlap(os, from, source, target);
    return permissions.collects && (yield* hasLinks(os, source));
  });
  if (!hasLink) return;
  // Deno creates symbolic links only with permission to read and write anywhere.
  const anywhere = [{ kind: "read" }, { kind: "write" }] as const;
  permissions.require({ ...operation, why: "to copy a symbolic link" }, anywhere);
}

/** Refuses a copy into itself, which would not end, and a copy of the directory that is replaced. */
function* refuseOverlap(os: Os, from: string, source: string, target: string): Steps<void> {
  if (!(yield* isDirectory(os, source))) throw new UsageError(`SRC ${from} is not a directory`);
  const copied = yield* realPath(os, source);
  const live = yield* realPath(os, resolve(target));
  const within = (path: string, dir: string): boolean =>
    path === dir || path.startsWith(inside(dir, ""));
  if (within(copied, live)) throw new UsageError(`SRC ${from} is DIR, or inside it`);
  if (within(live, copied)) throw new UsageError(`DIR is inside SRC ${from}`);
}

function* isDirectory(os: Os, path: string): Steps<boolean> {
  try {
    // The dot makes the system follow a link.
    return (yield* os.lstat(inside(path, "."))).kind === "directory";
  } catch (error) {
    if (isMissing(error) || error instanceof OsError && error.code === "ENOTDIR") return false;
    throw error;
  }
}

/** Returns the canonical form of a path whose last parts may not exist yet. */
function* realPath(os: Os, path: string): Steps<string> {
  try {
    return yield* os.realpath(path);
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) throw error;
    return join(yield* realPath(os, dirname(path)), basename(path));
  }
}

function* hasLinks(os: Os, dir: string): Steps<boolean> {
  for (const { name, kind } of yield* os.readdir(dir)) {
    if (kind === "symlink") return true;
    if (kind === "directory" && (yield* hasLinks(os, inside(dir, name)))) return true;
  }
  return false;
}
