/** Locks and recovers a directory that a transaction removes or renames: its leftovers would bring it back. */

import { relative } from "node:path";
import { journalName } from "../core/names.ts";
import { inside, split } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os, Stat } from "../os/port.ts";
import { type SwapPaths, swapPaths } from "../fs/swap.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { findVersions, lockAndRecover, type Recovered } from "../recovery/recover_dir.ts";
import type { TransactionSettings } from "./transaction_options.ts";

/**
 * Locks and recovers the directory at a path, or one that is missing because its swap was interrupted. Does
 * nothing for any other entry. `committed` is the transaction's directory after the commit.
 */
export function* lockTarget(
  os: Os,
  path: string,
  stat: Stat | undefined,
  settings: TransactionSettings,
  committed: string,
): Steps<Recovered> {
  const { dir, name } = split(path);
  const paths = swapPaths(dir, name);
  const isDir = stat?.kind === "directory" ||
    stat === undefined && (yield* isInterrupted(os, paths));
  if (!isDir) return { lock: undefined, live: stat, warnings: [] };
  return yield* lockAndRecover(os, paths, settings, { transaction: relative(dir, committed) });
}

function* isInterrupted(os: Os, paths: SwapPaths): Steps<boolean> {
  const { found: { staging, old } } = yield* findVersions(os, paths);
  if (staging || old !== "missing") return true;
  const { dir, name } = split(paths.live);
  return (yield* lstatOrUndefined(os, inside(dir, journalName(name)))) !== undefined;
}
