/**
 * Versions of a directory that `keep` has kept, and the way back to one of them: a swap like any other,
 * after which the version before it is kept as well, so that a rollback can be rolled back.
 */

import { type RollbackOptions, type RollbackSettings, rollbackSettings } from "./dir_options.ts";
import { syncDir, syncTree } from "../fs/sync.ts";
import { describe } from "../fs/failure.ts";
import { caught, type Outcome, Refusal } from "../core/errors.ts";
import { addVersion, versions } from "../fs/history.ts";
import { acquireLock, type HeldLock, releaseLock } from "../lock/lock_file.ts";
import type { Durability } from "../core/options.ts";
import { systemCalls } from "../os/system.ts";
import type { Os } from "../os/port.ts";
import { inside, toPath } from "../core/paths.ts";
import { recoverDir } from "../recovery/recover_dir.ts";
import { runAsync, runSync, type Steps } from "../core/steps.ts";
import { chooseSwap, type Swap, swapAndTell, swapPaths } from "../fs/swap.ts";
import { locateDir, look } from "../fs/target.ts";

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
  swap: Swap;
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
export async function history(dir: string | URL): Promise<KeptVersion[]> {
  return await runAsync(listVersions(systemCalls().async, toPath(dir)));
}

/**
 * The same as {@link history}, done when it returns.
 *
 * @param dir The directory.
 * @returns The versions, the latest last.
 * @throws {UntornError} When they can't be listed.
 */
export function historySync(dir: string | URL): KeptVersion[] {
  return runSync(listVersions(systemCalls().sync, toPath(dir)));
}

/**
 * Puts a version that was kept in the directory's place, in one step, as `persistDir` does; what was
 * there is kept as the latest version. All of the directory goes back, carried-over files too.
 *
 * Permissions in Deno: as for `persistDir`.
 *
 * @param dir The directory.
 * @param to The version's number, see {@link history}; when absent, the latest.
 * @param options What differs from the defaults.
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
export async function rollback(
  dir: string | URL,
  to?: number,
  options?: RollbackOptions,
): Promise<RollbackResult> {
  const settings = rollbackSettings(options);
  return await runAsync(rollBack(systemCalls().async, toPath(dir), number(to), settings));
}

/**
 * The same as {@link rollback}, done when it returns.
 *
 * @param dir The directory.
 * @param to The version's number; when absent, the latest.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When it failed; `outcome` says what stands now.
 */
export function rollbackSync(
  dir: string | URL,
  to?: number,
  options?: RollbackOptions,
): RollbackResult {
  const settings = rollbackSettings(options);
  return runSync(rollBack(systemCalls().sync, toPath(dir), number(to), settings));
}

function number(to: number | undefined): number | undefined {
  if (to === undefined || Number.isSafeInteger(to) && to > 0) return to;
  throw new RangeError(`a version is a number from 1 on, not ${to}`);
}

/** What is kept of a directory, as steps. */
export function* listVersions(os: Os, given: string): Steps<KeptVersion[]> {
  try {
    const { dir, name } = yield* locateDir(os, given);
    const { history } = swapPaths(dir, name);
    const kept: KeptVersion[] = [];
    for (const version of yield* versionsIn(os, history)) {
      const path = inside(history, `${version}`);
      const stat = yield* look(os, path);
      // Another process may just have removed it.
      if (stat !== undefined) kept.push({ version, path, replaced: new Date(stat.ctime) });
    }
    return kept;
  } catch (error) {
    throw inWords(error, "list the versions of", given, "unchanged");
  }
}

function* versionsIn(os: Os, history: string): Steps<number[]> {
  return (yield* look(os, history)) === undefined ? [] : yield* versions(os, history);
}

function inWords(error: unknown, operation: string, target: string, outcome: Outcome): unknown {
  return describe(error, { operation, target, outcome, existed: true, path: target });
}

/** A rollback, as steps; a rehearsal does all but that. */
export function* rollBack(
  os: Os,
  given: string,
  to: number | undefined,
  settings: RollbackSettings,
  rehearsal: boolean = false,
): Steps<RollbackResult> {
  let outcome: Outcome = "unchanged";
  let held: HeldLock | undefined;
  const warnings: string[] = [];
  try {
    settings.signal?.throwIfAborted();
    const { dir, name, path } = yield* locateDir(os, given);
    const paths = { ...swapPaths(dir, name), live: path };
    if (settings.lock) held = yield* acquireLock(os, dir, name, settings);
    warnings.push(...yield* recoverDir(os, dir, name, paths, settings));
    const all = yield* versionsIn(os, paths.history);
    const version = chooseVersion(given, all, to);
    const before = yield* look(os, path);
    if (before !== undefined && before.kind !== "directory") {
      throw new Refusal("ENOTDIR", path, "it is not a directory (ENOTDIR)");
    }
    const staging = inside(paths.history, `${version}`);
    const { dev } = yield* os.lstat(staging);
    const choice = yield* chooseSwap(os, dir, dev, settings.swap);
    if (rehearsal) {
      const swap = before === undefined ? "create" : choice.exchange ? "exchange" : "rename";
      const kept = before === undefined ? undefined : all.at(-1)! + 1;
      return { path: given, version, kept, swap, durability: settings.durability, warnings };
    }
    // It may have been written without a sync.
    if (settings.durability !== "none") yield* syncTree(os, staging, settings.signal);
    settings.signal?.throwIfAborted();
    const told = (now: Outcome): void => void (outcome = now);
    const swap: Swap = yield* swapAndTell(os, { ...paths, staging }, choice, before, told);
    let kept: number | undefined;
    if (swap !== "create") {
      const previous = swap === "exchange" ? staging : paths.old;
      kept = yield* addVersion(os, paths.history, previous, all.at(-1));
    }
    let durability: Durability = settings.durability;
    if (durability === "full") {
      const synced = [yield* syncDir(os, paths.history), yield* syncDir(os, dir)];
      if (synced.includes(false)) durability = "file";
    }
    return { path: given, version, kept, swap, durability, warnings };
  } catch (error) {
    throw inWords(error, "roll back", given, outcome);
  } finally {
    const error = held && (yield* caught(releaseLock(os, held)));
    if (error !== undefined) {
      warnings.push(`the lock file ${JSON.stringify(held!.path)} could not be removed`);
    }
  }
}

function chooseVersion(given: string, all: number[], to: number | undefined): number {
  const version = to ?? all.at(-1);
  if (version !== undefined && all.includes(version)) return version;
  const there = all.length === 0 ? "none is kept (keep)" : `there are ${all.join(", ")}`;
  const what = version === undefined
    ? "there is no version to go back to"
    : `no version ${version}`;
  throw new Refusal("ENOENT", given, `${what}: ${there} (ENOENT)`);
}
