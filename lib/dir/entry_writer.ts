/**
 * Writes the entries of a staged directory: each once, with the mode and owner of its present version, in
 * directories that are made as needed.
 */

import { OsError, RefusedError } from "../core/errors.ts";
import { inside, parentsOf } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os, Stat } from "../os/port.ts";
import { ENTRY_RULES, modeWhileStaged } from "../fs/metadata.ts";
import { createFile, type NewFile } from "../fs/new_file.ts";
import type { SwapPaths } from "../fs/swap.ts";
import type { Contents } from "../fs/sync.ts";
import { lstatEntry } from "../fs/target.ts";
import { BlockWriter } from "../stage/block_writer.ts";
import { cancel, smallWhole, type Source } from "../stage/content.ts";
import type { DirSettings } from "./dir_options.ts";

/** Writes entries into a staging directory. */
export class EntryWriter {
  readonly #os: Os;
  readonly #settings: DirSettings;
  readonly #staging: string;
  readonly #live: string | undefined;
  /** Directories that exist, by relative path. */
  readonly #dirs = new Set<string>();
  /** Entries that were synced as they were written, since they can't be opened again for that. */
  readonly synced: Set<string> = new Set();
  #progress = { files: 0, bytes: 0 };

  /** `live` is the present version, if there is one. */
  constructor(os: Os, settings: DirSettings, staging: string, live: string | undefined) {
    this.#os = os;
    this.#settings = settings;
    this.#staging = staging;
    this.#live = live;
  }

  get contents(): Contents {
    return { dirs: ["", ...this.#dirs], files: this.#progress.files };
  }

  /** Writes one entry, unless `writeOnce` protects the existing one. */
  *write(relative: string, source: Source): Steps<void> {
    const { signal, writeOnce, onProgress } = this.#settings;
    const path = inside(this.#staging, relative);
    let old: Stat | undefined;
    let file: NewFile | undefined;
    try {
      signal?.throwIfAborted();
      if (this.#live !== undefined) old = yield* lstatEntry(this.#os, inside(this.#live, relative));
      if (old !== undefined && writeOnce.includes(relative)) return yield* cancel(source, signal);
      if (old?.kind !== "file") old = undefined;
      const parents = parentsOf(relative);
      if (parents.length > 0) yield* this.#makeDirs(parents);
      const small = old === undefined ? smallWhole(source) : undefined;
      if (small === undefined) file = yield* createFile(this.#os, path, ENTRY_RULES, old);
      else yield* this.#os.createWhole(path, modeWhileStaged(ENTRY_RULES, old), small);
    } catch (error) {
      yield* cancel(source, signal);
      throw error instanceof OsError && error.code === "EEXIST" ? collision(path, relative) : error;
    }
    if (file === undefined) this.#progress.bytes += source.size!;
    else yield* this.#fill(file, relative, source, old);
    this.#progress.files++;
    onProgress?.({ ...this.#progress });
  }

  *#fill(file: NewFile, relative: string, source: Source, old: Stat | undefined): Steps<void> {
    const progress = this.#progress;
    const write = (bytes: Uint8Array): Steps<void> => {
      progress.bytes += bytes.length;
      return file.write(bytes);
    };
    const { signal, durability } = this.#settings;
    // Its owner may not open it again, to sync it with the others.
    const sync = durability !== "none" && old !== undefined && (old.mode & 0o400) === 0;
    try {
      yield* new BlockWriter({ write }, { signal, onProgress: undefined }).writeAll(source);
      yield* file.finish(sync);
      if (sync) this.synced.add(relative);
    } finally {
      yield* file.close();
    }
  }

  *#makeDirs(parents: string[]): Steps<void> {
    for (const dir of parents) {
      if (this.#dirs.has(dir)) continue;
      const path = inside(this.#staging, dir);
      try {
        yield* this.#os.mkdir(path, 0o777);
      } catch (error) {
        if (!(error instanceof OsError && error.code === "EEXIST")) throw error;
        // Another entry's write may have made it meanwhile; or it is an entry itself.
        if ((yield* this.#os.lstat(path)).kind !== "directory") throw error;
      }
      this.#dirs.add(dir);
    }
  }
}

/** Removes entries that other programs staged although `writeOnce` protects them; returns their number. */
export function* removeStagedWriteOnce(
  os: Os,
  { writeOnce }: DirSettings,
  { live, staging }: SwapPaths,
): Steps<number> {
  let dropped = 0;
  for (const relative of writeOnce) {
    if ((yield* lstatEntry(os, inside(live, relative))) === undefined) continue;
    const path = inside(staging, relative);
    const staged = yield* lstatEntry(os, path);
    if (staged === undefined) continue;
    if (staged.kind === "directory") {
      const entry = JSON.stringify(relative);
      const why =
        `the entry ${entry} is listed in writeOnce, but is a directory in the new version`;
      throw new RefusedError("EISDIR", path, why);
    }
    yield* os.unlink(path);
    dropped++;
  }
  return dropped;
}

function collision(path: string, relative: string): RefusedError {
  const why = `the entry ${JSON.stringify(relative)} collides with another one`;
  return new RefusedError("EEXIST", path, why);
}
