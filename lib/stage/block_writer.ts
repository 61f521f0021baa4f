/**
 * Gathers content into blocks on its way into a staged file: a thousand short lines cost one call. Large
 * chunks pass as they are, in parts between which an abort or a progress report can take place.
 */

import type { Steps } from "../core/steps.ts";
import { cancel, ChunkEncoder, nextBytes, type Source } from "./content.ts";

/** The size of a gathered block, in bytes: enough to be written in the background. */
const GATHERED = 256 * 1024;

/** The most bytes written at once if there is a signal or a progress callback. */
const WATCHED = 1024 * 1024;

/** How a write can be aborted, and reports its progress. */
interface Watch {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** The progress of a write. */
export interface Progress {
  /** Bytes written so far. */
  bytes: number;
  /** The size of the whole content in bytes, if known. */
  total: number | undefined;
}

/** The destination of the blocks. */
interface Sink {
  write(bytes: Uint8Array): Steps<void>;
}

/** Writes chunks of any size to a sink. */
export class BlockWriter {
  readonly #sink: Sink;
  readonly #watch: Watch;
  readonly #total: number | undefined;
  readonly #isWatched: boolean;
  #gathered: Uint8Array | undefined;
  #length = 0;
  #written = 0;

  /** `total` is the size of the content, if known. */
  constructor(sink: Sink, watch: Watch, total?: number) {
    this.#sink = sink;
    this.#watch = watch;
    this.#total = total;
    this.#isWatched = watch.signal !== undefined || watch.onProgress !== undefined;
  }

  /** Writes a source to its end. If that fails, the source is cancelled. */
  writeAll(source: Source): Steps<void> {
    if (source.whole === undefined) return this.#addAll(source);
    return this.#isWatched ? this.#write(source.whole) : this.#sink.write(source.whole);
  }

  *#addAll(source: Source & { whole: undefined }): Steps<void> {
    const { signal } = this.#watch;
    const encoder = new ChunkEncoder();
    try {
      for (;;) {
        const bytes = yield* nextBytes(source.chunks, encoder, signal);
        if (bytes === undefined) break;
        yield* this.add(bytes);
      }
      yield* this.finish();
    } catch (error) {
      yield* cancel(source, signal);
      throw error;
    }
  }

  /** Adds a chunk, which may be modified afterwards. */
  *add(bytes: Uint8Array): Steps<void> {
    if (this.#length + bytes.length > GATHERED) yield* this.#flush();
    if (bytes.length > GATHERED) return yield* this.#write(bytes);
    this.#gathered ??= new Uint8Array(GATHERED);
    this.#gathered.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Writes the last block. */
  *finish(): Steps<void> {
    yield* this.#flush();
    if (this.#written === 0) this.#report();
  }

  *#flush(): Steps<void> {
    const length = this.#length;
    this.#length = 0;
    if (length > 0) yield* this.#write(this.#gathered!.subarray(0, length));
  }

  *#write(bytes: Uint8Array): Steps<void> {
    const most = this.#isWatched ? WATCHED : Infinity;
    for (let at = 0; at < bytes.length; at += most) {
      this.#watch.signal?.throwIfAborted();
      const part = bytes.subarray(at, at + most);
      yield* this.#sink.write(part);
      this.#written += part.length;
      this.#report();
    }
    if (this.#written === 0) this.#report();
  }

  #report(): void {
    this.#watch.onProgress?.({ bytes: this.#written, total: this.#total });
  }
}
