/**
 * One file, written piece by piece and then put in place, or not, as the caller decides.
 */

import { BlockWriter } from "../stage/block_writer.ts";
import { type Chunk, ChunkEncoder } from "../stage/content.ts";
import { FileStage } from "./file_stage.ts";
import {
  type FileOptions,
  type FileSettings,
  fileSettings,
  type WriteResult,
} from "./file_options.ts";
import { systemCalls } from "../os/system.ts";
import type { Os } from "../os/port.ts";
import { toPath } from "../core/paths.ts";
import { queue, StageLifecycle } from "../stage/lifecycle.ts";
import { runAsync, runSync, type Steps } from "../core/steps.ts";

/**
 * Starts a new version of a file. It is written to a hidden file beside the target, and becomes the
 * target's content with `commit()`; without that, or when the process dies, the target stays as it is.
 * Otherwise the same as {@link atomicWrite}, options and permissions included.
 *
 * @param path The file. Missing directories above it are created.
 * @param options What differs from the defaults.
 * @returns The new version, to be committed or discarded.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was touched.
 * @throws {UntornError} When it failed; nothing was changed.
 *
 * @example A download that appears when it is whole
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
export async function stageFile(
  path: string | URL,
  options?: FileOptions,
): Promise<StagedFile> {
  const staged = new Staged(
    systemCalls().async,
    toPath(path),
    fileSettings(options),
  );
  await runAsync(staged.open());
  return asyncForm(staged);
}

/**
 * The same as {@link stageFile}, with synchronous methods.
 *
 * @param path The file. Missing directories above it are created.
 * @param options What differs from the defaults.
 * @returns The new version, to be committed or discarded.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was touched.
 * @throws {UntornError} When it failed; nothing was changed.
 */
export function stageFileSync(path: string | URL, options?: FileOptions): StagedFileSync {
  const staged = new Staged(
    systemCalls().sync,
    toPath(path),
    fileSettings(options),
  );
  runSync(staged.open());
  return syncForm(staged);
}

/** A new version of a file on its way, as {@link stageFile} returns it. */
export interface StagedFile extends AsyncDisposable {
  /**
   * Adds to the content. Calls that are not awaited keep their order. If one fails with an
   * `UntornError`, all that was staged has been removed.
   *
   * @param chunk Text (as UTF-8) or bytes, which must not be changed until this has ended.
   */
  write(chunk: Chunk): Promise<void>;
  /** The content as a stream to pipe into. To close it does not commit; to abort it discards. */
  readonly writable: WritableStream<Chunk>;
  /** Makes what was written the file's content, after all that was called before. */
  commit(): Promise<WriteResult>;
  /** Removes what was written; does nothing after a commit. It is what `await using` does last. */
  discard(): Promise<void>;
}

/** A new version of a file on its way, as {@link stageFileSync} returns it. */
export interface StagedFileSync extends Disposable {
  /**
   * Adds to the content. If it fails with an `UntornError`, all that was staged has been removed.
   *
   * @param chunk Text (as UTF-8) or bytes.
   */
  write(chunk: Chunk): void;
  /** Makes what was written the file's content. */
  commit(): WriteResult;
  /** Removes what was written; does nothing after a commit. It is what `using` does last. */
  discard(): void;
}

function asyncForm(staged: Staged): StagedFile {
  const inOrder = queue();
  const write = (chunk: Chunk): Promise<void> => inOrder(() => staged.write(chunk));
  const discard = (): Promise<void> => inOrder(() => staged.discard());
  return {
    write,
    writable: new WritableStream({ write, abort: discard }),
    commit: () => inOrder(() => staged.commit()),
    discard,
    [Symbol.asyncDispose]: discard,
  };
}

function syncForm(staged: Staged): StagedFileSync {
  const discard = (): void => runSync(staged.discard());
  return {
    write: (chunk) => runSync(staged.write(chunk)),
    commit: () => runSync(staged.commit()),
    discard,
    [Symbol.dispose]: discard,
  };
}

/** What both forms of a staged file do, as steps. */
class Staged {
  readonly #stage: FileStage;
  readonly #staging: StageLifecycle<WriteResult>;
  readonly #writer: BlockWriter;
  readonly #encoder = new ChunkEncoder();

  constructor(os: Os, given: string, settings: FileSettings) {
    this.#stage = new FileStage(os, given, settings);
    this.#staging = new StageLifecycle(given, this.#stage);
    this.#writer = new BlockWriter(this.#stage, settings);
  }

  *open(): Steps<void> {
    yield* this.#staging.attempt(this.#stage.find());
    yield* this.#staging.attempt(this.#stage.create());
  }

  *write(chunk: Chunk): Steps<void> {
    this.#staging.expectOpen();
    // A chunk that is none is the caller's mistake: what is staged stays good.
    const bytes = this.#encoder.encode(chunk);
    yield* this.#staging.attempt(this.#writer.add(bytes));
  }

  *commit(): Steps<WriteResult> {
    if (this.#staging.isOpen) {
      this.#encoder.end();
      yield* this.#staging.attempt(this.#writer.finish());
    }
    return yield* this.#staging.commit();
  }

  *discard(): Steps<void> {
    yield* this.#staging.discard();
  }
}
