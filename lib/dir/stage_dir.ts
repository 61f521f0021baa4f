/** Stages one directory, which the caller fills, and then commits or discards. */

import { checkEntryName, toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import {
  asyncSource,
  type Content,
  type Source,
  type SyncContent,
  syncSource,
} from "../stage/content.ts";
import {
  asyncMethods,
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
 * Stages a new version of a directory. It is filled with `write()`, or by any other means at `path`, and
 * replaces the directory with `commit()`. Everything else, including options and permissions, is as for
 * {@link persistDir}. The directory stays locked until the commit or `discard()`.
 *
 * @param dir The directory. Missing directories above it are created.
 * @param options Options; see {@link DirOptions}.
 * @returns The staged version, to be committed or discarded.
 * @throws {TypeError | RangeError} If an argument is invalid; thrown before anything is touched.
 * @throws {UntornError} If the version could not be staged; nothing was changed.
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

/** A staged version of a directory, as {@link stageDir} returns it. */
export interface StagedDir extends AsyncDisposable {
  /** The directory to fill, beside the target and on the same file system. */
  readonly path: string;
  /**
   * Writes an entry. If it fails with an `UntornError`, everything that was staged has been removed.
   *
   * @param relative Its path in the directory. Missing directories above it are created.
   * @param content Text (as UTF-8), bytes, a Blob, or a stream or iterable of text and bytes.
   */
  write(relative: string, content: Content): Promise<void>;
  /** Replaces the directory by the staged version, after all writes that were called before. */
  commit(): Promise<PersistResult>;
  /** Removes the staged version; does nothing after a commit. `await using` calls it at the end. */
  discard(): Promise<void>;
}

/** A staged version of a directory, as {@link stageDirSync} returns it. */
export interface StagedDirSync extends Disposable, Pick<StagedDir, "path"> {
  /** See {@link StagedDir.write}; `content` is text (as UTF-8), bytes, or an iterable of them. */
  write(relative: string, content: SyncContent): void;
  /** See {@link StagedDir.commit}. */
  commit(): PersistResult;
  /** See {@link StagedDir.discard}; `using` calls it at the end. */
  discard(): void;
}

/** A staged directory as steps, which both forms share. */
export class StagedDirSteps extends StageLifecycle<PersistResult> {
  readonly #stage: DirReplacement;

  constructor(os: Os, given: string, settings: DirSettings) {
    const stage = new DirReplacement(os, given, settings);
    super(given, stage, settings.signal);
    this.#stage = stage;
  }

  get path(): string {
    return this.#stage.path;
  }

  open(): Steps<void> {
    return this.attempt(this.#stage.open());
  }

  #methods(toSource: (content: never) => Source) {
    return {
      write: (relative: string, content: never): Steps<void> => {
        checkEntryName(relative);
        return this.attempt(this.#stage.write(relative, toSource(content)));
      },
      commit: () => this.commit(),
      discard: () => this.discard(),
    };
  }

  /** The asynchronous form. The commit fails with the error of a write that is not awaited. */
  asyncForm(inOrder: Queue = queue()): StagedDir {
    const methods = asyncMethods(this.#methods(asyncSource), inOrder);
    return { path: this.path, ...methods, [Symbol.asyncDispose]: methods.discard };
  }

  syncForm(): StagedDirSync {
    const methods = syncMethods(this.#methods(syncSource));
    return { path: this.path, ...methods, [Symbol.dispose]: methods.discard };
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
