/**
 * Content on its way into a staged file: small chunks are gathered, so that a thousand short lines
 * cost one call; large ones pass as they are, in steps that an abort or a progress report can use.
 */

import { cancel, ChunkEncoder, nextBytes, type Source } from "./content.ts";
import type { Steps } from "../core/steps.ts";

/** Chunks are gathered up to this many bytes: enough to be written in the background. */
const GATHERED = 256 * 1024;

/** What is written at a time when somebody watches. */
const WATCHED = 1024 * 1024;

/** How a write is watched. */
export interface Watch {
  signal: AbortSignal | undefined;
  onProgress: ((progress: Progress) => void) | undefined;
}

/** What takes the blocks. */
export interface Sink {
  write(bytes: Uint8Array): Steps<void>;
}

/** Writes chunks of any size to a sink. */
export class BlockWriter {
  readonly #sink: Sink;
  readonly #settings: Watch;
  readonly #total: number | undefined;
  /** Whether the write may have to be aborted, or reported on, before all is written. */
  readonly #isWatched: boolean;
  #gathered: Uint8Array | undefined;
  #length = 0;
  #written = 0;

  /** `total` is the size of the content, where it is known. */
  constructor(sink: Sink, settings: Watch, total?: number) {
    this.#sink = sink;
    this.#settings = settings;
    this.#total = total;
    this.#isWatched = settings.signal !== undefined || settings.onProgress !== undefined;
  }

  /** Takes a chunk; it may be changed once this is done. */
  *add(bytes: Uint8Array): Steps<void> {
    if (this.#length + bytes.length > GATHERED) yield* this.#flush();
    if (bytes.length > GATHERED) return yield* this.#write(bytes);
    this.#gathered ??= new Uint8Array(GATHERED);
    this.#gathered.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Takes all of a source, and writes it; one that is not read to its end is cancelled. */
  writeAll(source: Source): Steps<void> {
    if (source.whole === undefined) return this.#addAll(source);
    return this.#isWatched ? this.#write(source.whole) : this.#sink.write(source.whole);
  }

  *#addAll(source: Source & { whole: undefined }): Steps<void> {
    const { signal } = this.#settings;
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

  /** Writes what is still gathered. */
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
    const isWhole = bytes.length <= WATCHED || !this.#isWatched;
    const block = isWhole ? bytes.length : WATCHED;
    for (let at = 0; at < bytes.length; at += block) {
      this.#settings.signal?.throwIfAborted();
      const part = isWhole ? bytes : bytes.subarray(at, at + block);
      yield* this.#sink.write(part);
      this.#written += part.length;
      this.#report();
    }
    if (this.#written === 0) this.#report();
  }

  #report(): void {
    this.#settings.onProgress?.({ bytes: this.#written, total: this.#total });
  }
}

/** How far a write has come. */
export interface Progress {
  /** Bytes written so far. */
  bytes: number;
  /** Bytes there are in all, where that is known. */
  total: number | undefined;
}
