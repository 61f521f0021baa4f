/**
 * The protocol of one file, and the only place that knows it:
 *
 *     create exclusively → write → owner, mode → fsync → close → rename → fsync the directory
 *
 * The calling sequence is:
 *
 *   - `find()` looks at the target, through links.
 *   - `hasSameContent()`, for content in memory, says whether the target holds it already; then
 *     `leaveUnchanged()` ends the stage.
 *   - `create()` creates the temporary file beside the target, and the directories above that are missing.
 *   - `write()` adds bytes; any number of times.
 *   - `commit()` makes them the new version; `discard()` removes them; `rehearse()` as well, and says what
 *     `commit()` would have done.
 *   - `fail()` takes the error of any of these: it undoes the stage, and returns the error for the caller.
 *
 *     find() ──> found ──create()──> staged ──commit()──> replaced, or left unchanged
 *                  │                 │ └─ write()
 *                  │                 └──discard()──> nothing is left
 *                  └──leaveUnchanged()──> unchanged
 *
 * A reader sees the old version or the new one. A failure before the rename leaves the target as it was and
 * nothing beside it; the error's outcome says what stands after a later one.
 */

import { Comparison } from "./comparison.ts";
import { syncDir, syncIfReadable, trySync } from "../fs/sync.ts";
import { catchOsError, isNotOffered, OsError, type Outcome, RefusedError } from "../core/errors.ts";
import { describeFailure } from "../fs/failure.ts";
import type { FileSettings, WriteResult } from "./file_options.ts";
import { createFile, type NewFile } from "../fs/new_file.ts";
import { newToken, stagedFileName } from "../core/names.ts";
import type { Durability } from "../core/options.ts";
import type { Handle, Os } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { runInBackground, type Steps, waitFor } from "../core/steps.ts";
import { locate, makeDirs, type NewDirs, removeDirs, type Target } from "../fs/target.ts";

/** Number of bytes between early syncs, and at most to come beside one. */
const EARLY = 64 * 1024 * 1024;

/** A file's new version on its way. */
export class FileStage {
  readonly #os: Os;
  readonly #given: string;
  readonly #settings: FileSettings;
  readonly #dirs: NewDirs = { made: [], parents: [] };
  #target: Target | undefined;
  /** With `ifChanged`, as long as the target may prove to have the same content. */
  #comparison: Comparison | undefined;
  /** The temporary file, and its path as long as it has that name. */
  #file: NewFile | undefined;
  #temp: string | undefined;
  /** A directory that is open to be synced. */
  #dir: Handle | undefined;
  #bytes = 0;
  /** The last early sync, and the number of bytes that were written before it. */
  #early: { bytes: number; sync: Promise<void> | undefined } = { bytes: 0, sync: undefined };
  /** `"unknown"` from just before the rename until it is known whether it happened. */
  #outcome: Outcome = "unchanged";

  constructor(os: Os, given: string, settings: FileSettings) {
    this.#os = os;
    this.#given = given;
    this.#settings = settings;
  }

  /** Looks at the target; with `ifChanged`, new content of this size is compared with it from here on. */
  *find(size?: number): Steps<void> {
    const { followSymlink, ifChanged, mode, signal } = this.#settings;
    signal?.throwIfAborted();
    const found = yield* locate(this.#os, this.#given, followSymlink);
    const { path, stat } = this.#target = fileTarget(found, this.#settings);
    if (!ifChanged || stat === undefined || (size ?? stat.size) !== stat.size) {
      return;
    }
    if (mode !== undefined && mode !== stat.mode) return;
    this.#comparison = new Comparison(this.#os, yield* this.#os.open(path));
  }

  /** Whether the target holds just these bytes. */
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
        // Another process may remove a directory that it has made itself.
        if (missing) yield* makeDirs(this.#os, dir, this.#dirs);
        // A file of that name is another's.
        else if (error.code !== "EEXIST") throw error;
      }
    }
  }

  /** Writes bytes, all of them. */
  *write(bytes: Uint8Array): Steps<void> {
    if (this.#comparison !== undefined) {
      yield* this.#comparison.feed(bytes, this.#settings.signal);
    } else if (this.#bytes - this.#early.bytes >= EARLY) yield* this.#syncEarly();
    yield* this.#file!.write(bytes);
    this.#bytes += bytes.length;
  }

  /**
   * Begins to sync the file while more comes, after the sync before has ended. By itself, Linux begins to write to
   * a disk when a tenth of the memory waits for that, or after 30 s (Documentation/admin-guide/sysctl/vm.rst,
   * dirty_*): the disk would be idle until all has come.
   */
  *#syncEarly(): Steps<void> {
    if (this.#settings.durability === "none") return;
    yield* waitFor(this.#early.sync);
    const sync = runInBackground(syncIfReadable(this.#os, this.#temp!));
    // A sync that is done at once goes on beside nothing: there will be no other.
    this.#early = { bytes: sync === undefined ? Infinity : this.#bytes, sync };
  }

  /** Makes the written bytes the new version; leaves a target unchanged that proves to have the same content. */
  *commit(): Steps<WriteResult> {
    const { durability, overwrite, signal } = this.#settings;
    const { path, dir, stat } = this.#target!;
    if (this.#comparison !== undefined && (yield* this.#comparison.isWhole())) {
      return yield* this.leaveUnchanged();
    }
    // The kernel may report a failure only once: to this sync, so that the next one succeeds.
    if (this.#early.sync !== undefined) yield* waitFor(this.#early.sync);
    yield* this.#file!.finish(durability !== "none");
    // Opened before the rename: a directory that can't be opened is no reason to have replaced.
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

  /** Leaves the target, which has the same content, as it is, but syncs it. */
  *leaveUnchanged(): Steps<WriteResult> {
    const comparison = this.#comparison!;
    let { durability } = this.#settings;
    if (this.#file !== undefined) yield* this.#file.close();
    yield* this.#unlink();
    if (durability !== "none" && !(yield* comparison.sync(this.#target!.path))) {
      durability = "none";
    }
    yield* comparison.close();
    if (durability === "full") {
      const { dir } = this.#target!;
      yield* this.#openDir(dir);
      durability = yield* this.#syncDir(dir);
    }
    return this.#result(false, durability);
  }

  /** Discards the new version, and says what `commit` would have done. */
  *rehearse(): Steps<WriteResult> {
    const comparison = this.#comparison;
    const changed = comparison === undefined || !(yield* comparison.isWhole());
    yield* this.discard();
    return this.#result(changed, "none");
  }

  /** Undoes the stage, and describes the error in the caller's words. */
  *fail(error: unknown): Steps<unknown> {
    const temp = this.#temp;
    const path = temp ?? this.#target?.path ?? this.#given;
    const left = yield* this.#undo();
    // A rename that failed has not happened if its source was still there.
    const renamed = this.#settings.overwrite && this.#outcome === "unknown";
    if (renamed && left === undefined) this.#outcome = "unchanged";
    return describeFailure(error, "write", this.#given, {
      outcome: this.#outcome,
      existed: this.#target?.stat !== undefined,
      path,
      leftover: left === undefined || left.code === "ENOENT" ? undefined : temp,
    });
  }

  /** Closes and removes all that was staged. */
  *discard(): Steps<void> {
    const left = yield* this.#undo();
    if (left !== undefined) throw left;
  }

  /** The same; returns the error that kept the temporary file from going. */
  *#undo(): Steps<OsError | undefined> {
    // The last error of a handle that is given up says nothing.
    if (this.#file !== undefined) yield* catchOsError(this.#file.close());
    yield* catchOsError(this.#closeDir());
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

  /** A link, unlike a rename, fails if the path exists: link(2), EEXIST. */
  *#link(path: string): Steps<void> {
    const error = yield* catchOsError(this.#os.link(this.#temp!, path));
    if (error === undefined) return;
    // Over NFS a link may have been made though the call failed: open(2), on O_EXCL.
    if ((yield* this.#os.lstat(this.#temp!)).links === 2) return;
    this.#outcome = "unchanged";
    if (!isNotOffered(error)) throw error;
    const why = `the file system refused a hard link (${error.code}), which it takes to create a ` +
      `file and never replace one; use another directory, or allow it to be replaced (overwrite)`;
    throw new RefusedError("ERR_UNSUPPORTED", path, why);
  }

  /** Opens the directory to sync it later, after having synced the new ones above it. */
  *#openDir(dir: string): Steps<void> {
    for (const parent of this.#dirs.parents) yield* syncDir(this.#os, parent);
    this.#dir = yield* this.#os.openDir(dir);
  }

  *#syncDir(dir: string): Steps<Durability> {
    const open = this.#dir;
    if (open === undefined) return "file";
    const isSynced = yield* trySync(this.#os, open, dir);
    this.#dir = undefined;
    yield* this.#os.close(open);
    return isSynced ? "full" : "file";
  }

  /** The handle is forgotten before it is closed: closed twice, it could be another's by then. */
  *#closeDir(): Steps<void> {
    const dir = this.#dir;
    this.#dir = undefined;
    if (dir !== undefined) yield* this.#os.close(dir);
  }

  #result(changed: boolean, durability: Durability): WriteResult {
    return { path: this.#given, bytes: this.#bytes, changed, durability };
  }
}

/** The target of a write at a path that was found; refused if a file must not go there. */
export function fileTarget(found: Target, settings: FileSettings): Target {
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
