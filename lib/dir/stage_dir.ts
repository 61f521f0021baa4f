/**
 * One directory, filled as the caller likes and then put in place, or not.
 */

import {
  asyncSource,
  type Content,
  type Source,
  type SyncContent,
  syncSource,
  unlessAborted,
} from "../stage/content.ts";
import {
  type DirOptions,
  type DirSettings,
  dirSettings,
  type PersistResult,
} from "./dir_options.ts";
import { DirStage } from "./dir_stage.ts";
import { OsError, Refusal, SourceError } from "../core/errors.ts";
import { systemCalls } from "../os/system.ts";
import type { Os } from "../os/port.ts";
import { checkEntryName, toPath } from "../core/paths.ts";
import { type Queue, queue, Staging } from "../stage/lifecycle.ts";
import { runAsync, runSync, type Steps } from "../core/steps.ts";

/**
 * Starts a new version of a directory. It is filled through `write()`, or by any other means at `path`;
 * it takes the directory's place with `commit()`. Otherwise the same as {@link persistDir}, options and
 * permissions included. The directory stays locked until the end.
 *
 * @param dir The directory. Missing ones above it are created.
 * @param options What differs from the defaults.
 * @returns The new version, to be committed or discarded.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When it failed; nothing was changed.
 *
 * @example A build that is published when it is complete
 * ```ts
 * import { stageDir } from "@untorn/untorn";
 * import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * const staged = await stageDir(`${dir}/out`);
 * try {
 *   await staged.write("a.js", "export {};");
 *   await writeFile(`${staged.path}/b.js`, "export {};"); // or any program that writes there
 *   await staged.commit();
 * } finally {
 *   await staged.discard(); // does nothing after a commit
 * }
 * if ((await readdir(`${dir}/out`)).length !== 2) throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export async function stageDir(dir: string | URL, options?: DirOptions): Promise<StagedDir> {
  const staged = new StagedDirSteps(systemCalls().async, toPath(dir), dirSettings(options));
  await runAsync(staged.open());
  return staged.asyncForm();
}

/**
 * The same as {@link stageDir}, with synchronous methods.
 *
 * @param dir The directory. Missing ones above it are created.
 * @param options What differs from the defaults.
 * @returns The new version, to be committed or discarded.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When it failed; nothing was changed.
 */
export function stageDirSync(dir: string | URL, options?: DirOptions): StagedDirSync {
  const staged = new StagedDirSteps(systemCalls().sync, toPath(dir), dirSettings(options));
  runSync(staged.open());
  return staged.syncForm();
}

/** A new version of a directory on its way, as {@link stageDir} returns it. */
export interface StagedDir extends AsyncDisposable {
  /** The directory to fill, beside the target and on the same file system. */
  readonly path: string;
  /**
   * Writes an entry. If this fails with an `UntornError`, all that was staged has been removed.
   *
   * @param relative Its path in the directory; directories above it are made.
   * @param content Text (as UTF-8), bytes, a Blob, or a stream or iterable of text and bytes.
   */
  write(relative: string, content: Content): Promise<void>;
  /** Puts what was staged in the directory's place, after all that was called before. */
  commit(): Promise<PersistResult>;
  /** Removes what was staged; does nothing after a commit. It is what `await using` does last. */
  discard(): Promise<void>;
}

/** A new version of a directory on its way, as {@link stageDirSync} returns it. */
export interface StagedDirSync extends Disposable {
  /** The directory to fill, beside the target and on the same file system. */
  readonly path: string;
  /**
   * Writes an entry. If this fails with an `UntornError`, all that was staged has been removed.
   *
   * @param relative Its path in the directory; directories above it are made.
   * @param content Text (as UTF-8), bytes, or an iterable of them.
   */
  write(relative: string, content: SyncContent): void;
  /** Puts what was staged in the directory's place. */
  commit(): PersistResult;
  /** Removes what was staged; does nothing after a commit. It is what `using` does last. */
  discard(): void;
}

/** What both forms of a staged directory do, as steps. */
export class StagedDirSteps {
  readonly #stage: DirStage;
  readonly #staging: Staging<PersistResult>;
  readonly #settings: DirSettings;

  constructor(os: Os, given: string, settings: DirSettings) {
    this.#settings = settings;
    this.#stage = new DirStage(os, given, settings);
    this.#staging = new Staging(given, this.#stage);
  }

  /** The staging directory. */
  get path(): string {
    return this.#stage.path;
  }

  *open(): Steps<void> {
    yield* this.#staging.attempt(this.#stage.open());
  }

  *write(relative: string, source: Source): Steps<void> {
    yield* this.#staging.attempt(this.#stage.write(relative, source));
  }

  /** Fails for what the caller's own filling of the stage threw. */
  *failFilling(error: unknown): Steps<never> {
    const { signal } = this.#settings;
    // The system's own errors, and what an abort gives as its reason, say what they are.
    const known = error instanceof OsError || error instanceof Refusal;
    if (known) return yield* this.#staging.failed(error);
    return yield* this.#staging.failed(signal?.aborted ? signal.reason : new SourceError(error));
  }

  *commit(): Steps<PersistResult> {
    return yield* this.#staging.commit();
  }

  *discard(): Steps<void> {
    yield* this.#staging.discard();
  }

  /** Lets a caller's function fill the stage, and commits what it did, awaited or not. */
  async fillLater(fill: (stage: StagedDir) => void | Promise<void>): Promise<PersistResult> {
    const inOrder = queue();
    const stage = this.asyncForm(inOrder);
    try {
      const filled = Promise.resolve(fill(stage));
      await unlessAborted(filled, this.#settings.signal);
    } catch (error) {
      return await inOrder(() => this.failFilling(error));
    }
    return await stage.commit();
  }

  asyncForm(inOrder: Queue = queue()): StagedDir {
    const discard = (): Promise<void> => inOrder(() => this.discard());
    return {
      path: this.path,
      // In the queue, so that the commit tells what a call that was not awaited met.
      write: (relative, content) =>
        inOrder(() => {
          checkEntryName(relative);
          return this.write(relative, asyncSource(content));
        }),
      commit: () => inOrder(() => this.commit()),
      discard,
      [Symbol.asyncDispose]: discard,
    };
  }

  syncForm(): StagedDirSync {
    const discard = (): void => runSync(this.discard());
    return {
      path: this.path,
      write: (relative, content) => {
        checkEntryName(relative);
        runSync(this.write(relative, syncSource(content)));
      },
      commit: () => runSync(this.commit()),
      discard,
      [Symbol.dispose]: discard,
    };
  }
}
