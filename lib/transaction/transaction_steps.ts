/** A transaction as steps, and the two forms in which a caller's function gets it. */

import { known, permissionBits } from "../core/options.ts";
import { checkEntryName } from "../core/paths.ts";
import { runSync, type Steps, waitFor } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import {
  asyncSource,
  type Content,
  type Source,
  type SyncContent,
  syncSource,
  toJson,
  unlessAborted,
} from "../stage/content.ts";
import { type DirEntries, EntrySource, type SyncDirEntries } from "../stage/entries.ts";
import {
  asyncMethods,
  type Queue,
  queue,
  StageLifecycle,
  syncMethods,
} from "../stage/lifecycle.ts";
import type { DirSettings } from "../dir/dir_options.ts";
import type { DirStage } from "../dir/dir_stage.ts";
import type { StagedDir, StagedDirSync } from "../dir/stage_dir.ts";
import {
  type ChangeOptions,
  partSettings,
  type TransactionDirOptions,
  type TransactionResult,
  type TransactionSettings,
} from "./transaction_options.ts";
import { TransactionStage } from "./transaction_stage.ts";

/** The changes that a transaction offers; all paths are below its root, relative to it or absolute. */
export interface Transaction {
  /**
   * Replaces or creates a file, and makes missing directories above it. Follows a symbolic link: the link
   * stays, and its target is replaced.
   */
  write(path: string, content: Content, options?: ChangeOptions): Promise<void>;
  /** Writes a value as JSON, indented by two spaces; otherwise like {@link Transaction.write}. */
  writeJson(path: string, value: unknown, options?: ChangeOptions): Promise<void>;
  /**
   * Replaces or creates a directory, as `persistDir` does, and carries over its other entries. The
   * directory is locked until the transaction ends. A function may fill it instead of entries.
   */
  persistDir(
    path: string,
    entries: DirEntries | ((stage: DirWriter) => void | Promise<void>),
    options?: TransactionDirOptions,
  ): Promise<void>;
  /** Removes a file, a link or a directory with its content; resolves to false if there is none. */
  remove(path: string): Promise<boolean>;
  /** Renames a file or a directory; a file may replace a file. */
  rename(path: string, to: string): Promise<void>;
}

/** The synchronous version of {@link Transaction}. */
export interface TransactionSync {
  /** See {@link Transaction.write}. */
  write(path: string, content: SyncContent, options?: ChangeOptions): void;
  /** See {@link Transaction.writeJson}. */
  writeJson(path: string, value: unknown, options?: ChangeOptions): void;
  /** See {@link Transaction.persistDir}. */
  persistDir(
    path: string,
    entries: SyncDirEntries | ((stage: DirWriterSync) => void),
    options?: TransactionDirOptions,
  ): void;
  /** See {@link Transaction.remove}. */
  remove(path: string): boolean;
  /** See {@link Transaction.rename}. */
  rename(path: string, to: string): void;
}

/** A staged directory, for the function that fills it. */
export type DirWriter = Pick<StagedDir, "path" | "write">;

/** The synchronous version of {@link DirWriter}. */
export type DirWriterSync = Pick<StagedDirSync, "path" | "write">;

/** Runs a caller's function that fills a staged directory. */
type FillDir = (dir: DirStage, fill: never) => Steps<void>;

/** A transaction as steps; the failure of one change fails all of it. */
export class TransactionSteps extends StageLifecycle<TransactionResult> {
  readonly #stage: TransactionStage;
  readonly #settings: TransactionSettings;

  constructor(os: Os, root: string, settings: TransactionSettings) {
    const stage = new TransactionStage(os, root, settings);
    super(root, stage, settings.signal);
    this.#stage = stage;
    this.#settings = settings;
  }

  open(): Steps<void> {
    return this.attempt(this.#stage.open());
  }

  /** Plans a change. An invalid argument fails the transaction, whether the caller awaits the change or not. */
  change<T>(steps: (stage: TransactionStage) => Steps<T>): Steps<T> {
    const stage = this.#stage;
    return this.attempt(function* () {
      return yield* steps(stage);
    }());
  }

  /** Fails for an error of the caller's function; a `TypeError` stays as it is. */
  override failFilling(error: unknown): Steps<never> {
    const isMistake = error instanceof TypeError && !this.#settings.signal?.aborted;
    return isMistake ? this.failed(error) : super.failFilling(error);
  }

  asyncForm(inOrder: Queue): Transaction {
    const fillDir: FillDir = (dir, fill) => fillAsync(dir, fill, this.#settings.signal);
    return asyncMethods(this.#methods(asyncSource, fillDir), inOrder);
  }

  syncForm(): TransactionSync {
    return syncMethods(this.#methods(syncSource, fillSync));
  }

  #methods(toSource: (content: never) => Source, fillDir: FillDir) {
    return {
      write: (path: string, content: never, options?: ChangeOptions) =>
        this.change((stage) => stage.write(path, toSource(content), modeOf(options))),
      writeJson: (path: string, value: unknown, options?: ChangeOptions) =>
        this.change((stage) => stage.write(path, syncSource(toJson(value, 2)), modeOf(options))),
      persistDir: (path: string, entries: never, options?: TransactionDirOptions) =>
        this.change((stage) => {
          const settings = partSettings(options, this.#settings);
          return typeof entries === "function"
            ? stage.persist(path, settings, (dir) => fillDir(dir, entries))
            : persistEntries(stage, path, entries, toSource, settings);
        }),
      remove: (path: string) => this.change((stage) => stage.remove(path)),
      rename: (path: string, to: string) => this.change((stage) => stage.rename(path, to)),
    };
  }
}

function modeOf(options: ChangeOptions | undefined): number | undefined {
  return known(options, { mode: [permissionBits] }).mode;
}

function* persistEntries(
  stage: TransactionStage,
  path: string,
  entries: DirEntries,
  toSource: (content: never) => Source,
  settings: DirSettings,
): Steps<void> {
  const source = new EntrySource(entries, toSource, settings.signal);
  try {
    yield* stage.persist(path, settings, (dir) => source.writeTo(dir));
  } catch (error) {
    yield* source.cancel();
    throw error;
  }
}

/** Fills a directory, and waits for all writes, awaited or not; the failure of one fails the filling. */
function* fillAsync(
  dir: DirStage,
  fill: (stage: DirWriter) => unknown,
  signal: AbortSignal | undefined,
): Steps<void> {
  const inOrder = queue();
  const writes: Promise<void>[] = [];
  const write = (...entry: [string, Content]): Promise<void> => {
    const written = inOrder(() => writeEntry(dir, asyncSource, ...entry));
    writes.push(written);
    return written;
  };
  yield* waitFor(unlessAborted(Promise.resolve(fill({ path: dir.path, write })), signal));
  yield* waitFor(Promise.allSettled(writes));
  yield* waitFor(Promise.all(writes));
}

function fillSync(dir: DirStage, fill: (stage: DirWriterSync) => unknown): Steps<void> {
  const write = (...entry: [string, SyncContent]): void =>
    runSync(writeEntry(dir, syncSource, ...entry));
  const filled = fill({ path: dir.path, write });
  if (filled instanceof Promise) throw new TypeError("the function must not be asynchronous");
  return waitFor(undefined);
}

function* writeEntry<C>(
  dir: DirStage,
  toSource: (content: C) => Source,
  relative: string,
  content: C,
): Steps<void> {
  checkEntryName(relative);
  yield* dir.write(relative, toSource(content));
}
