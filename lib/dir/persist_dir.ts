/** Replaces or creates one directory atomically, from entries or by a function that fills a stage. */

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
 * Replaces or creates one directory atomically. Readers always see the complete old version or the complete
 * new one, even after a crash; by default the new version survives a power failure once the call returns.
 * With an exchange, the directory is never missing. Without one, it is missing for a moment between two
 * renames (see the option `swap`, and `swap` in the result).
 *
 * The new version is staged beside the directory. Entries of the present version that `entries` lacks are
 * carried over (see `carryOver`): files as hard links to the same inode, directories with their mode and
 * times, symbolic links as they are. An entry that can't be carried over fails the call: nothing is left out
 * silently. Changes that other processes make meanwhile are brought into the new version after the swap.
 * Processes that have the directory open, or work in it, keep the old version.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory above; `--allow-ffi` for
 * an exchange.
 *
 * @param dir The directory. Missing directories above it are created.
 * @param entries Content by relative path (`a/b.txt`), as a record or an iterable, which may be asynchronous;
 * or a function that fills the {@link StagedDir} that it receives.
 * @param options Options; see {@link DirOptions}.
 * @returns A summary of the persist.
 * @throws {TypeError | RangeError} If an argument or an entry is invalid; nothing was changed.
 * @throws {UntornError} If the persist failed; `outcome` says which version is in place. An abort rejects with
 * the signal's reason instead, and leaves everything unchanged.
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
    const staged = await runOnSystem((os) => openStage(os, dir, options));
    return await staged.fillAndCommit((inOrder) => entries(staged.asyncForm(inOrder)));
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
    const staged = runOnSystemSync((os) => openStage(os, dir, options));
    return staged.fillAndCommitSync(() => entries(staged.syncForm()));
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
