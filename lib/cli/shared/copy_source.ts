/** A directory that is going to be copied: permitted, there, and neither in the target nor around it. */

import { basename, dirname, join, resolve, sep } from "node:path";
import { OsError } from "../../core/errors.ts";
import { systemCalls } from "../../os/system.ts";
import type { Os } from "../../os/port.ts";
import { inside } from "../../core/paths.ts";
import { runAsync } from "../../core/steps.ts";
import { UsageError } from "./command.ts";
import { type Asking, inWords, type Permits } from "./permission_check.ts";

/** Demands to read a directory, and refuses what can't be copied to the target. */
export async function demandSource(
  permits: Permits,
  { operation, path: target }: Omit<Asking, "why">,
  from: string,
  live: string,
): Promise<void> {
  const source = resolve(from);
  const asking = { operation: "read", path: from, why: "to read what is copied" };
  permits.demand(asking, [{ kind: "read", of: source }]);
  const os = systemCalls().async;
  try {
    await refuseOverlap(os, from, source, live);
    if (!permits.collects || !(await hasLinks(os, source))) return;
  } catch (error) {
    throw inWords(operation, target, error);
  }
  // Deno makes symbolic links only for those who may read and write anywhere.
  permits.demand({ operation, path: target, why: "a link is copied" }, [
    { kind: "read" },
    { kind: "write" },
  ]);
}

/** A copy into itself would not end, or would copy what is being replaced. */
async function refuseOverlap(os: Os, from: string, source: string, target: string): Promise<void> {
  if (!(await isDirectory(os, source))) throw new UsageError(`SRC ${from} is not a directory`);
  const [copied, live] = [await realPath(os, source), await realPath(os, resolve(target))];
  const within = (one: string, other: string): boolean =>
    one === other || one.startsWith(other.endsWith(sep) ? other : other + sep);
  if (within(copied, live)) throw new UsageError(`SRC ${from} is DIR, or in it`);
  if (within(live, copied)) throw new UsageError(`DIR is in SRC ${from}`);
}

async function isDirectory(os: Os, path: string): Promise<boolean> {
  try {
    // With the dot, what a link leads to.
    return (await runAsync(os.lstat(inside(path, ".")))).kind === "directory";
  } catch (error) {
    if (error instanceof OsError && ["ENOENT", "ENOTDIR"].includes(error.code)) return false;
    throw error;
  }
}

/** The canonical form of a path, of which the end may not exist yet. */
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
