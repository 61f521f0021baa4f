/** Takes the entries of a directory from the caller, and writes them into a stage. */

import { SourceError } from "../core/errors.ts";
import { checkEntryName, parentsOf } from "../core/paths.ts";
import { parallel, type Steps, waitFor } from "../core/steps.ts";
import {
  type Content,
  endIterator,
  type Source,
  type SyncContent,
  unlessAborted,
} from "./content.ts";

/** Entries that the synchronous functions accept: relative paths and content, as a record or an iterable. */
export type SyncDirEntries =
  | Readonly<Record<string, SyncContent>>
  | Iterable<readonly [string, SyncContent]>;

/** Entries that the asynchronous functions accept: relative paths and content, as a record or an iterable. */
export type DirEntries =
  | Readonly<Record<string, Content>>
  | Iterable<readonly [string, Content]>
  | AsyncIterable<readonly [string, Content]>;

type Pair = readonly [string, unknown];

/** A stage that entries can be written to. */
interface EntryTarget {
  write(relative: string, source: Source): Steps<void>;
}

/** The entries that a caller supplies, taken one after the other. */
export class EntrySource {
  readonly #supply: Iterator<Pair> | AsyncIterator<Pair>;
  readonly #toSource: (content: never) => Source;
  readonly #signal: AbortSignal | undefined;
  #hasEnded = false;

  /** Checks the names of a record immediately, before anything is touched. */
  constructor(
    entries: DirEntries,
    toSource: (content: never) => Source,
    signal: AbortSignal | undefined,
  ) {
    this.#supply = pairsOf(entries);
    this.#toSource = toSource;
    this.#signal = signal;
  }

  /** Writes all entries; on asynchronous calls, several at a time of those that are in memory. */
  writeTo(stage: EntryTarget): Steps<void> {
    return parallel(() => this.#writeNext(stage));
  }

  *#writeNext(stage: EntryTarget): Steps<Steps<void> | undefined> {
    for (;;) {
      const pair = yield* this.#next();
      if (pair === undefined) return undefined;
      const [name, content] = pair;
      checkEntryName(name);
      const source = this.#toSource(content as never);
      // A stream may share its input with the next entry, as in an archive: one at a time.
      if (source.whole !== undefined) return stage.write(name, source);
      yield* stage.write(name, source);
    }
  }

  *#next(): Steps<Pair | undefined> {
    try {
      const answer = this.#supply.next();
      const next = "then" in answer ? yield* waitFor(unlessAborted(answer, this.#signal)) : answer;
      this.#hasEnded = next.done === true;
      if (next.done) return undefined;
      if (Array.isArray(next.value) && next.value.length === 2) {
        return next.value as unknown as Pair;
      }
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw new SourceError(error);
    }
    throw new TypeError("an entry must be a pair of a relative path and its content");
  }

  /** Ends the caller's iterator if it was not read to its end. */
  *cancel(): Steps<void> {
    if (!this.#hasEnded) yield* endIterator(this.#supply, this.#signal);
  }
}

/** Iterates over the entries as pairs. Checks the names of a record. */
function pairsOf(entries: DirEntries): Iterator<Pair> | AsyncIterator<Pair> {
  if (typeof entries === "object" && entries !== null) {
    if (Symbol.asyncIterator in entries) return entries[Symbol.asyncIterator]();
    if (Symbol.iterator in entries) return (entries as Iterable<Pair>)[Symbol.iterator]();
  }
  if (Object.prototype.toString.call(entries) !== "[object Object]") {
    throw new TypeError("the entries must be a plain record, an iterable of pairs or a function");
  }
  for (const name of Object.keys(entries)) {
    checkEntryName(name);
    for (const above of parentsOf(name)) {
      if (!Object.hasOwn(entries, above)) continue;
      const pair = `${JSON.stringify(above)} and ${JSON.stringify(name)}`;
      throw new TypeError(`the entries ${pair} collide`);
    }
  }
  return Object.entries(entries).values();
}
