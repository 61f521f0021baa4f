/** A copy into itself would not end, or would copy what is being replaced. */

import { basename, dirname, join, sep } from "node:path";
import { OsError } from "../os/errno.ts";
import { systemCalls } from "../os/mod.ts";
import type { Os } from "../os/port.ts";
import { runAsync } from "../steps.ts";
import { locate } from "../target.ts";
import { UsageError } from "./command.ts";

/** Refuses a source that is no directory, or in the target, or has it in it. */
export async function refuseOverlap(from: string, target: string): Promise<void> {
  const os = systemCalls().async;
  const { path, stat } = await runAsync(locate(os, from, true));
  if (stat?.kind !== "directory") throw new UsageError(`SRC ${from} is not a directory`);
  const source = await runAsync(os.realpath(path));
  const found = await runAsync(locate(os, target, true));
  const live = await realPath(os, found.path);
  const within = (one: string, other: string): boolean =>
    one === other || one.startsWith(other.endsWith(sep) ? other : other + sep);
  if (within(source, live)) throw new UsageError(`SRC ${from} is DIR, or in it`);
  if (within(live, source)) throw new UsageError(`DIR is in SRC ${from}`);
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
