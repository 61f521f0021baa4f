/**
 * A file is read, changed and written back while nobody else does the same: under its lock.
 */

import {
  asyncSource,
  type Content,
  type Source,
  type SyncContent,
  syncSource,
  toJson,
  unlessAborted,
} from "../stage/content.ts";
import { writeFile } from "./atomic_write.ts";
import { syncDir } from "../fs/sync.ts";
import { describeFailure } from "../fs/failure.ts";
import { catchOsError, isMissing, OsError, RefusedError, SourceError } from "../core/errors.ts";
import { acquireLock, type HeldLock, releaseLock } from "../lock/lock_file.ts";
import { systemCalls } from "../os/system.ts";
import { whyNoLocks } from "../os/permissions.ts";
import type { Os } from "../os/port.ts";
import { inside, toPath } from "../core/paths.ts";
import { readAll } from "../fs/io.ts";
import { isListed, whileStale } from "../fs/shared_fs.ts";
import { runAsync, runSync, type Steps, waitFor } from "../core/steps.ts";
import {
  locate,
  lstatOrUndefined,
  makeDirs,
  type NewDirs,
  removeDirs,
  type Target,
} from "../fs/target.ts";
import {
  type UpdateJsonOptions,
  updateJsonSettings,
  type UpdateOptions,
  type UpdateSettings,
  updateSettings,
  type WriteResult,
} from "./file_options.ts";

/** What an update has done. */
export interface UpdateResult extends WriteResult {
  /** What went wrong after it was done; empty if nothing did. */
  warnings: string[];
}

/**
 * Reads a file, lets a function change what is in it, and writes that back, all under the file's lock:
 * of several who update it at once, in any number of processes, each sees what the one before it wrote.
 * It keeps out those who take the lock, and not those who write without it. What the function throws
 * changes nothing, and if it returns the very same bytes, nothing is written.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory of the file.
 *
 * @param path The file. If it is missing, it is created.
 * @param change Gets the file's bytes, `undefined` if there is no file, and returns the new content. It
 * must not update or lock the same path itself: it would wait for itself.
 * @param options What differs from the defaults.
 * @returns What was done; `changed` is false if the content stayed the same.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When it failed; `outcome` says what stands now. The code is `ERR_SOURCE` if the
 * function threw (see `cause`), `ERR_LOCKED` if another held the lock for longer than `wait`, and
 * `ERR_UNSUPPORTED` where the runtime has no locks (Node without `node:ffi`).
 *
 * @example A log that several processes append to
 * ```ts
 * import { updateFile } from "@untorn/untorn";
 * import { mkdtemp, readFile, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * const add = (line: string) =>
 *   updateFile(`${dir}/log`, (bytes) => new TextDecoder().decode(bytes) + line + "\n");
 * await Promise.all([add("one"), add("two")]);
 * if ((await readFile(`${dir}/log`, "utf8")).length !== 8) throw new Error("lost");
 * await rm(dir, { recursive: true });
 * ```
 */
export async function updateFile(
  path: string | URL,
  change: (bytes: Uint8Array | undefined) => Content | Promise<Content>,
  options?: UpdateOptions,
): Promise<UpdateResult> {
  const os = systemCalls().async;
  return await runAsync(update(os, toPath(path), change, asyncSource, updateSettings(options)));
}

/**
 * The same as {@link updateFile}, done when it returns; waiting for the lock stops the whole program.
 *
 * @param path The file. If it is missing, it is created.
 * @param change Gets the file's bytes, `undefined` if there is no file, and returns the new content.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When it failed; `outcome` says what stands now.
 */
export function updateFileSync(
  path: string | URL,
  change: (bytes: Uint8Array | undefined) => SyncContent,
  options?: UpdateOptions,
): UpdateResult {
  const os = systemCalls().sync;
  return runSync(update(os, toPath(path), change, syncSource, updateSettings(options)));
}

/**
 * The same as {@link updateFile} for a JSON value. A file that is no JSON makes it fail, unchanged.
 *
 * @param path The file. If it is missing, it is created.
 * @param change Gets the value, `undefined` if there is no file, and returns the new one.
 * @param options What differs from the defaults.
 * @returns What was done; `changed` is false if the text stayed the same.
 * @throws {TypeError | RangeError} For a value that is no JSON, or a mistake in the call.
 * @throws {UntornError} When it failed; `outcome` says what stands now.
 *
 * @example A counter
 * ```ts
 * import { updateJson } from "@untorn/untorn";
 * import { mkdtemp, readFile, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * const count = () => updateJson<number>(`${dir}/count.json`, (value = 0) => value + 1);
 * await Promise.all([count(), count(), count()]);
 * if (await readFile(`${dir}/count.json`, "utf8") !== "3\n") throw new Error("lost");
 * await rm(dir, { recursive: true });
 * ```
 */
export async function updateJson<T = unknown>(
  path: string | URL,
  change: (value: T | undefined) => T | Promise<T>,
  options?: UpdateJsonOptions,
): Promise<UpdateResult> {
  const { indent, update: settings } = updateJsonSettings(options);
  const os = systemCalls().async;
  return await runAsync(update(os, toPath(path), onJson(change), inText(indent), settings));
}

/**
 * The same as {@link updateJson}, done when it returns; waiting for the lock stops the whole program.
 *
 * @param path The file. If it is missing, it is created.
 * @param change Gets the value, `undefined` if there is no file, and returns the new one.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a value that is no JSON, or a mistake in the call.
 * @throws {UntornError} When it failed; `outcome` says what stands now.
 */
export function updateJsonSync<T = unknown>(
  path: string | URL,
  change: (value: T | undefined) => T,
  options?: UpdateJsonOptions,
): UpdateResult {
  const { indent, update: settings } = updateJsonSettings(options);
  const os = systemCalls().sync;
  return runSync(update(os, toPath(path), onJson(change), inText(indent), settings));
}

function onJson<T>(change: (value: T | undefined) => unknown): (bytes?: Uint8Array) => unknown {
  checkFunction(change);
  return (bytes) => {
    if (bytes === undefined) return change(undefined);
    let value: T;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch (error) {
      throw new Error(`the file is not JSON: ${(error as Error).message}`, { cause: error });
    }
    return change(value);
  };
}

function inText(indent: number | string): (value: unknown) => Source {
  return (value) => syncSource(toJson(value, indent));
}

function checkFunction(change: unknown): void {
  if (typeof change === "function") return;
  throw new TypeError(`the change must be a function, not ${typeof change}`);
}

/** An update, as steps. */
export function* update(
  os: Os,
  given: string,
  change: (bytes: Uint8Array | undefined) => unknown,
  toSource: (content: never) => Source,
  settings: UpdateSettings,
): Steps<UpdateResult> {
  checkFunction(change);
  const dirs: NewDirs = { made: [], parents: [] };
  let held: HeldLock | undefined;
  let result: UpdateResult | undefined;
  let path = given;
  try {
    const found = yield* lockTarget(os, given, settings, dirs);
    held = found.held;
    path = found.target.path;
    const bytes = yield* whileStale(os, found.target.dir, () => readIfThere(os, found.target));
    const content = yield* changed(bytes, change, settings.signal);
    const source = toSource(content as never);
    if (settings.durability === "full") {
      for (const parent of dirs.parents) yield* syncDir(os, parent);
    }
    result = { ...yield* writeFile(os, path, source, settings), path: given, warnings: [] };
    dirs.made = [];
    return result;
  } catch (error) {
    throw describeFailure(error, "update", given, { existed: true, path });
  } finally {
    const error = held && (yield* catchOsError(releaseLock(os, held)));
    if (error !== undefined) {
      result?.warnings.push(`the lock file ${JSON.stringify(held!.path)} could not be removed`);
    }
    yield* removeDirs(os, dirs);
  }
}

/** A file's content; nothing if there is none. What is no file is refused when it is to be written. */
function* readIfThere(os: Os, { path, dir, name }: Target): Steps<Uint8Array | undefined> {
  const stat = yield* lstatOrUndefined(os, path);
  if (stat !== undefined) {
    if (stat.kind !== "file") return undefined;
    try {
      return yield* readAll(os, path);
    } catch (error) {
      if (!isMissing(error) || error.call !== "open") throw error;
    }
  }
  // So does GlusterFS answer for a file that another machine has just replaced: nothing may be made of that.
  if (yield* isListed(os, dir, name)) throw new OsError("ESTALE", "open", path);
  return undefined;
}

/** Locks what a path leads to; while it was waited for, that may have become something else. */
function* lockTarget(
  os: Os,
  given: string,
  settings: UpdateSettings,
  dirs: NewDirs,
): Steps<{ target: Target; held: HeldLock | undefined }> {
  const find = (): Steps<Target> => locate(os, given, settings.followSymlink);
  if (settings.lock && !(yield* os.canLock())) {
    const why =
      `this runtime has no kernel locks (${whyNoLocks()}), without which updates get lost; use ` +
      "another runtime, or take that risk (lock: false)";
    throw new RefusedError("ERR_UNSUPPORTED", given, why);
  }
  for (;;) {
    settings.signal?.throwIfAborted();
    const target = yield* find();
    const { dir, name } = target;
    if (name === "") throw new RefusedError("EISDIR", given, "it is a directory (EISDIR)");
    if (!settings.lock) return { target, held: undefined };
    if (settings.createParents && (yield* lstatOrUndefined(os, inside(dir, "."))) === undefined) {
      yield* makeDirs(os, dir, dirs);
    }
    const held = yield* acquireLock(os, dir, name, settings);
    let same = false;
    try {
      const now = yield* find();
      same = now.path === target.path;
      if (same) return { target: now, held };
    } finally {
      if (!same) yield* releaseLock(os, held);
    }
  }
}

/** What the caller's function makes of the content. */
function* changed(
  bytes: Uint8Array | undefined,
  change: (bytes: Uint8Array | undefined) => unknown,
  signal: AbortSignal | undefined,
): Steps<unknown> {
  const failed = (error: unknown): never => {
    signal?.throwIfAborted();
    throw error instanceof OsError ? error : new SourceError(error);
  };
  let answer: unknown;
  try {
    answer = change(bytes);
    if (answer instanceof Promise) answer = unlessAborted(answer, signal).catch(failed);
  } catch (error) {
    failed(error);
  }
  return yield* waitFor(answer);
}
