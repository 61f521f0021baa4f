/**
 * Several files and trees below one directory, changed together or not at all.
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
import type { DirSettings } from "../dir/dir_options.ts";
import {
  type PartOptions,
  partSettings,
  type TransactionOptions,
  type TransactionResult,
  transactionSettings,
} from "./transaction_options.ts";
import type { DirStage } from "../dir/dir_stage.ts";
import { type Entries, filling, type Supply, supply, type SyncEntries } from "../stage/entries.ts";
import { OsError, Refusal, SourceError } from "../core/errors.ts";
import { known, permissionBits } from "../core/options.ts";
import { systemCalls } from "../os/system.ts";
import { checkEntryName, toPath } from "../core/paths.ts";
import { queue, Staging } from "../stage/lifecycle.ts";
import { runAsync, runSync, settle, type Steps } from "../core/steps.ts";
import { TransactionStage } from "./transaction_stage.ts";

/** Options of a file that a transaction writes. */
export interface ChangeOptions {
  /** The permission bits, set exactly. When absent, an existing file's are kept. */
  mode?: number;
}

/** A directory on its way, as the function is handed it that fills it. */
export interface Filler {
  /** The directory, which may be filled by any other means as well. */
  readonly path: string;
  /** Writes an entry, by its path in the directory; directories above it are made. */
  write(relative: string, content: Content): Promise<void>;
}

/** The same with synchronous methods. */
export interface FillerSync {
  /** See {@link Filler.path}. */
  readonly path: string;
  /** See {@link Filler.write}. */
  write(relative: string, content: SyncContent): void;
}

/** What a transaction can change; all paths are below its root, relative to it or absolute. */
export interface Transaction {
  /**
   * Replaces or creates a file; directories above it are made. A link stays, what it leads to is
   * replaced.
   */
  write(path: string, content: Content, options?: ChangeOptions): Promise<void>;
  /** The same for a value as JSON, indented by two spaces. */
  writeJson(path: string, value: unknown, options?: ChangeOptions): Promise<void>;
  /**
   * Replaces or creates a directory, as `persistDir` does, with what it carries over; it is locked until
   * the transaction ends. A function may fill it instead of entries.
   */
  persistDir(
    path: string,
    entries: Entries | ((stage: Filler) => void | Promise<void>),
    options?: PartOptions,
  ): Promise<void>;
  /** Removes a file, a link or a directory with all that is in it; false if nothing is there. */
  remove(path: string): Promise<boolean>;
  /** Gives a file or a directory another name; a file may replace a file. */
  rename(path: string, to: string): Promise<void>;
}

/** What a synchronous transaction can change. */
export interface TransactionSync {
  /** See {@link Transaction.write}. */
  write(path: string, content: SyncContent, options?: ChangeOptions): void;
  /** See {@link Transaction.writeJson}. */
  writeJson(path: string, value: unknown, options?: ChangeOptions): void;
  /** See {@link Transaction.persistDir}. */
  persistDir(
    path: string,
    entries: SyncEntries | ((stage: FillerSync) => void),
    options?: PartOptions,
  ): void;
  /** See {@link Transaction.remove}. */
  remove(path: string): boolean;
  /** See {@link Transaction.rename}. */
  rename(path: string, to: string): void;
}

/**
 * Changes several files and trees below one directory: all of it happens, or nothing does, crashes and
 * power cuts included. Changes are staged as the function calls for them, and made when it has returned;
 * what it throws makes none. What a crash interrupts after that, the next transaction on the same root
 * or a `cleanup` of it brings to its end.
 *
 * Transactions on one root come one after the other, by its lock. A reader that does not take that lock
 * (see `lock`) may see one file changed and another not yet. A path may be named once, and nothing in it.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the root, and for the directory above
 * it, where its lock is.
 *
 * @param root The directory that all of it is in.
 * @param change Calls for the changes.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When it failed. With the outcome `"unchanged"` nothing was changed; with
 * `"replaced"` it is committed, and a cleanup makes what changes are still missing. The code is
 * `ERR_SOURCE` if the function threw (see `cause`).
 *
 * @example A settings file, and what was computed from it
 * ```ts
 * import { transaction } from "@untorn/untorn";
 * import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * await writeFile(`${dir}/old.css`, "p {}");
 * await transaction(dir, async (tx) => {
 *   await tx.writeJson("settings.json", { theme: "dark" });
 *   await tx.write("css/dark.css", "p { color: white }");
 *   await tx.remove("old.css");
 * });
 * if ((await readdir(dir)).sort().join() !== "css,settings.json") throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export async function transaction(
  root: string | URL,
  change: (tx: Transaction) => void | Promise<void>,
  options?: TransactionOptions,
): Promise<TransactionResult> {
  const { stage, staging, settings } = prepare(systemCalls().async, root, change, options);
  await runAsync(staging.attempt(stage.open()));
  const inOrder = queue();
  // Within the attempt, so that a mistake in a call that is not awaited fails the transaction too.
  const run = <T>(start: () => Steps<T>): Promise<T> =>
    inOrder(() => staging.attempt(started(start)));
  const write = (path: string, source: () => Source, options?: ChangeOptions): Promise<void> =>
    run(() => stage.write(path, source(), modeOf(options)));
  const tx: Transaction = {
    write: (path, content, options) => write(path, () => asyncSource(content), options),
    writeJson: (path, value, options) => write(path, () => syncSource(toJson(value, 2)), options),
    persistDir: (path, entries, options) =>
      run(() => {
        const part = partSettings(options, settings);
        if (typeof entries !== "function") {
          return persistFrom(stage, path, supply(entries), asyncSource, part);
        }
        return stage.persist(path, part, (dir) => fillLater(dir, entries, settings.signal));
      }),
    remove: (path) => run(() => stage.remove(path)),
    rename: (path, to) => run(() => stage.rename(path, to)),
  };
  try {
    await unlessAborted(Promise.resolve(change(tx)), settings.signal);
  } catch (error) {
    return await inOrder(() => staging.failed(told(error, settings.signal)));
  }
  return await inOrder(() => staging.commit());
}

/**
 * The same as {@link transaction}, done when it returns.
 *
 * @param root The directory that all of it is in.
 * @param change Calls for the changes.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When it failed; `outcome` says what stands now.
 */
export function transactionSync(
  root: string | URL,
  change: (tx: TransactionSync) => void,
  options?: TransactionOptions,
): TransactionResult {
  const { stage, staging, settings } = prepare(systemCalls().sync, root, change, options);
  runSync(staging.attempt(stage.open()));
  const run = <T>(start: () => Steps<T>): T => runSync(staging.attempt(started(start)));
  const tx: TransactionSync = {
    write: (path, content, options) =>
      run(() => stage.write(path, syncSource(content), modeOf(options))),
    writeJson: (path, value, options) =>
      run(() => stage.write(path, syncSource(toJson(value, 2)), modeOf(options))),
    persistDir: (path, entries, options) =>
      run(() => {
        const part = partSettings(options, settings);
        if (typeof entries !== "function") {
          return persistFrom(stage, path, supply(entries), syncSource, part);
        }
        return stage.persist(path, part, (dir) => fillNow(dir, entries));
      }),
    remove: (path) => run(() => stage.remove(path)),
    rename: (path, to) => run(() => stage.rename(path, to)),
  };
  try {
    const answer: unknown = change(tx);
    if (answer instanceof Promise) throw new TypeError("the function must not be asynchronous");
  } catch (error) {
    return runSync(staging.failed(told(error, settings.signal)));
  }
  return runSync(staging.commit());
}

function prepare(
  os: ReturnType<typeof systemCalls>["sync"],
  root: string | URL,
  change: unknown,
  options: TransactionOptions | undefined,
) {
  const target = toPath(root);
  const settings = transactionSettings(options);
  if (typeof change !== "function") {
    throw new TypeError(`the change must be a function, not ${typeof change}`);
  }
  const stage = new TransactionStage(os, target, settings);
  return { stage, staging: new Staging<TransactionResult>(target, stage), settings };
}

function persistFrom(
  stage: TransactionStage,
  path: string,
  supply: Supply,
  toSource: (content: never) => Source,
  settings: DirSettings,
): Steps<void> {
  return filling(supply, toSource, settings.signal, (fill) => stage.persist(path, settings, fill));
}

function* fillNow(dir: DirStage, fill: (stage: FillerSync) => void): Steps<void> {
  const filled: unknown = fill({
    path: dir.path,
    write: (relative, content) => {
      checkEntryName(relative);
      runSync(dir.write(relative, syncSource(content)));
    },
  });
  if (filled instanceof Promise) throw new TypeError("the function must not be asynchronous");
  yield* settle(undefined);
}

function* fillLater(
  dir: DirStage,
  fill: (stage: Filler) => void | Promise<void>,
  signal: AbortSignal | undefined,
): Steps<void> {
  const inOrder = queue();
  let failed: { error: unknown } | undefined;
  const write = function* (relative: string, content: Content): Steps<void> {
    try {
      checkEntryName(relative);
      yield* dir.write(relative, asyncSource(content));
    } catch (error) {
      failed ??= { error };
      throw error;
    }
  };
  const filled = fill({
    path: dir.path,
    write: (relative, content) => inOrder(() => write(relative, content)),
  });
  yield* settle(unlessAborted(Promise.resolve(filled), signal));
  // After all that was called for, awaited or not.
  yield* settle(inOrder(() => settle(undefined)));
  if (failed !== undefined) throw failed.error;
}

function* started<T>(start: () => Steps<T>): Steps<T> {
  return yield* start();
}

function modeOf(options: ChangeOptions | undefined): number | undefined {
  return known(options, { mode: permissionBits }).mode;
}

/** The function's own errors are a source's; the system's, and an abort's reason, say what they are. */
function told(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  const says = error instanceof OsError || error instanceof Refusal || error instanceof TypeError;
  return says ? error : new SourceError(error);
}
