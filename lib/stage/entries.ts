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
import { parallel, settle, type Steps } from "../core/steps.ts";

/** Entries of the synchronous form: a record or an iterable of relative paths and content. */
export type SyncEntries =
  | Readonly<Record<string, SyncContent>>
  | Iterable<readonly [string, SyncContent]>;

/** Entries of the asynchronous form. */
export type Entries =
  | Readonly<Record<string, Content>>
  | Iterable<readonly [string, Content]>
  | AsyncIterable<readonly [string, Content]>;

type Pair = readonly [string, unknown];
/** Where entries come from, one after the other. */
export type Supply = Iterator<Pair> | AsyncIterator<Pair>;

/** Entries one by one. The names of a record are checked at once, before anything is touched. */
export function supply(entries: Entries): Supply {
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
      if (Object.hasOwn(entries, above)) {
        throw new TypeError(
          `the entries ${JSON.stringify(above)} and ${JSON.stringify(name)} collide`,
        );
      }
    }
  }
  return Object.entries(entries).values();
}

/** What entries are written into. */
export interface Fillable {
  write(relative: string, source: Source): Steps<void>;
}

/**
 * Lets `steps` fill a stage with all that is supplied. If they fail before they have come to its end, the
 * supply is told that nobody goes on.
 */
export function* filling<T>(
  supply: Supply,
  toSource: (content: never) => Source,
  signal: AbortSignal | undefined,
  steps: (fill: (stage: Fillable) => Steps<void>) => Steps<T>,
): Steps<T> {
  let ended = false;
  const fill = (stage: Fillable): Steps<void> =>
    parallel(function* () {
      for (;;) {
        const pair = yield* nextPair(supply, signal);
        if (pair === undefined) {
          ended = true;
          return undefined;
        }
        const [name, content] = pair;
        checkEntryName(name);
        const source = toSource(content as never);
        // A stream may come from the same place as the next entry, an archive say: one at a time.
        if (source.whole !== undefined) return stage.write(name, source);
        yield* stage.write(name, source);
      }
    });
  try {
    return yield* steps(fill);
  } catch (error) {
    if (!ended) yield* endIterator(supply, signal);
    throw error;
  }
}

function* nextPair(supply: Supply, signal: AbortSignal | undefined): Steps<Pair | undefined> {
  try {
    const answer = supply.next();
    const next = "then" in answer ? yield* settle(unlessAborted(answer, signal)) : answer;
    if (next.done) return undefined;
    if (Array.isArray(next.value) && next.value.length === 2) return next.value as unknown as Pair;
  } catch (error) {
    signal?.throwIfAborted();
    throw new SourceError(error);
  }
  throw new TypeError("an entry must be a pair of a relative path and its content");
}
