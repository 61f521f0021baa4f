/**
 * Converts content of any kind to bytes: content in memory at once, other content chunk by chunk in constant
 * memory. A value of any other type is refused before anything is touched.
 */

import { SourceError } from "../core/errors.ts";
import { type Steps, waitFor } from "../core/steps.ts";
import { isSmall } from "../os/inline_calls.ts";

/** A piece of content: text, written as UTF-8, or bytes; of a view, only those that it covers. */
export type Chunk = string | ArrayBufferView | ArrayBuffer;

/** Content that the synchronous functions accept. */
export type SyncContent = Chunk | Iterable<Chunk>;

/** Content that the asynchronous functions accept. */
export type Content = SyncContent | Blob | ReadableStream<Chunk> | AsyncIterable<Chunk>;

/** Content to be written: whole in memory, or in chunks. `size` is in bytes. */
export type Source =
  | { whole: Uint8Array; size: number }
  | { whole: undefined; size: number | undefined; chunks: Chunks };

type Chunks = Iterator<Chunk> | AsyncIterator<Chunk>;

const KINDS = "a string, bytes or an iterable of them";

/** Makes a source of an asynchronous function's content. */
export function asyncSource(content: Content): Source {
  if (isChunk(content)) return syncSource(content);
  if (content instanceof Blob) return inChunks(readChunks(content.stream()), content.size);
  if (content instanceof ReadableStream) return inChunks(readChunks(content));
  if (typeof content === "object" && content !== null && Symbol.asyncIterator in content) {
    return inChunks(content[Symbol.asyncIterator]());
  }
  return syncSource(content, `${KINDS}, a Blob, a ReadableStream or an async iterable`);
}

/** Makes a source of a synchronous function's content; `kinds` are the accepted ones, in words. */
export function syncSource(content: SyncContent, kinds: string = KINDS): Source {
  if (isChunk(content)) {
    const whole = toBytes(content);
    return { whole, size: whole.length };
  }
  if (typeof content === "object" && content !== null && Symbol.iterator in content) {
    return inChunks(content[Symbol.iterator]());
  }
  const found = (content as unknown) instanceof Promise ? "a promise: await it" : nameOf(content);
  throw new TypeError(`the content must be ${kinds}, not ${found}`);
}

/** Returns the bytes of content that is small enough to create a file with it by one call. */
export function smallWhole({ whole }: Source): Uint8Array | undefined {
  return whole !== undefined && isSmall(whole.length) ? whole : undefined;
}

function inChunks(chunks: Chunks, size?: number): Source {
  return { whole: undefined, size, chunks };
}

/** Unlike a stream's own iterator, its reader can be cancelled while it waits for a chunk. */
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

function isChunk(value: unknown): value is Chunk {
  return typeof value === "string" || ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

function toBytes(chunk: Chunk): Uint8Array {
  if (typeof chunk === "string") {
    if (!chunk.isWellFormed()) throw new TypeError("the text contains a lone surrogate");
    return new TextEncoder().encode(chunk);
  }
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  // The runtimes refuse to write from shared memory, which another thread may be changing: copy it.
  const isShared = !(chunk.buffer instanceof ArrayBuffer);
  if (chunk instanceof Uint8Array && !isShared) return chunk;
  const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return isShared ? bytes.slice() : bytes;
}

/** Encodes chunks one by one, and joins a character that is split between two strings. */
export class ChunkEncoder {
  /** The first half of a split character: a high surrogate. */
  #half = "";

  /** Returns the bytes of a chunk, or throws a `TypeError` if it is not one. */
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

  /** Ends the text; throws if half of a character is left, since that is a lone surrogate. */
  end(): void {
    toBytes(this.#half);
  }
}

/** Returns the next chunk's bytes, or undefined at the end. Every failure in here is the source's. */
export function* nextBytes(
  chunks: Chunks,
  encoder: ChunkEncoder,
  signal: AbortSignal | undefined,
): Steps<Uint8Array | undefined> {
  try {
    const answer = chunks.next();
    const next = yield* waitFor("then" in answer ? unlessAborted(answer, signal) : answer);
    if (!next.done) return encoder.encode(next.value);
    encoder.end();
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    throw new SourceError(error);
  }
}

/** Cancels a source that is not read to its end. */
export function* cancel(source: Source, signal: AbortSignal | undefined): Steps<void> {
  if (source.whole === undefined) yield* endIterator(source.chunks, signal);
}

/** Ends an iterator as a `for` loop that an error leaves: the iterator's own errors are ignored. */
export function* endIterator(
  iterator: Iterator<unknown> | AsyncIterator<unknown>,
  signal: AbortSignal | undefined,
): Steps<void> {
  const ignore = (): void => {};
  try {
    const answer = iterator.return?.();
    if (!(answer instanceof Promise)) return;
    // After an abort, `next` may still be pending, and a generator queues `return` behind it.
    if (signal?.aborted) answer.catch(ignore);
    else yield* waitFor(answer.then(ignore, ignore));
  } catch {
    // Ignored as well.
  }
}

/**
 * Waits for an answer or an abort, whichever comes first. `Promise.race` with a promise of the abort would
 * retain every answer as long as the signal lives.
 */
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
    // Also after an abort: the answer may still reject, and must not be unhandled.
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function nameOf(value: unknown): string {
  if (value === null || typeof value !== "object") return String(value);
  return `a ${value.constructor?.name ?? "object"}`;
}

/** Serializes a value as JSON, followed by a newline; throws a `TypeError` if it has no JSON form. */
export function toJson(value: unknown, indent: number | string): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, null, indent);
  } catch (error) {
    throw new TypeError(`the value is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (text === undefined) throw new TypeError(`the value is not JSON: ${typeof value}`);
  return text + "\n";
}
