/**
 * One directory of files, replaced or created in one step, from entries or from what fills a stage.
 */

import { toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { asyncSource, type Source, syncSource } from "../stage/content.ts";
import { type DirEntries, EntrySource, type SyncDirEntries } from "../stage/entries.ts";
import {
  type DirOptions,
  type DirSettings,
  dirSettings,
  type PersistResult,
} from "./dir_options.ts";
import { DirReplacement } from "./publish.ts";
import { openStage, type StagedDir, type StagedDirSync } from "./stage_dir.ts";

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
  entries: DirEntries | ((stage: StagedDir) => void | Promise<void>),
  options?: DirOptions,
): Promise<PersistResult> {
  if (typeof entries === "function") {
    return await (await runOnSystem((os) => openStage(os, dir, options))).fillAndCommit(entries);
  }
  return await runOnSystem((os) =>
    persist(os, toPath(dir), entries, asyncSource, dirSettings(options))
  );
}

/** Synchronous version of {@link persistDir}. */
export function persistDirSync(
  dir: string | URL,
  entries: SyncDirEntries | ((stage: StagedDirSync) => void),
  options?: DirOptions,
): PersistResult {
  if (typeof entries === "function") {
    return runOnSystemSync((os) => openStage(os, dir, options)).fillAndCommitSync(entries);
  }
  return runOnSystemSync((os) =>
    persist(os, toPath(dir), entries, syncSource, dirSettings(options))
  );
}

/** Replaces or creates a directory from entries, as steps. */
export function* persist(
  os: Os,
  target: string,
  entries: DirEntries,
  toSource: (content: never) => Source,
  settings: DirSettings,
): Steps<PersistResult> {
  const source = new EntrySource(entries, toSource, settings.signal);
  const stage = new DirReplacement(os, target, settings);
  try {
    yield* stage.open();
    yield* source.writeTo(stage);
    return yield* stage.commit();
  } catch (error) {
    yield* source.cancel();
    throw yield* stage.fail(error);
  }
}
