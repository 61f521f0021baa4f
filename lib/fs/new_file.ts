/**
 * A new file beside the place that it is for: the building block of everything that is staged. The calling
 * sequence is:
 *
 *   - `createFile()` creates it exclusively: a file or link of that name fails the call, and is never written
 *     through. Until the end, its mode admits nobody whom the old file keeps out.
 *   - `write()` writes bytes, all of them; any number of times.
 *   - `finish()` gives it owner, group and mode, syncs it if that is wanted, and closes it. The caller can
 *     put it in its place now: rename(2), link(2).
 *   - `close()` instead closes a file that is given up; after `finish()` it does nothing. The caller removes it.
 *
 *     createFile() ──> open ──finish()──> whole ──> put in place, by the caller
 *                     │  └─ write()
 *                     └──close()──> given up ──> removed, by the caller
 *
 * `fillFile()` does all of this, and `copyFile()` the same for a copy. Neither removes what has failed: callers
 * do, with the whole stage or one by one.
 */

import { applyMetadata, ENTRY_RULES, type MetadataRules, modeWhileStaged } from "./metadata.ts";
import { writeFully } from "./io.ts";
import type { Handle, Os, Stat } from "../os/port.ts";
import type { Steps } from "../core/steps.ts";

/** A file of one's own that is open, as {@link createFile} makes it. */
export class NewFile {
  readonly #os: Os;
  /** Where it is staged. */
  readonly path: string;
  readonly #rules: MetadataRules;
  readonly #old: Stat | undefined;
  #handle: Handle | undefined;

  /** `handle` is open at `path`; `old` is the file that it is made for, if there is one. */
  constructor(os: Os, path: string, handle: Handle, rules: MetadataRules, old: Stat | undefined) {
    this.#os = os;
    this.path = path;
    this.#handle = handle;
    this.#rules = rules;
    this.#old = old;
  }

  /** Writes bytes, all of them. */
  write(bytes: Uint8Array): Steps<void> {
    return writeFully(this.#os, this.#handle!, bytes);
  }

  /** Gives the file its owner, group and mode, and the time of modification if there is one to set; syncs and closes it. */
  *finish(sync: boolean, mtime?: number): Steps<void> {
    const [os, handle] = [this.#os, this.#handle!];
    yield* applyMetadata(os, handle, this.path, this.#rules, this.#old);
    if (mtime !== undefined) yield* os.utime(handle, mtime);
    if (sync) yield* os.fsync(handle, this.path);
    this.#handle = undefined;
    yield* os.close(handle);
  }

  /** Closes the file, unless that is done. It is forgotten first: closed twice, the handle could be another's. */
  *close(): Steps<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle !== undefined) yield* this.#os.close(handle);
  }
}

/** Creates a file exclusively, for the place of `old`. */
export function* createFile(
  os: Os,
  path: string,
  rules: MetadataRules,
  old: Stat | undefined,
): Steps<NewFile> {
  return new NewFile(os, path, yield* os.create(path, modeWhileStaged(rules, old)), rules, old);
}

/** Creates a file, has `fill` write it, and finishes it. */
export function* fillFile(
  os: Os,
  path: string,
  { rules, old, sync }: { rules: MetadataRules; old: Stat | undefined; sync: boolean },
  fill: (file: NewFile) => Steps<void>,
): Steps<void> {
  const file = yield* createFile(os, path, rules, old);
  try {
    yield* fill(file);
    yield* file.finish(sync);
  } finally {
    yield* file.close();
  }
}

/** Copies a file with its mode, its owner (where allowed) and its time, not synced; returns the original's look. */
export function* copyFile(os: Os, from: string, to: string): Steps<Stat> {
  const original = yield* os.lstat(from);
  yield* os.copy(from, to);
  yield* finishCopy(os, to, yield* os.open(to), original);
  return original;
}

/** Gives a copy, a file or a directory that is open, the mode, owner and time of its original, and closes it. */
export function* finishCopy(os: Os, path: string, handle: Handle, original: Stat): Steps<void> {
  const copy = new NewFile(os, path, handle, ENTRY_RULES, original);
  try {
    yield* copy.finish(false, original.mtime);
  } finally {
    yield* copy.close();
  }
}
