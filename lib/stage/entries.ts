/** The entries of a directory as callers give them, and their way into a stage. */

import {
  type Content,
  endIterator,
  type Source,
  type SyncContent,
  unlessAborted,
} from "./content.ts";
import { SourceError } from "../core/errors.ts";
import { checkEntryName, parentsOf } from "../core/paths.ts";
import { parallel, type Steps, waitFor } from "../core/steps.ts";

/** Entries of the synchronous form: a record or an iterable of relative paths and content. */
export type SyncDirEntries =
  | Readonly<Record<string, SyncContent>>
  | Iterable<readonly [string, SyncContent]>;

/** Entries of the asynchronous form. */
export type DirEntries =
  | Readonly<Record<string, Content>>
  | Iterable<readonly [string, Content]>
  | AsyncIterable<readonly [string, Content]>;

type Pair = readonly [string, unknown];

/** A stage that takes entries. */
export interface EntryTarget {
  write(relative: string, source: Source): Steps<void>;
}

/** Entries on their way into a stage, one after the other. */
export class EntrySource {
  readonly #supply: Iterator<Pair> | AsyncIterator<Pair>;
  readonly #toSource: (content: never) => Source;
  readonly #signal: AbortSignal | undefined;
  #hasEnded = false;

  /** Checks the names of a record at once, before anything is touched. */
  constructor(
    entries: DirEntries,
    toSource: (content: never) => Source,
    signal: AbortSignal | undefined,
  ) {
    this.#supply = pairsOf(entries);
    this.#toSource = toSource;
    this.#signal = signal;
  }

  /** Writes all entries; several whole ones at a time where calls answer later. */
  *writeTo(stage: EntryTarget): Steps<void> {
    yield* parallel(() => this.#writeNext(stage));
  }

  *#writeNext(stage: EntryTarget): Steps<Steps<void> | undefined> {
    for (;;) {
      const pair = yield* this.#next();
      if (pair === undefined) return undefined;
      const [name, content] = pair;
      checkEntryName(name);
      const source = this.#toSource(content as never);
      // A stream may come from the same place as the next entry, an archive say: one at a time.
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

  /** Ends a source that is not read to its end. */
  *cancel(): Steps<void> {
    if (!this.#hasEnded) yield* endIterator(this.#supply, this.#signal);
  }
}

/** The entries as pairs. The names of a record are checked. */
function pairsOf(entries: DirEntries): Iterator<Pair> | AsyncIterator<Pair> {
  if (typeof entries !== "object" || entries === null) {
    throw new TypeError("the entries must be a record, an iterable of pairs or a function");
  }
  if (Symbol.asyncIterator in entries) return entries[Symbol.asyncIterator]();
  if (Symbol.iterator in entries) return (entries as Iterable<Pair>)[Symbol.iterator]();
  if (Object.prototype.toString.call(entries) !== "[object Object]") {
    throw new TypeError("the entries must be a plain record, an iterable of pairs or a function");
  }
  const names = Object.keys(entries);
  for (const name of names) {
    checkEntryName(name);
    for (const above of parentsOf(name)) {
      if (!Object.hasOwn(entries, above)) continue;
      const pair = `${JSON.stringify(above)} and ${JSON.stringify(name)}`;
      throw new TypeError(`the entries ${pair} collide`);
    }
  }
  return Object.entries(entries).values();
}
