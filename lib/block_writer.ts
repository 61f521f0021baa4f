/**
 * Content on its way into a staged file: small chunks are gathered, so that a thousand short lines
 * cost one call; large ones pass as they are, in steps that an abort or a progress report can use.
 */

import type { FileStage } from "./file_stage.ts";
import type { FileSettings } from "./options.ts";
import type { Steps } from "./steps.ts";

/** Chunks are gathered up to this many bytes: enough to be written in the background. */
const GATHERED = 256 * 1024;

/** What is written at a time when somebody watches. */
const WATCHED = 1024 * 1024;

/** Writes chunks of any size to a stage. */
export class BlockWriter {
  readonly #stage: FileStage;
  readonly #settings: FileSettings;
  readonly #total: number | undefined;
  #gathered: Uint8Array | undefined;
  #length = 0;
  #written = 0;

  /** `total` is the size of the content, where it is known. */
  constructor(stage: FileStage, settings: FileSettings, total?: number) {
    this.#stage = stage;
    this.#settings = settings;
    this.#total = total;
  }

  /** Takes a chunk; it may be changed once this is done. */
  *add(bytes: Uint8Array): Steps<void> {
    if (this.#length + bytes.length > GATHERED) yield* this.#flush();
    if (bytes.length > GATHERED) return yield* this.#write(bytes);
    this.#gathered ??= new Uint8Array(GATHERED);
    this.#gathered.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Takes content that is all there is: nothing needs to be gathered. */
  *addWhole(bytes: Uint8Array): Steps<void> {
    yield* this.#write(bytes);
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
    const { signal, onProgress } = this.#settings;
    const block = signal === undefined && onProgress === undefined ? bytes.length : WATCHED;
    for (let at = 0; at < bytes.length; at += block) {
      signal?.throwIfAborted();
      const part = bytes.subarray(at, at + block);
      yield* this.#stage.write(part);
      this.#written += part.length;
      this.#report();
    }
  }

  #report(): void {
    this.#settings.onProgress?.({ bytes: this.#written, total: this.#total });
  }
}
