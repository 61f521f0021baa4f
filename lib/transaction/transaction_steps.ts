/** A transaction as steps, and the two forms in which a caller's function gets it. */

import { known, permissionBits } from "../core/options.ts";
import { checkEntryName } from "../core/paths.ts";
import { type Steps, waitFor } from "../core/steps.ts";
import type { DirStage } from "../dir/dir_stage.ts";
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
  errorOfCaller,
  type Queue,
  queue,
  StageLifecycle,
  syncMethods,
} from "../stage/lifecycle.ts";
import {
  type ChangeOptions,
  partSettings,
  type TransactionDirOptions,
  type TransactionResult,
  type TransactionSettings,
} from "./transaction_options.ts";
import { TransactionStage } from "./transaction_stage.ts";

/** A directory on its way, as the function is handed it that fills it. */
export interface DirWriter {
  /** The directory, which may be filled by any other means as well. */
  readonly path: string;
  /** Writes an entry, by its path in the directory; directories above it are made. */
  write(relative: string, content: Content): Promise<void>;
}

/** The same with synchronous methods. */
export interface DirWriterSync {
  /** See {@link DirWriter.path}. */
  readonly path: string;
  /** See {@link DirWriter.write}. */
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
    entries: DirEntries | ((stage: DirWriter) => void | Promise<void>),
    options?: TransactionDirOptions,
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
    entries: SyncDirEntries | ((stage: DirWriterSync) => void),
    options?: TransactionDirOptions,
  ): void;
  /** See {@link Transaction.remove}. */
  remove(path: string): boolean;
  /** See {@link Transaction.rename}. */
  rename(path: string, to: string): void;
}

/** Fills a staged directory by a caller's function. */
type FillDir = (dir: DirStage, fill: never) => Steps<void>;

/** A transaction on its way; a change that fails fails all of it. */
export class TransactionSteps {
  readonly #stage: TransactionStage;
  readonly #lifecycle: StageLifecycle<TransactionResult>;
  readonly #settings: TransactionSettings;

  constructor(os: Os, root: string, settings: TransactionSettings) {
    this.#settings = settings;
    this.#stage = new TransactionStage(os, root, settings);
    this.#lifecycle = new StageLifecycle(root, this.#stage);
  }

  get signal(): AbortSignal | undefined {
    return this.#settings.signal;
  }

  open(): Steps<void> {
    return this.#lifecycle.attempt(this.#stage.open());
  }

  /** Makes changes; a mistake in one fails the transaction, whether the caller awaits the change or not. */
  change<T>(steps: (stage: TransactionStage) => Steps<T>): Steps<T> {
    const stage = this.#stage;
    return this.#lifecycle.attempt(function* () {
      return yield* steps(stage);
    }());
  }

  /** Fails for an error of the caller's function; its mistakes in calls stay as they are. */
  failChanging(error: unknown): Steps<never> {
    const isMistake = error instanceof TypeError && !this.signal?.aborted;
    return this.#lifecycle.failed(isMistake ? error : errorOfCaller(error, this.signal));
  }

  commit(): Steps<TransactionResult> {
    return this.#lifecycle.commit();
  }

  discard(): Steps<void> {
    return this.#lifecycle.discard();
  }

  asyncForm(inOrder: Queue): Transaction {
    const fillDir = (dir: DirStage, fill: (stage: DirWriter) => unknown): Steps<void> =>
      fillLater(dir, fill, this.signal);
    return asyncMethods(this.#methods(asyncSource, fillDir), inOrder);
  }

  syncForm(): TransactionSync {
    return syncMethods(this.#methods(syncSource, fillNow));
  }

  #methods(toSource: (content: never) => Source, fillDir: FillDir) {
    const persist = function* (
      stage: TransactionStage,
      path: string,
      entries: DirEntries,
      settings: ReturnType<typeof partSettings>,
    ): Steps<void> {
      const source = new EntrySource(entries, toSource, settings.signal);
      try {
        yield* stage.persist(path, settings, (dir) => source.writeTo(dir));
      } catch (error) {
        yield* source.cancel();
        throw error;
      }
    };
    return {
      write: (path: string, content: never, options?: ChangeOptions) =>
        this.change((stage) => stage.write(path, toSource(content), modeOf(options))),
      writeJson: (path: string, value: unknown, options?: ChangeOptions) =>
        this.change((stage) => stage.write(path, syncSource(toJson(value, 2)), modeOf(options))),
      persistDir: (path: string, entries: never, options?: TransactionDirOptions) =>
        this.change((stage) => {
          const settings = partSettings(options, this.#settings);
          if (typeof entries !== "function") return persist(stage, path, entries, settings);
          return stage.persist(path, settings, (dir) => fillDir(dir, entries));
        }),
      remove: (path: string) => this.change((stage) => stage.remove(path)),
      rename: (path: string, to: string) => this.change((stage) => stage.rename(path, to)),
    };
  }
}

function* fillNow(dir: DirStage, fill: (stage: DirWriterSync) => void): Steps<void> {
  const { write } = syncMethods({
    write: (...args: [string, never]) => writeInto(dir, syncSource, ...args),
  });
  const filled: unknown = fill({ path: dir.path, write });
  if (filled instanceof Promise) throw new TypeError("the function must not be asynchronous");
  yield* waitFor(undefined);
}

/** Fills a directory, and waits for all writes, awaited or not; a failure of one fails the filling. */
function* fillLater(
  dir: DirStage,
  fill: (stage: DirWriter) => unknown,
  signal: AbortSignal | undefined,
): Steps<void> {
  const inOrder = queue();
  const errors: unknown[] = [];
  const { write } = asyncMethods({
    *write(relative: string, content: never): Steps<void> {
      try {
        yield* writeInto(dir, asyncSource, relative, content);
      } catch (error) {
        errors.push(error);
        throw error;
      }
    },
  }, inOrder);
  yield* waitFor(unlessAborted(Promise.resolve(fill({ path: dir.path, write })), signal));
  yield* waitFor(inOrder(() => waitFor(undefined)));
  if (errors.length > 0) throw errors[0];
}

function* writeInto(
  dir: DirStage,
  toSource: (content: never) => Source,
  relative: string,
  content: never,
): Steps<void> {
  checkEntryName(relative);
  yield* dir.write(relative, toSource(content));
}

function modeOf(options: ChangeOptions | undefined): number | undefined {
  return known(options, { mode: [permissionBits] }).mode;
}
