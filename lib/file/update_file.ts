/** Reads, changes and writes back one file under its lock. */

import { isMissing, OsError, RefusedError } from "../core/errors.ts";
import { inside, toPath } from "../core/paths.ts";
import { type Steps, waitFor } from "../core/steps.ts";
import { describeFailure } from "../fs/failure.ts";
import { readAll } from "../fs/io.ts";
import { isListed, whileStale } from "../fs/shared_fs.ts";
import { syncDir } from "../fs/sync.ts";
import {
  locate,
  lstatOrUndefined,
  makeDirs,
  type NewDirs,
  removeDirs,
  type Target,
} from "../fs/target.ts";
import { acquireLock, type HeldLock, releaseLock, releaseQuietly } from "../lock/lock_file.ts";
import { runWithin } from "../lock/turns.ts";
import { whyNoLocks } from "../os/permissions.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import {
  asyncSource,
  type Content,
  type Source,
  type SyncContent,
  syncSource,
  toJson,
  unlessAborted,
} from "../stage/content.ts";
import { errorOfCaller } from "../stage/lifecycle.ts";
import { writeFile } from "./atomic_write.ts";
import {
  splitIndent,
  UPDATE_TABLE,
  type UpdateJsonOptions,
  type UpdateOptions,
  type UpdateSettings,
  updateSettings,
  type WriteResult,
} from "./file_options.ts";

/** The result of an update. */
export interface UpdateResult extends WriteResult {
  /** Problems that arose after the update was complete; empty if there were none. */
  warnings: string[];
}

/**
 * Reads a file, lets a function change its content, and writes the result back, all under the file's lock.
 * Of several concurrent updates, in any number of processes, each sees what the one before it wrote. The
 * lock keeps out only those who take it, not those who write without it. If the function throws, nothing is
 * changed; if it returns the same bytes, nothing is written.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory of the file.
 *
 * @param path The file. If it is missing, it is created.
 * @param change Receives the file's bytes, or `undefined` if there is no file, and returns the new content.
 * An update of the same path in it is refused (`ERR_LOCKED`): it would wait for itself.
 * @param options Options; see {@link UpdateOptions}.
 * @returns A summary of the update; `changed` is false if the content stayed the same.
 * @throws {TypeError | RangeError} If an argument is invalid; nothing was changed.
 * @throws {UntornError} If the update fails; `outcome` says which version stands. The code is `ERR_SOURCE`
 * if the function threw (see `cause`), `ERR_LOCKED` if another process held the lock for longer than
 * `wait`, and `ERR_UNSUPPORTED` if the runtime has no kernel locks (Node without `node:ffi`).
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
export function updateFile(
  path: string | URL,
  change: (bytes: Uint8Array | undefined) => Content | Promise<Content>,
  options?: UpdateOptions,
): Promise<UpdateResult> {
  return runOnSystem((os) =>
    update(os, toPath(path), change, asyncSource, updateSettings(options))
  );
}

/** Synchronous version of {@link updateFile}. Waiting for the lock blocks the whole program. */
export function updateFileSync(
  path: string | URL,
  change: (bytes: Uint8Array | undefined) => SyncContent,
  options?: UpdateOptions,
): UpdateResult {
  return runOnSystemSync((os) =>
    update(os, toPath(path), change, syncSource, updateSettings(options))
  );
}

/**
 * Reads a JSON file, lets a function change its value, and writes the result back. Otherwise the same as
 * {@link updateFile}. If the file is not JSON, the call fails and leaves it unchanged.
 *
 * @param path The file. If it is missing, it is created.
 * @param change Receives the value, or `undefined` if there is no file, and returns the new value.
 * @param options Options; see {@link UpdateJsonOptions}.
 * @returns A summary of the update; `changed` is false if the text stayed the same.
 * @throws {TypeError | RangeError} If the value has no JSON form, or an argument is invalid.
 * @throws {UntornError} If the update fails; `outcome` says which version stands.
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
export function updateJson<T = unknown>(
  path: string | URL,
  change: (value: T | undefined) => T | Promise<T>,
  options?: UpdateJsonOptions,
): Promise<UpdateResult> {
  return runOnSystem((os) => updateValue(os, path, change, options));
}

/** Synchronous version of {@link updateJson}. Waiting for the lock blocks the whole program. */
export function updateJsonSync<T = unknown>(
  path: string | URL,
  change: (value: T | undefined) => T,
  options?: UpdateJsonOptions,
): UpdateResult {
  return runOnSystemSync((os) => updateValue(os, path, change, options));
}

function updateValue<T>(
  os: Os,
  path: string | URL,
  change: (value: T | undefined) => unknown,
  options: UpdateJsonOptions | undefined,
): Steps<UpdateResult> {
  const { indent, rest } = splitIndent(options, UPDATE_TABLE);
  const toSource = (value: unknown): Source => syncSource(toJson(value, indent));
  return update(os, toPath(path), change, toSource, updateSettings(rest), parseJson);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new Error(`the file is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** Updates a file, as steps; `change` receives what `parse` returns. */
export function* update(
  os: Os,
  given: string,
  change: (content: never) => unknown,
  toSource: (content: never) => Source,
  settings: UpdateSettings,
  parse: (bytes: Uint8Array) => unknown = (bytes) => bytes,
): Steps<UpdateResult> {
  if (typeof change !== "function") {
    throw new TypeError(`the change must be a function, not ${typeof change}`);
  }
  const dirs: NewDirs = { made: [], parents: [] };
  const warnings: string[] = [];
  let held: HeldLock | undefined;
  let path = given;
  try {
    const found = yield* lockTarget(os, given, settings, dirs);
    held = found.held;
    path = found.target.path;
    const bytes = yield* whileStale(os, found.target.dir, () => readIfThere(os, found.target));
    const onContent = (): unknown => change((bytes && parse(bytes)) as never);
    const run = held === undefined ? onContent : runWithin(held.path, onContent);
    const source = toSource((yield* callerAnswer(run, settings.signal)) as never);
    if (settings.durability === "full") {
      for (const parent of dirs.parents) yield* syncDir(os, parent);
    }
    const result = yield* writeFile(os, path, source, settings);
    dirs.made = [];
    return { ...result, path: given, warnings };
  } catch (error) {
    throw describeFailure(error, "update", given, { existed: true, path });
  } finally {
    yield* releaseQuietly(os, held, warnings);
    yield* removeDirs(os, dirs);
  }
}

/** Locks the file that a path leads to; it may lead to another one by the time the lock is taken. */
function* lockTarget(
  os: Os,
  given: string,
  settings: UpdateSettings,
  dirs: NewDirs,
): Steps<{ target: Target; held: HeldLock | undefined }> {
  if (settings.lock && !(yield* os.canLock())) {
    const why = `this runtime has no kernel locks (${whyNoLocks()}), without which concurrent ` +
      "updates are lost; use another runtime, or accept the risk (lock: false)";
    throw new RefusedError("ERR_UNSUPPORTED", given, why);
  }
  const find = (): Steps<Target> => locate(os, given, settings.followSymlink);
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
    let isSame = false;
    try {
      const now = yield* find();
      isSame = now.path === target.path;
      if (isSame) return { target: now, held };
    } finally {
      if (!isSame) yield* releaseLock(os, held);
    }
  }
}

/** Reads a file; undefined if there is none. Anything but a file is refused later, by the write. */
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
  // GlusterFS reports ENOENT for a file that another machine has just replaced: it does not mean "no file".
  if (yield* isListed(os, dir, name)) throw new OsError("ESTALE", "open", path);
  return undefined;
}

/** Runs the caller's function, and waits for its answer. */
function* callerAnswer(run: () => unknown, signal: AbortSignal | undefined): Steps<unknown> {
  const fail = (error: unknown): never => {
    throw errorOfCaller(error, signal);
  };
  let answer: unknown;
  try {
    answer = run();
  } catch (error) {
    fail(error);
  }
  // Only the promise's own error is the caller's: a promise in a synchronous update is a TypeError.
  if (answer instanceof Promise) answer = unlessAborted(answer, signal).catch(fail);
  return yield* waitFor(answer);
}
