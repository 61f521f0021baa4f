/**
 * One directory of files, replaced or created in one step, from entries or from what fills a stage.
 */

import {
  asyncSource,
  type Content,
  endIterator,
  type Source,
  type SyncContent,
  syncSource,
  unlessAborted,
} from "./content.ts";
import { type DirOptions, type DirSettings, dirSettings } from "./dir_options.ts";
import { DirStage } from "./dir_stage.ts";
import type { PersistResult } from "./persist_result.ts";
import { SourceError } from "./errors.ts";
import { systemCalls } from "./os/mod.ts";
import type { Os } from "./os/port.ts";
import { checkEntryName, parentsOf, toPath } from "./paths.ts";
import { type StagedDir, StagedDirSteps, type StagedDirSync } from "./staged_dir.ts";
import { parallel, runAsync, runSync, settle, type Steps } from "./steps.ts";

/** Entries of the synchronous form: a record or an iterable of relative paths and content. */
export type SyncEntries =
  | Readonly<Record<string, SyncContent>>
  | Iterable<readonly [string, SyncContent]>;

/** Entries of the asynchronous form. */
export type Entries =
  | Readonly<Record<string, Content>>
  | Iterable<readonly [string, Content]>
  | AsyncIterable<readonly [string, Content]>;

/** So many entries are written at a time, where calls answer later. */
const AT_ONCE = 16;

/**
 * Replaces or creates one directory. A reader finds the whole old version or the whole new one, and so
 * does whoever comes after a crash; by default the new version survives a power cut once the call
 * returns. With an exchange the directory is never missing, not for an instant; else it is, between
 * two renames (see the option `swap`, and `swap` in the result).
 *
 * The new version is staged beside the directory. What the present version has and `entries` does not
 * is carried over (see `carryOver`): files as hard links to the same inode, directories with their
 * mode and times, symbolic links as they are. What can't be carried makes the call fail: nothing is
 * left out silently. What other processes add or change meanwhile is brought into the new version
 * after the swap. Processes that have the directory open, or work in it, keep the old one.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory above; `--allow-ffi` for
 * an exchange.
 *
 * @param dir The directory. Missing ones above it are created.
 * @param entries Content by relative path (`a/b.txt`), as a record or an iterable, asynchronous ones
 * included; or a function that fills the {@link StagedDir} it is handed.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When it failed; `outcome` says what stands now. What comes after an abort is
 * the signal's reason, and nothing was changed.
 *
 * @example Three files that always fit together
 * ```ts
 * import { persistDir } from "@untorn/untorn";
 * import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * await persistDir(`${dir}/site`, { "index.html": "<p>one", "css/main.css": "p {}" });
 * await writeFile(`${dir}/site/notes.txt`, "by hand");
 * const result = await persistDir(`${dir}/site`, { "index.html": "<p>two", "css/main.css": "p {}" });
 * if (result.written !== 2 || result.carried !== 1) throw new Error("?");
 * if (await readFile(`${dir}/site/notes.txt`, "utf8") !== "by hand") throw new Error("lost");
 * await rm(dir, { recursive: true });
 * ```
 */
export async function persistDir(
  dir: string | URL,
  entries: Entries | ((stage: StagedDir) => void | Promise<void>),
  options?: DirOptions,
): Promise<PersistResult> {
  const target = toPath(dir);
  const settings = dirSettings(options);
  const os = systemCalls().async;
  if (typeof entries !== "function") {
    return await runAsync(persist(os, target, supply(entries), asyncSource, settings));
  }
  const staged = new StagedDirSteps(os, target, settings);
  await runAsync(staged.open());
  return await staged.fillLater(entries);
}

/**
 * The same as {@link persistDir}, done when it returns.
 *
 * @param dir The directory. Missing ones above it are created.
 * @param entries Content by relative path, or a function that fills the {@link StagedDirSync}.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When it failed; `outcome` says what stands now.
 */
export function persistDirSync(
  dir: string | URL,
  entries: SyncEntries | ((stage: StagedDirSync) => void),
  options?: DirOptions,
): PersistResult {
  const target = toPath(dir);
  const settings = dirSettings(options);
  const os = systemCalls().sync;
  if (typeof entries !== "function") {
    return runSync(persist(os, target, supply(entries), syncSource, settings));
  }
  const staged = new StagedDirSteps(os, target, settings);
  runSync(staged.open());
  try {
    const filled: unknown = entries(staged.syncForm());
    if (filled instanceof Promise) throw new TypeError("the function must not be asynchronous");
  } catch (error) {
    return runSync(staged.failFilling(error));
  }
  return runSync(staged.commit());
}

type Pair = readonly [string, unknown];
type Supply = Iterator<Pair> | AsyncIterator<Pair>;

/** Entries one by one. The names of a record are checked at once, before anything is touched. */
function supply(entries: Entries): Supply {
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

/** Replaces or creates a directory from entries, as steps. */
export function* persist(
  os: Os,
  target: string,
  supply: Supply,
  toSource: (content: never) => Source,
  settings: DirSettings,
): Steps<PersistResult> {
  const stage = new DirStage(os, target, settings);
  let ended = false;
  try {
    yield* stage.open();
    yield* parallel(function* () {
      for (;;) {
        const pair = yield* nextPair(supply, settings.signal);
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
    }, AT_ONCE);
    return yield* stage.commit();
  } catch (error) {
    if (!ended) yield* endIterator(supply, settings.signal);
    throw yield* stage.fail(error);
  }
}

function* nextPair(
  supply: Supply,
  signal: AbortSignal | undefined,
): Steps<Pair | undefined> {
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
