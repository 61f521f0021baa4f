/**
 * A new file next to its destination, the building block of every stage: `createFile()`, any number of
 * `write()`, then either `finish()`, after which the caller puts it in place with rename(2) or link(2), or
 * `close()`, after which the caller removes it, alone or with the whole stage. It is created exclusively: if
 * a file or link of that name exists, the call fails and writes nothing. Until it is finished, nobody
 * whom the old file excluded can open it.
 */

import type { Steps } from "../core/steps.ts";
import type { Handle, Os, Stat } from "../os/port.ts";
import { writeFully } from "./io.ts";
import { applyMetadata, ENTRY_RULES, type MetadataRules, modeWhileStaged } from "./metadata.ts";

/** An open file that {@link createFile} created. */
export class NewFile {
  readonly #os: Os;
  readonly path: string;
  readonly #rules: MetadataRules;
  readonly #old: Stat | undefined;
  #handle: Handle | undefined;

  /** `handle` is open at `path`; `old` is the file that it will replace, if there is one. */
  constructor(os: Os, path: string, handle: Handle, rules: MetadataRules, old: Stat | undefined) {
    this.#os = os;
    this.path = path;
    this.#handle = handle;
    this.#rules = rules;
    this.#old = old;
  }

  /** Writes all of the bytes. */
  write(bytes: Uint8Array): Steps<void> {
    return writeFully(this.#os, this.#handle!, bytes);
  }

  /** Sets owner, group, mode and, if given, the modification time; syncs if wanted, and closes the file. */
  *finish(sync: boolean, mtime?: number): Steps<void> {
    const [os, handle] = [this.#os, this.#handle!];
    yield* applyMetadata(os, handle, this.path, this.#rules, this.#old);
    if (mtime !== undefined) yield* os.utime(handle, mtime);
    if (sync) yield* os.fsync(handle, this.path);
    this.#handle = undefined;
    yield* os.close(handle);
  }

  /** Closes the file at most once, even on failure: closed again, the descriptor could be another file's. */
  *close(): Steps<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle !== undefined) yield* this.#os.close(handle);
  }
}

/** Creates a file exclusively, to replace `old`. */
export function* createFile(
  os: Os,
  path: string,
  rules: MetadataRules,
  old: Stat | undefined,
): Steps<NewFile> {
  return new NewFile(os, path, yield* os.create(path, modeWhileStaged(rules, old)), rules, old);
}

/** Creates a file, which `fill` writes, and finishes it; if that fails, the caller removes it. */
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

/** Copies a file with its mode, time and, if permitted, owner, unsynced. Returns the original's metadata. */
export function* copyFile(os: Os, from: string, to: string): Steps<Stat> {
  const original = yield* os.lstat(from);
  yield* os.copy(from, to);
  yield* finishCopy(os, to, yield* os.open(to), original);
  return original;
}

/** Sets mode, owner and time of a copied file or directory, which is open, to the original's; closes it. */
export function* finishCopy(os: Os, path: string, handle: Handle, original: Stat): Steps<void> {
  const copy = new NewFile(os, path, handle, ENTRY_RULES, original);
  try {
    yield* copy.finish(false, original.mtime);
  } finally {
    yield* copy.close();
  }
}
