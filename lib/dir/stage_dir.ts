/**
 * One directory, filled as the caller likes and then put in place, or not.
 */

import { checkEntryName, toPath } from "../core/paths.ts";
import { runSync, type Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import {
  asyncSource,
  type Content,
  type Source,
  type SyncContent,
  syncSource,
  unlessAborted,
} from "../stage/content.ts";
import {
  asyncMethods,
  errorOfCaller,
  type Queue,
  queue,
  StageLifecycle,
  syncMethods,
} from "../stage/lifecycle.ts";
import {
  type DirOptions,
  type DirSettings,
  dirSettings,
  type PersistResult,
} from "./dir_options.ts";
import { DirReplacement } from "./publish.ts";

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
  return (await runOnSystem((os) => openStage(os, dir, options))).asyncForm();
}

/** Synchronous version of {@link stageDir}. */
export function stageDirSync(dir: string | URL, options?: DirOptions): StagedDirSync {
  return runOnSystemSync((os) => openStage(os, dir, options)).syncForm();
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

/** A staged directory, as steps that both forms share. */
export class StagedDirSteps {
  readonly #stage: DirReplacement;
  readonly #lifecycle: StageLifecycle<PersistResult>;
  readonly #signal: AbortSignal | undefined;

  constructor(os: Os, given: string, settings: DirSettings) {
    this.#signal = settings.signal;
    this.#stage = new DirReplacement(os, given, settings);
    this.#lifecycle = new StageLifecycle(given, this.#stage);
  }

  /** The staging directory. */
  get path(): string {
    return this.#stage.path;
  }

  open(): Steps<void> {
    return this.#lifecycle.attempt(this.#stage.open());
  }

  commit(): Steps<PersistResult> {
    return this.#lifecycle.commit();
  }

  discard(): Steps<void> {
    return this.#lifecycle.discard();
  }

  /** Fails for an error of the caller's own filling. */
  failFilling(error: unknown): Steps<never> {
    return this.#lifecycle.failed(errorOfCaller(error, this.#signal));
  }

  #methods(toSource: (content: never) => Source) {
    return {
      write: (relative: string, content: never): Steps<void> => {
        checkEntryName(relative);
        return this.#lifecycle.attempt(this.#stage.write(relative, toSource(content)));
      },
      commit: () => this.commit(),
      discard: () => this.discard(),
    };
  }

  /** The asynchronous form. A write that is not awaited reports its error at the commit. */
  asyncForm(inOrder: Queue = queue()): StagedDir {
    const methods = asyncMethods(this.#methods(asyncSource), inOrder);
    return { path: this.path, ...methods, [Symbol.asyncDispose]: methods.discard };
  }

  syncForm(): StagedDirSync {
    const methods = syncMethods(this.#methods(syncSource));
    return { path: this.path, ...methods, [Symbol.dispose]: methods.discard };
  }

  /** Lets a caller's function fill the stage, and commits it after all writes, awaited or not. */
  async fillAndCommit(fill: (stage: StagedDir) => void | Promise<void>): Promise<PersistResult> {
    const inOrder = queue();
    const stage = this.asyncForm(inOrder);
    try {
      await unlessAborted(Promise.resolve(fill(stage)), this.#signal);
    } catch (error) {
      return await inOrder(() => this.failFilling(error));
    }
    return await stage.commit();
  }

  fillAndCommitSync(fill: (stage: StagedDirSync) => void): PersistResult {
    try {
      const filled: unknown = fill(this.syncForm());
      if (filled instanceof Promise) throw new TypeError("the function must not be asynchronous");
    } catch (error) {
      return runSync(this.failFilling(error));
    }
    return runSync(this.commit());
  }
}

/** Opens a stage; its arguments are checked before anything is touched. */
export function* openStage(
  os: Os,
  dir: string | URL,
  options: DirOptions | undefined,
): Steps<StagedDirSteps> {
  const staged = new StagedDirSteps(os, toPath(dir), dirSettings(options));
  yield* staged.open();
  return staged;
}
