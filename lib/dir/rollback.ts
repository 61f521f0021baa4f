/** Lists the versions in a directory's history, and puts one of them back in place. */

import { dirname } from "node:path";
import { afterReplacing, RefusedError } from "../core/errors.ts";
import type { Durability } from "../core/options.ts";
import { inside, toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { describeFailure } from "../fs/failure.ts";
import { addVersion, versions } from "../fs/history.ts";
import { chooseSwap, swapDirs, type SwapMethod, type SwapPaths, swapPaths } from "../fs/swap.ts";
import { syncDir, syncTree } from "../fs/sync.ts";
import { locateDir, lstatOrUndefined } from "../fs/target.ts";
import { type HeldLock, releaseQuietly } from "../lock/lock_file.ts";
import { lockAndRecover } from "../recovery/recover_dir.ts";
import {
  type PersistResult,
  type RollbackOptions,
  type RollbackSettings,
  rollbackSettings,
} from "./dir_options.ts";

/** A version in the history of a directory. */
export interface KeptVersion {
  /** Its number: the higher, the later it was replaced. */
  version: number;
  /** The directory that holds it, unchanged; it may be read. */
  path: string;
  /** When it was replaced, according to the file system (the change time of its inode). */
  replaced: Date;
}

/** A summary of a rollback. */
export interface RollbackResult
  extends Pick<PersistResult, "path" | "swap" | "durability" | "warnings"> {
  /** The number of the version that is in place now. */
  version: number;
  /** The number under which the previous version is kept now; `undefined` if there was none. */
  kept: number | undefined;
}

/**
 * Lists the versions of a directory that `keep` has kept, the latest last.
 *
 * Permissions in Deno: `--allow-read` for the directory above.
 *
 * @param dir The directory; it may be missing.
 * @returns The versions; an empty list if there are none.
 * @throws {UntornError} If the history cannot be listed.
 *
 * @example The versions that a rollback can restore
 * ```ts
 * import { history, persistDir } from "@untorn/untorn";
 * import { mkdtemp, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * for (const text of ["one", "two", "three"]) await persistDir(`${dir}/site`, { text }, { keep: 5 });
 * const kept = await history(`${dir}/site`);
 * if (kept.map(({ version }) => version).join() !== "1,2") throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export function history(dir: string | URL): Promise<KeptVersion[]> {
  return runOnSystem((os) => listVersions(os, toPath(dir)));
}

/** Synchronous version of {@link history}. */
export function historySync(dir: string | URL): KeptVersion[] {
  return runOnSystemSync((os) => listVersions(os, toPath(dir)));
}

/**
 * Puts a kept version back in the directory's place, atomically, as `persistDir` does. The version that was in
 * place is kept as the latest one, so that a rollback can itself be rolled back. All of the directory goes
 * back, including carried-over files.
 *
 * Permissions in Deno: as for `persistDir`.
 *
 * @param dir The directory.
 * @param options The version (`to`), see {@link history}, and further options; see {@link RollbackOptions}.
 * @returns A summary of the rollback.
 * @throws {TypeError | RangeError} If an argument is invalid; thrown before anything is touched.
 * @throws {UntornError} If the rollback failed; `outcome` says which version is in place. The code is `ENOENT`
 * if there is no such version.
 *
 * @example There and back
 * ```ts
 * import { persistDir, rollback } from "@untorn/untorn";
 * import { mkdtemp, readFile, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * for (const text of ["one", "two"]) await persistDir(`${dir}/site`, { text }, { keep: 5 });
 * await rollback(`${dir}/site`);
 * if (await readFile(`${dir}/site/text`, "utf8") !== "one") throw new Error("?");
 * await rollback(`${dir}/site`);
 * if (await readFile(`${dir}/site/text`, "utf8") !== "two") throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export function rollback(dir: string | URL, options?: RollbackOptions): Promise<RollbackResult> {
  return runOnSystem((os) => rollBack(os, toPath(dir), rollbackSettings(options)));
}

/** Synchronous version of {@link rollback}. */
export function rollbackSync(dir: string | URL, options?: RollbackOptions): RollbackResult {
  return runOnSystemSync((os) => rollBack(os, toPath(dir), rollbackSettings(options)));
}

/** Lists the kept versions of a directory, as steps. */
export function* listVersions(os: Os, given: string): Steps<KeptVersion[]> {
  try {
    const { dir, name } = yield* locateDir(os, given);
    const { history } = swapPaths(dir, name);
    const kept: KeptVersion[] = [];
    for (const version of yield* versions(os, history)) {
      const path = inside(history, `${version}`);
      const stat = yield* lstatOrUndefined(os, path);
      // Another process may just have removed it.
      if (stat !== undefined) kept.push({ version, path, replaced: new Date(stat.ctime) });
    }
    return kept;
  } catch (error) {
    throw describeFailure(error, "list the versions of", given, { existed: true });
  }
}

/** Rolls a directory back, as steps; a rehearsal stops before the swap. */
export function* rollBack(
  os: Os,
  given: string,
  settings: RollbackSettings,
  rehearsal: boolean = false,
): Steps<RollbackResult> {
  const { durability, signal } = settings;
  let lock: HeldLock | undefined;
  const warnings: string[] = [];
  try {
    signal?.throwIfAborted();
    const { dir, name, path } = yield* locateDir(os, given);
    const paths = { ...swapPaths(dir, name), live: path };
    const locked = yield* lockAndRecover(os, paths, settings);
    lock = locked.lock;
    warnings.push(...locked.warnings);
    const before = locked.live;
    const all = yield* versions(os, paths.history);
    const version = chooseVersion(given, all, settings.to);
    if (before !== undefined && before.kind !== "directory") {
      throw new RefusedError("ENOTDIR", path, "it is not a directory (ENOTDIR)");
    }
    paths.staging = inside(paths.history, `${version}`);
    const { dev } = yield* os.lstat(paths.staging);
    const choice = yield* chooseSwap(os, dir, dev, settings.swap);
    const result = { path: given, version, durability, warnings };
    if (rehearsal) {
      if (before === undefined) return { ...result, kept: undefined, swap: "create" };
      const swap = choice.exchange ? "exchange" : "rename";
      return { ...result, kept: all.at(-1)! + 1, swap };
    }
    // The version may have been written without a sync.
    if (durability !== "none") yield* syncTree(os, paths.staging, signal);
    signal?.throwIfAborted();
    const swap = yield* swapDirs(os, paths, choice, before);
    return { ...result, swap, ...yield* afterReplacing(keep(os, paths, swap, all, durability)) };
  } catch (error) {
    throw describeFailure(error, "roll back", given, { existed: true });
  } finally {
    yield* releaseQuietly(os, lock, warnings);
  }
}

function chooseVersion(given: string, all: number[], to: number | undefined): number {
  const version = to ?? all.at(-1);
  if (version !== undefined && all.includes(version)) return version;
  const there = all.length === 0 ? "none is kept (keep)" : `there are ${all.join(", ")}`;
  const what = version === undefined
    ? "there is no version to go back to"
    : `no version ${version}`;
  throw new RefusedError("ENOENT", given, `${what}: ${there} (ENOENT)`);
}

/** Moves the version that was in place to the history, and syncs the swap. */
function* keep(
  os: Os,
  { live, staging, old, history }: SwapPaths,
  swap: SwapMethod,
  all: number[],
  durability: Durability,
): Steps<Pick<RollbackResult, "kept" | "durability">> {
  let kept: number | undefined;
  if (swap !== "create") {
    kept = yield* addVersion(os, history, swap === "exchange" ? staging : old, all.at(-1));
  }
  if (durability === "full") {
    const synced = [yield* syncDir(os, history), yield* syncDir(os, dirname(live))];
    if (synced.includes(false)) durability = "file";
  }
  return { kept, durability };
}
