/**
 * Whether what is being written is what the file holds already: told block by block, so that a stream
 * of any length takes constant memory.
 */

import { trySync } from "../fs/sync.ts";
import type { Handle, Os } from "../os/port.ts";
import type { Steps } from "../core/steps.ts";

const BLOCK = 256 * 1024;

/** An existing file, read in step with new content. */
export class Comparison {
  readonly #os: Os;
  #file: Handle | undefined;
  #block: Uint8Array = new Uint8Array(0);

  constructor(os: Os, file: Handle) {
    this.#os = os;
    this.#file = file;
  }

  /** Compares the next bytes, until the first that differ; the file is closed then. */
  *feed(bytes: Uint8Array, signal: AbortSignal | undefined): Steps<void> {
    for (let at = 0; at < bytes.length && this.#file !== undefined;) {
      signal?.throwIfAborted();
      const read = yield* this.#read(Math.min(BLOCK, bytes.length - at));
      if (read.length === 0 || !equal(read, bytes.subarray(at, at + read.length))) {
        yield* this.close();
      }
      at += read.length;
    }
  }

  /** Whether all that was fed is all that the file holds. */
  *isWhole(): Steps<boolean> {
    if (this.#file === undefined) return false;
    return (yield* this.#read(1)).length === 0;
  }

  /** Syncs the file, which was opened at that path; false where that takes a handle open for writing (Windows). */
  sync(path: string): Steps<boolean> {
    return trySync(this.#os, this.#file!, path);
  }

  /** Closes the file; nothing equals it from then on. */
  *close(): Steps<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) yield* this.#os.close(file);
  }

  *#read(most: number): Steps<Uint8Array> {
    if (this.#block.length < most) this.#block = new Uint8Array(most);
    const count = yield* this.#os.read(
      this.#file!,
      this.#block.subarray(0, most),
    );
    return this.#block.subarray(0, count);
  }
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
