/**
 * The protocol of one file, and the only place that knows it:
 *
 *     create exclusively → write → owner, mode → fsync → close → rename → fsync the directory
 *
 * The calling sequence is:
 *
 *   - `find()` finds the target, through links.
 *   - `hasSameContent()`, for content in memory, compares it with the target; if they are the same,
 *     `leaveUnchanged()` ends the stage.
 *   - `create()` creates the temporary file beside the target, and missing directories above it.
 *   - `write()` appends bytes; any number of times.
 *   - `commit()` makes them the new version; `discard()` removes them; `rehearse()` removes them, too, and
 *     returns what `commit()` would have returned.
 *   - `fail()` takes the error of any of these, undoes the stage, and returns the error for the caller.
 *
 *     find() ──> found ──create()──> staged ──commit()──> replaced, or left unchanged
 *                  │                 │ └─ write()
 *                  │                 └──discard()──> nothing is left
 *                  └──leaveUnchanged()──> unchanged
 *
 * A reader sees the old version or the new one. A failure before the rename leaves the target unchanged and
 * nothing beside it; after a later failure, the error's outcome says which version stands.
 */

import { catchOsError, isNotOffered, OsError, type Outcome, RefusedError } from "../core/errors.ts";
import { newToken, stagedFileName } from "../core/names.ts";
import type { Durability } from "../core/options.ts";
import { inside } from "../core/paths.ts";
import { runInBackground, type Steps, waitFor } from "../core/steps.ts";
import { describeFailure } from "../fs/failure.ts";
import { createFile, type NewFile } from "../fs/new_file.ts";
import { syncDir, syncIfReadable, trySync } from "../fs/sync.ts";
import { locate, makeDirs, type NewDirs, removeDirs, type Target } from "../fs/target.ts";
import type { Handle, Os } from "../os/port.ts";
import { Comparison } from "./comparison.ts";
import type { FileSettings, WriteResult } from "./file_options.ts";

/** Bytes between early syncs, and the most that are written during one. */
const EARLY = 64 * 1024 * 1024;

/** The staged version of one file. */
export class FileStage {
  readonly #os: Os;
  readonly #given: string;
  readonly #settings: FileSettings;
  readonly #dirs: NewDirs = { made: [], parents: [] };
  #target: Target | undefined;
  /** Set with `ifChanged`, while the target may still have the same content. */
  #comparison: Comparison | undefined;
  #file: NewFile | undefined;
  /** The path of the temporary file, until it is renamed or removed. */
  #temp: string | undefined;
  /** The target's directory, open to be synced. */
  #dir: Handle | undefined;
  #bytes = 0;
  /** The last early sync, and how many bytes were written before it. */
  #early: { bytes: number; sync: Promise<void> | undefined } = { bytes: 0, sync: undefined };
  /** `"unknown"` from just before the rename until its effect is known. */
  #outcome: Outcome = "unchanged";

  constructor(os: Os, given: string, settings: FileSettings) {
    this.#os = os;
    this.#given = given;
    this.#settings = settings;
  }

  /** Finds the target. With `ifChanged`, also opens it for a comparison, unless its size rules one out. */
  *find(size?: number): Steps<void> {
    const { followSymlink, ifChanged, mode, signal } = this.#settings;
    signal?.throwIfAborted();
    const found = yield* locate(this.#os, this.#given, followSymlink);
    const { path, stat } = this.#target = fileTarget(found, this.#settings);
    if (!ifChanged || stat === undefined || (size ?? stat.size) !== stat.size) return;
    if (mode !== undefined && mode !== stat.mode) return;
    this.#comparison = new Comparison(this.#os, yield* this.#os.open(path));
  }

  /** Whether the target's content is exactly these bytes. */
  *hasSameContent(content: Uint8Array): Steps<boolean> {
    if (this.#comparison === undefined) return false;
    yield* this.#comparison.feed(content, this.#settings.signal);
    this.#bytes = content.length;
    return yield* this.#comparison.isWhole();
  }

  /** Creates the temporary file. */
  *create(): Steps<void> {
    const { dir, name, stat } = this.#target!;
    this.#bytes = 0;
    for (let tries = 1;; tries++) {
      const temp = inside(dir, stagedFileName(name, newToken()));
      try {
        this.#file = yield* createFile(this.#os, temp, this.#settings, stat);
        this.#temp = temp;
        return;
      } catch (error) {
        if (!(error instanceof OsError) || tries === 10) throw error;
        const missing = error.code === "ENOENT" && this.#settings.createParents;
        // Another process may have removed a directory that it made: hence the ten tries.
        if (missing) yield* makeDirs(this.#os, dir, this.#dirs);
        // On EEXIST, the name belongs to another writer: try the next.
        else if (error.code !== "EEXIST") throw error;
      }
    }
  }

  /** Appends bytes. */
  *write(bytes: Uint8Array): Steps<void> {
    if (this.#comparison !== undefined) {
      yield* this.#comparison.feed(bytes, this.#settings.signal);
    } else if (this.#bytes - this.#early.bytes >= EARLY) yield* this.#syncEarly();
    yield* this.#file!.write(bytes);
    this.#bytes += bytes.length;
  }

  /**
   * Starts a sync that runs while more is written, once the previous one has ended. By itself, Linux starts
   * to write back only when a tenth of the memory is dirty, or after 30 s (dirty_* in
   * Documentation/admin-guide/sysctl/vm.rst): until then, the disk would be idle.
   */
  *#syncEarly(): Steps<void> {
    if (this.#settings.durability === "none") return;
    yield* waitFor(this.#early.sync);
    const sync = runInBackground(syncIfReadable(this.#os, this.#temp!));
    // A sync that blocks overlaps with nothing, so it is the last.
    this.#early = { bytes: sync === undefined ? Infinity : this.#bytes, sync };
  }

  /** Makes the written bytes the new version, unless the target turns out to have the same content. */
  *commit(): Steps<WriteResult> {
    const { durability, overwrite, signal } = this.#settings;
    const { path, dir, stat } = this.#target!;
    if (this.#comparison !== undefined && (yield* this.#comparison.isWhole())) {
      return yield* this.leaveUnchanged();
    }
    // fsync(2) may report an error only once: to the early sync, and not to the next one.
    if (this.#early.sync !== undefined) yield* waitFor(this.#early.sync);
    yield* this.#file!.finish(durability !== "none");
    // Opened before the rename: if it cannot be opened, nothing must have been replaced.
    if (durability === "full") yield* this.#openDir(dir);
    signal?.throwIfAborted();
    this.#outcome = "unknown";
    if (overwrite) {
      yield* this.#os.rename(this.#temp!, path, Math.max(stat?.size ?? 0, this.#bytes));
      this.#temp = undefined;
    } else yield* this.#link(path);
    this.#outcome = "replaced";
    this.#dirs.made = [];
    if (!overwrite) yield* this.#unlink();
    return this.#result(true, durability === "full" ? yield* this.#syncDir(dir) : durability);
  }

  /** Keeps the target, which has the same content, and syncs it. */
  *leaveUnchanged(): Steps<WriteResult> {
    const comparison = this.#comparison!;
    let { durability } = this.#settings;
    if (this.#file !== undefined) yield* this.#file.close();
    yield* this.#unlink();
    const { path, dir } = this.#target!;
    if (durability !== "none" && !(yield* comparison.sync(path))) durability = "none";
    yield* comparison.close();
    if (durability === "full") {
      yield* this.#openDir(dir);
      durability = yield* this.#syncDir(dir);
    }
    return this.#result(false, durability);
  }

  /** Discards the new version, and returns what `commit` would have returned. */
  *rehearse(): Steps<WriteResult> {
    const isSame = this.#comparison !== undefined && (yield* this.#comparison.isWhole());
    yield* this.discard();
    return this.#result(!isSame, "none");
  }

  /** Undoes the stage, and returns the error for the caller. */
  *fail(error: unknown): Steps<unknown> {
    const temp = this.#temp;
    const path = temp ?? this.#target?.path ?? this.#given;
    const left = yield* this.#undo();
    // If the source of a failed rename was still there to be removed, the rename has not happened.
    const wasRenaming = this.#settings.overwrite && this.#outcome === "unknown";
    if (wasRenaming && left === undefined) this.#outcome = "unchanged";
    return describeFailure(error, "write", this.#given, {
      outcome: this.#outcome,
      existed: this.#target?.stat !== undefined,
      path,
      leftover: left === undefined || left.code === "ENOENT" ? undefined : temp,
    });
  }

  /** Closes and removes everything that was staged. */
  *discard(): Steps<void> {
    const left = yield* this.#undo();
    if (left !== undefined) throw left;
  }

  /** The same; returns the error if the temporary file could not be removed. */
  *#undo(): Steps<OsError | undefined> {
    if (this.#early.sync !== undefined) yield* waitFor(this.#early.sync.catch(() => {}));
    // The file is abandoned: an error of its sync or of its close(2) does not matter.
    if (this.#file !== undefined) yield* catchOsError(this.#file.close());
    if (this.#dir !== undefined) yield* catchOsError(this.#closeDir(this.#dir));
    if (this.#comparison !== undefined) yield* catchOsError(this.#comparison.close());
    const left = yield* catchOsError(this.#unlink());
    yield* removeDirs(this.#os, this.#dirs);
    return left;
  }

  *#unlink(): Steps<void> {
    if (this.#temp === undefined) return;
    yield* this.#os.unlink(this.#temp);
    this.#temp = undefined;
  }

  /** Creates the target by link(2), which, unlike rename(2), fails with EEXIST if the path exists. */
  *#link(path: string): Steps<void> {
    const error = yield* catchOsError(this.#os.link(this.#temp!, path));
    if (error === undefined) return;
    // Over NFS, link(2) may fail although the link was made: open(2), O_EXCL.
    if ((yield* this.#os.lstat(this.#temp!)).links === 2) return;
    this.#outcome = "unchanged";
    if (!isNotOffered(error)) throw error;
    const why =
      `the file system refused a hard link (${error.code}), which is needed to create a file ` +
      `without replacing one; use another directory, or allow it to be replaced (overwrite)`;
    throw new RefusedError("ERR_UNSUPPORTED", path, why);
  }

  /** Syncs the new directories above the target's, and opens that one to be synced later. */
  *#openDir(dir: string): Steps<void> {
    for (const parent of this.#dirs.parents) yield* syncDir(this.#os, parent);
    this.#dir = yield* this.#os.openDir(dir);
  }

  *#syncDir(dir: string): Steps<Durability> {
    const open = this.#dir;
    if (open === undefined) return "file";
    const isSynced = yield* trySync(this.#os, open, dir);
    yield* this.#closeDir(open);
    return isSynced ? "full" : "file";
  }

  /** Forgets the handle first: closed twice, its number could be another file's by then. */
  *#closeDir(dir: Handle): Steps<void> {
    this.#dir = undefined;
    yield* this.#os.close(dir);
  }

  #result(changed: boolean, durability: Durability): WriteResult {
    return { path: this.#given, bytes: this.#bytes, changed, durability };
  }
}

/** Returns the target of a write; refuses one that a file must not replace. */
function fileTarget(found: Target, settings: FileSettings): Target {
  const { path, name, stat } = found;
  if (name === "" || stat?.kind === "directory") {
    throw new RefusedError("EISDIR", path, "it is a directory (EISDIR)");
  }
  if (stat !== undefined && !settings.overwrite) throw new OsError("EEXIST", "lstat", path);
  if (stat?.kind === "other") {
    const why = "it is a device, pipe or socket, which a file must not replace";
    throw new RefusedError("ERR_UNSUPPORTED", path, why);
  }
  return stat?.kind === "symlink" ? { ...found, stat: undefined } : found;
}
