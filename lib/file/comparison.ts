/** Compares new content with an existing file block by block, in constant memory. */

import type { Steps } from "../core/steps.ts";
import { trySync } from "../fs/sync.ts";
import type { Handle, Os } from "../os/port.ts";

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

  /** Compares the next bytes. At the first difference, the file is closed. */
  *feed(bytes: Uint8Array, signal: AbortSignal | undefined): Steps<void> {
    for (let at = 0; at < bytes.length && this.#file !== undefined;) {
      signal?.throwIfAborted();
      const read = yield* this.#read(Math.min(BLOCK, bytes.length - at));
      const isSame = read.length > 0 && equal(read, bytes.subarray(at, at + read.length));
      if (!isSame) yield* this.close();
      at += read.length;
    }
  }

  /** Whether the bytes that were fed are the file's whole content. */
  *isWhole(): Steps<boolean> {
    return this.#file !== undefined && (yield* this.#read(1)).length === 0;
  }

  /** Syncs the file, which is at `path`; false where that needs a handle open for writing (Windows). */
  sync(path: string): Steps<boolean> {
    return trySync(this.#os, this.#file!, path);
  }

  /** Closes the file; from then on, no content equals it. */
  *close(): Steps<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) yield* this.#os.close(file);
  }

  *#read(most: number): Steps<Uint8Array> {
    if (this.#block.length < most) this.#block = new Uint8Array(most);
    const count = yield* this.#os.read(this.#file!, this.#block.subarray(0, most));
    return this.#block.subarray(0, count);
  }
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
