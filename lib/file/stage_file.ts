/** Stages one file piece by piece, and then commits or discards it, as the caller decides. */

import { toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { BlockWriter } from "../stage/block_writer.ts";
import { type Chunk, ChunkEncoder } from "../stage/content.ts";
import { asyncMethods, StageLifecycle, syncMethods } from "../stage/lifecycle.ts";
import { type FileOptions, fileSettings, type WriteResult } from "./file_options.ts";
import { FileStage } from "./file_stage.ts";

/**
 * Stages a new version of a file. It is written to a hidden file beside the target, and `commit()` makes
 * it the target's content. Without a commit, or if the process dies, the target stays unchanged. Otherwise
 * the same as {@link atomicWrite}, options and permissions included.
 *
 * @param path The file. Missing directories above it are created.
 * @param options Options; see {@link FileOptions}.
 * @returns The staged file, to be committed or discarded.
 * @throws {TypeError | RangeError} If an argument is invalid; thrown before anything is touched.
 * @throws {UntornError} If the file cannot be staged; nothing was changed.
 *
 * @example A download that appears only when it is complete
 * ```ts
 * import { stageFile } from "@untorn/untorn";
 * import { mkdtemp, readFile, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * const staged = await stageFile(`${dir}/page.html`);
 * try {
 *   await new Response("<p>hello").body!.pipeTo(staged.writable);
 *   await staged.commit();
 * } finally {
 *   await staged.discard(); // does nothing after a commit
 * }
 * if (await readFile(`${dir}/page.html`, "utf8") !== "<p>hello") throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export async function stageFile(path: string | URL, options?: FileOptions): Promise<StagedFile> {
  const { write, commit, discard } = asyncMethods(
    await runOnSystem((os) => openStage(os, path, options)),
  );
  const writable = new WritableStream({ write, abort: discard });
  return { write, writable, commit, discard, [Symbol.asyncDispose]: discard };
}

/** Synchronous version of {@link stageFile}; the staged file's methods are synchronous, too. */
export function stageFileSync(path: string | URL, options?: FileOptions): StagedFileSync {
  const methods = syncMethods(runOnSystemSync((os) => openStage(os, path, options)));
  return { ...methods, [Symbol.dispose]: methods.discard };
}

/** A staged version of a file, as returned by {@link stageFile}. */
export interface StagedFile extends AsyncDisposable {
  /**
   * Appends to the content. Calls that are not awaited keep their order. After an `UntornError`, everything
   * that was staged has been removed.
   *
   * @param chunk Text (as UTF-8) or bytes. Bytes must not be modified until the promise settles.
   */
  write(chunk: Chunk): Promise<void>;
  /** A stream that appends to the content. Closing it does not commit; aborting it discards. */
  readonly writable: WritableStream<Chunk>;
  /** Makes what was written the file's content, after all earlier calls. */
  commit(): Promise<WriteResult>;
  /** Removes what was staged; does nothing after a commit. `await using` calls it at the end of its block. */
  discard(): Promise<void>;
}

/** A staged version of a file, as returned by {@link stageFileSync}. */
export interface StagedFileSync extends Disposable {
  /** See {@link StagedFile.write}. */
  write(chunk: Chunk): void;
  /** See {@link StagedFile.commit}. */
  commit(): WriteResult;
  /** See {@link StagedFile.discard}. `using` calls it at the end of its block. */
  discard(): void;
}

/** The methods of a staged file, as steps. */
type StageMethods = {
  write: (chunk: Chunk) => Steps<void>;
  commit: () => Steps<WriteResult>;
  discard: () => Steps<void>;
};

function* openStage(
  os: Os,
  path: string | URL,
  options: FileOptions | undefined,
): Steps<StageMethods> {
  const given = toPath(path);
  const settings = fileSettings(options);
  const stage = new FileStage(os, given, settings);
  const lifecycle = new StageLifecycle(given, stage);
  const writer = new BlockWriter(stage, settings);
  const encoder = new ChunkEncoder();
  yield* lifecycle.attempt(stage.find());
  yield* lifecycle.attempt(stage.create());
  return {
    *write(chunk) {
      lifecycle.expectOpen();
      // An invalid chunk is the caller's mistake, and does not fail the stage.
      const bytes = encoder.encode(chunk);
      yield* lifecycle.attempt(writer.add(bytes));
    },
    *commit() {
      if (lifecycle.isOpen) {
        encoder.end();
        yield* lifecycle.attempt(writer.finish());
      }
      return yield* lifecycle.commit();
    },
    discard: () => lifecycle.discard(),
  };
}
