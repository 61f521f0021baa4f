/** Checks a directory that will be copied: it must exist, be permitted, and not overlap the target. */

import { basename, dirname, join, resolve, sep } from "node:path";
import { OsError } from "../../core/errors.ts";
import { inside } from "../../core/paths.ts";
import { runAsync } from "../../core/steps.ts";
import type { Os } from "../../os/port.ts";
import { systemCalls } from "../../os/system.ts";
import { UsageError } from "./options.ts";
import { inspecting, type Operation, type PermissionCheck } from "./permission_check.ts";

/** Requires to read a directory, and refuses one that cannot be copied to the target. */
export async function requireSource(
  permissions: PermissionCheck,
  { operation, path }: Operation,
  from: string,
  target: string,
): Promise<void> {
  const source = resolve(from);
  const request = { operation: "read", path: from, why: "to read the source of the copy" };
  permissions.require(request, [{ kind: "read", of: source }]);
  const os = systemCalls().async;
  const hasLink = await inspecting({ operation, path }, async () => {
    await refuseOverlap(os, from, source, target);
    return permissions.collects && await hasLinks(os, source);
  });
  if (!hasLink) return;
  // Deno creates symbolic links only with permission to read and write anywhere.
  permissions.require({ operation, path, why: "to copy a symbolic link" }, [
    { kind: "read" },
    { kind: "write" },
  ]);
}

/** Refuses a copy into itself, which would not end, and a copy of the directory that is replaced. */
async function refuseOverlap(os: Os, from: string, source: string, target: string): Promise<void> {
  if (!(await isDirectory(os, source))) throw new UsageError(`SRC ${from} is not a directory`);
  const [copied, live] = [await realPath(os, source), await realPath(os, resolve(target))];
  const within = (one: string, other: string): boolean =>
    one === other || one.startsWith(other.endsWith(sep) ? other : other + sep);
  if (within(copied, live)) throw new UsageError(`SRC ${from} is DIR, or inside it`);
  if (within(live, copied)) throw new UsageError(`DIR is inside SRC ${from}`);
}

async function isDirectory(os: Os, path: string): Promise<boolean> {
  try {
    // The dot makes the system follow a link.
    return (await runAsync(os.lstat(inside(path, ".")))).kind === "directory";
  } catch (error) {
    if (error instanceof OsError && ["ENOENT", "ENOTDIR"].includes(error.code)) return false;
    throw error;
  }
}

/** Returns the canonical form of a path whose last parts may not exist yet. */
async function realPath(os: Os, path: string): Promise<string> {
  try {
    return await runAsync(os.realpath(path));
  } catch (error) {
    if (!(error instanceof OsError && error.code === "ENOENT") || dirname(path) === path) {
      throw error;
    }
    return join(await realPath(os, dirname(path)), basename(path));
  }
}

async function hasLinks(os: Os, dir: string): Promise<boolean> {
  for (const { name, kind } of await runAsync(os.readdir(dir))) {
    if (kind === "symlink") return true;
    if (kind === "directory" && await hasLinks(os, inside(dir, name))) return true;
  }
  return false;
}
