/**
 * Versions of a directory that `keep` has kept, and the way back to one of them: a swap like any other,
 * after which the version before it is kept as well, so that a rollback can be rolled back.
 */

import { dirname } from "node:path";
import { afterReplacing, RefusedError } from "../core/errors.ts";
import type { Durability } from "../core/options.ts";
import { inside, toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { describeFailure } from "../fs/failure.ts";
import { addVersion, versions } from "../fs/history.ts";
import { chooseSwap, swapDirs, type SwapMethod, type SwapPaths, swapPaths } from "../fs/swap.ts";
import { syncDir, syncTree } from "../fs/sync.ts";
import { locateDir, lstatOrUndefined } from "../fs/target.ts";
import { type HeldLock, releaseQuietly } from "../lock/lock_file.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { lockAndRecover } from "../recovery/recover_dir.ts";
import { type RollbackOptions, type RollbackSettings, rollbackSettings } from "./dir_options.ts";

/** A version that is kept. */
export interface KeptVersion {
  /** Its number: the higher, the later it was replaced. */
  version: number;
  /** The directory that it is in; it is as it was, and may be read. */
  path: string;
  /** When it was replaced, as far as the file system tells (the change time of its inode). */
  replaced: Date;
}

/** What a rollback has done. */
export interface RollbackResult {
  /** The directory, as it was given. */
  path: string;
  /** The number of the version that is in place now. */
  version: number;
  /** The number under which the version before is kept now; nothing if there was none. */
  kept: number | undefined;
  /** How it got in place. */
  swap: SwapMethod;
  /** What has been made sure of: what was asked for, or `"file"` where directories can't be synced. */
  durability: Durability;
  /** What went wrong after it was safely in place; empty if nothing did. */
  warnings: string[];
}

/**
 * The versions of a directory that `keep` has kept, the latest last. Permissions in Deno:
 * `--allow-read` for the directory above.
 *
 * @param dir The directory; it need not exist any more.
 * @returns The versions; none if none are kept.
 * @throws {UntornError} When they can't be listed.
 *
 * @example What there is to go back to
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
 * Puts a version that was kept in the directory's place, in one step, as `persistDir` does; what was
 * there is kept as the latest version. All of the directory goes back, carried-over files too.
 *
 * Permissions in Deno: as for `persistDir`.
 *
 * @param dir The directory.
 * @param options The version (`to`), see {@link history}, and what differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When it failed; `outcome` says what stands now. `ENOENT`: no such version.
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
export function rollback(
  dir: string | URL,
  options?: RollbackOptions,
): Promise<RollbackResult> {
  return runOnSystem((os) => rollBack(os, toPath(dir), rollbackSettings(options)));
}

/** Synchronous version of {@link rollback}. */
export function rollbackSync(dir: string | URL, options?: RollbackOptions): RollbackResult {
  return runOnSystemSync((os) => rollBack(os, toPath(dir), rollbackSettings(options)));
}

/** What is kept of a directory, as steps. */
export function* listVersions(os: Os, given: string): Steps<KeptVersion[]> {
  try {
    const { dir, name } = yield* locateDir(os, given);
    const { history } = swapPaths(dir, name);
    const kept: KeptVersion[] = [];
    for (const version of yield* versionsIn(os, history)) {
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

function* versionsIn(os: Os, history: string): Steps<number[]> {
  return (yield* lstatOrUndefined(os, history)) === undefined ? [] : yield* versions(os, history);
}

/** A rollback, as steps; a rehearsal does all but that. */
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
    const all = yield* versionsIn(os, paths.history);
    const version = chooseVersion(given, all, settings.to);
    if (before !== undefined && before.kind !== "directory") {
      throw new RefusedError("ENOTDIR", path, "it is not a directory (ENOTDIR)");
    }
    const staging = inside(paths.history, `${version}`);
    const { dev } = yield* os.lstat(staging);
    const choice = yield* chooseSwap(os, dir, dev, settings.swap);
    const result = { path: given, version, durability, warnings };
    if (rehearsal) {
      const swap = before === undefined ? "create" : choice.exchange ? "exchange" : "rename";
      return { ...result, kept: before === undefined ? undefined : all.at(-1)! + 1, swap };
    }
    // It may have been written without a sync.
    if (durability !== "none") yield* syncTree(os, staging, signal);
    signal?.throwIfAborted();
    const swap = yield* swapDirs(os, { ...paths, staging }, choice, before);
    return {
      ...result,
      ...yield* afterReplacing(keep(os, { ...paths, staging }, swap, all, durability)),
    };
  } catch (error) {
    throw describeFailure(error, "roll back", given, { existed: true });
  } finally {
    yield* releaseQuietly(os, lock, warnings);
  }
}

/** Keeps the version that was in place, and syncs the swap. */
function* keep(
  os: Os,
  { live, staging, old, history }: SwapPaths,
  swap: SwapMethod,
  all: number[],
  durability: Durability,
): Steps<Pick<RollbackResult, "kept" | "swap" | "durability">> {
  let kept: number | undefined;
  if (swap !== "create") {
    kept = yield* addVersion(os, history, swap === "exchange" ? staging : old, all.at(-1));
  }
  if (durability === "full") {
    const synced = [yield* syncDir(os, history), yield* syncDir(os, dirname(live))];
    if (synced.includes(false)) durability = "file";
  }
  return { kept, swap, durability };
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
