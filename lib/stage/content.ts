/**
 * What can be written, as bytes: at once where it is in memory, else block by block in constant
 * memory. What is no content is refused before anything is touched.
 */

import { SourceError } from "../core/errors.ts";
import { isSmall } from "../os/inline_calls.ts";
import { type Steps, waitFor } from "../core/steps.ts";

/** A piece of content: text is written as UTF-8, a view with the bytes that it shows. */
export type Chunk = string | ArrayBufferView | ArrayBuffer;

/** Content of the synchronous functions. */
export type SyncContent = Chunk | Iterable<Chunk>;

/** Content of the asynchronous functions. */
export type Content =
  | SyncContent
  | Blob
  | ReadableStream<Chunk>
  | AsyncIterable<Chunk>;

/** Content on its way: whole in memory, or in chunks. */
export type Source =
  | { whole: Uint8Array; size: number }
  | { whole: undefined; size: number | undefined; chunks: Chunks };

type Chunks = Iterator<Chunk> | AsyncIterator<Chunk>;

const KINDS = "a string, bytes or an iterable of them";

const ASYNC_KINDS = `${KINDS}, a Blob, a ReadableStream or an async iterable`;

/** Content of an asynchronous function as a source. */
export function asyncSource(content: Content): Source {
  if (isChunk(content)) return inMemory(content);
  if (content instanceof Blob) return inChunks(readChunks(content.stream()), content.size);
  if (content instanceof ReadableStream) return inChunks(readChunks(content));
  if (typeof content === "object" && content !== null && Symbol.asyncIterator in content) {
    return inChunks(content[Symbol.asyncIterator]());
  }
  return iterated(content, ASYNC_KINDS);
}

/** Content of a synchronous function as a source. */
export function syncSource(content: SyncContent): Source {
  return isChunk(content) ? inMemory(content) : iterated(content, KINDS);
}

/** Content that is in memory and small enough for a new file to be made with it by one call. */
export function smallWhole({ whole }: Source): Uint8Array | undefined {
  return whole !== undefined && isSmall(whole.length) ? whole : undefined;
}

function iterated(content: Iterable<Chunk>, kinds: string): Source {
  if (typeof content === "object" && content !== null && Symbol.iterator in content) {
    return inChunks(content[Symbol.iterator]());
  }
  const found = (content as unknown) instanceof Promise ? "a promise: await it" : nameOf(content);
  throw new TypeError(`the content must be ${kinds}, not ${found}`);
}

function inMemory(content: Chunk): Source {
  const whole = toBytes(content);
  return { whole, size: whole.length };
}

function inChunks(chunks: Chunks, size?: number): Source {
  return { whole: undefined, size, chunks };
}

/** A stream's own iterator can't be ended while it waits for a chunk; its reader can. */
function readChunks(stream: ReadableStream<Chunk>): AsyncIterator<Chunk> {
  const reader = stream.getReader();
  return {
    next: () => reader.read() as Promise<IteratorResult<Chunk>>,
    return: async () => {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
}

/** Whether a value is text or bytes. */
export function isChunk(value: unknown): value is Chunk {
  return typeof value === "string" || ArrayBuffer.isView(value) ||
    value instanceof ArrayBuffer;
}

/** Text or bytes as bytes: those of a view, not those of its whole buffer; shared memory copied. */
function toBytes(chunk: Chunk): Uint8Array {
  if (typeof chunk === "string") {
    if (!chunk.isWellFormed()) {
      throw new TypeError("the text contains a lone surrogate");
    }
    return new TextEncoder().encode(chunk);
  }
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  // The runtimes refuse to write memory that another thread may be changing.
  const isShared = !(chunk.buffer instanceof ArrayBuffer);
  if (chunk instanceof Uint8Array && !isShared) return chunk;
  const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return isShared ? bytes.slice() : bytes;
}

/** Chunks become bytes one by one; a character that two strings share is put together. */
export class ChunkEncoder {
  #half = "";

  /** The bytes of a chunk; a `TypeError` if it is none. */
  encode(chunk: unknown): Uint8Array {
    if (!isChunk(chunk)) {
      throw new TypeError(`a chunk must be a string or bytes, not ${nameOf(chunk)}`);
    }
    if (typeof chunk !== "string") {
      this.end();
      return toBytes(chunk);
    }
    const text = this.#half + chunk;
    const cut = /[\ud800-\udbff]$/.test(text) ? text.length - 1 : text.length;
    const bytes = toBytes(text.slice(0, cut));
    this.#half = text.slice(cut);
    return bytes;
  }

  /** Makes sure that no half of a character is left. */
  end(): void {
    if (this.#half !== "") {
      throw new TypeError("the text contains a lone surrogate");
    }
  }
}

/** The next chunk's bytes, or nothing at the end. Every failure in here is the source's. */
export function* nextBytes(
  chunks: Chunks,
  encoder: ChunkEncoder,
  signal: AbortSignal | undefined,
): Steps<Uint8Array | undefined> {
  let next: IteratorResult<Chunk>;
  try {
    const answer = chunks.next();
    next = yield* waitFor(
      "then" in answer ? unlessAborted(answer, signal) : answer,
    );
    if (next.done) encoder.end();
    else return encoder.encode(next.value);
  } catch (error) {
    signal?.throwIfAborted();
    throw new SourceError(error);
  }
  return undefined;
}

/** Tells a source that nobody reads it to its end. */
export function* cancel(source: Source, signal: AbortSignal | undefined): Steps<void> {
  if (source.whole === undefined) yield* endIterator(source.chunks, signal);
}

/** As in a `for` loop that is left by an error: that error matters, the iterator's own does not. */
export function* endIterator(
  iterator: Iterator<unknown> | AsyncIterator<unknown>,
  signal: AbortSignal | undefined,
): Steps<void> {
  const ignore = (): void => {};
  try {
    const answer = iterator.return?.();
    if (!(answer instanceof Promise)) return;
    // One that is being waited for does not answer before it has gone on.
    if (signal?.aborted) answer.catch(ignore);
    else yield* waitFor(answer.then(ignore, ignore));
  } catch {
    ignore();
  }
}

/** A promise that an abort overtakes. `Promise.race` would keep each of them alive with the signal. */
export function unlessAborted<T>(
  answer: PromiseLike<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const promise = Promise.resolve(answer);
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    // In either case: an answer that nobody waits for any more may still fail.
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function nameOf(value: unknown): string {
  if (value === null || typeof value !== "object") return String(value);
  return `a ${value.constructor?.name ?? "object"}`;
}

export function toJson(value: unknown, indent: number | string): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, null, indent);
  } catch (error) {
    throw new TypeError(`the value is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (text === undefined) {
    throw new TypeError(`the value is not JSON: ${typeof value}`);
  }
  return text + "\n";
}
