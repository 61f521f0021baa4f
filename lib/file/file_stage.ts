/**
 * The protocol of one file, and the only place that knows it:
 *
 *     create exclusively → write → owner, mode → fsync → close → rename → fsync the directory
 *
 * Small content in memory that needs no sync is created, written and closed by one call, if no more is to be set.
 * A reader sees the old version or the new one. Whatever fails before the rename leaves the target as
 * it was and nothing beside it; what fails after it is told apart by the error's outcome. What comes in
 * many pieces is synced meanwhile too.
 */

import { isWatched } from "../stage/block_writer.ts";
import { Comparison } from "./comparison.ts";
import { trySync } from "../fs/sync.ts";
import { EarlySyncs } from "./early_syncs.ts";
import { caught, NOT_OFFERED, OsError, type Outcome, Refusal } from "../core/errors.ts";
import { describeFailure } from "../fs/failure.ts";
import type { FileSettings, WriteResult } from "./file_options.ts";
import { writeFully } from "../fs/io.ts";
import { applyMetadata, hasMetadata, keepsStagedMode, modeWhileStaged } from "../fs/metadata.ts";
import { newToken, stagedFileName } from "../core/names.ts";
import type { Durability } from "../core/options.ts";
import type { Handle, Os, Stat } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { locate, makeDirs, type NewDirs, removeDirs, type Target } from "../fs/target.ts";

/** A file's new version on its way: find, create, write, then commit or fail or discard. */
export class FileStage {
  readonly #os: Os;
  readonly #given: string;
  readonly #settings: FileSettings;
  readonly #dirs: NewDirs = { made: [], parents: [] };
  #target: Target | undefined;
  #comparison: Comparison | undefined;
  /** The temporary file, as long as it has that name. */
  #temp: string | undefined;
  /** What is open: the temporary file, a directory to be synced. */
  #file: Handle | undefined;
  #dir: Handle | undefined;
  /** Only where content comes in pieces that need not prove to be the same as the target. */
  #early: EarlySyncs | undefined;
  #bytes = 0;
  /** As far as is known. */
  #isOnDisk = false;
  /** `"unknown"` from just before the rename until it is known whether it happened. */
  #outcome: Outcome = "unchanged";

  constructor(os: Os, given: string, settings: FileSettings) {
    this.#os = os;
    this.#given = given;
    this.#settings = settings;
  }

  /** Looks at the target; with `ifChanged`, what is written is compared with it from here on. */
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
  *holds(content: Uint8Array): Steps<boolean> {
    if (this.#comparison === undefined) return false;
    yield* this.#comparison.feed(content, this.#settings.signal);
    this.#bytes = content.length;
    return yield* this.#isSame();
  }

  /** Creates the temporary file; with its content, if that is given. */
  *create(content?: Uint8Array): Steps<void> {
    const { dir, name, stat } = this.#target!;
    const mode = modeWhileStaged(this.#settings, stat);
    this.#bytes = content?.length ?? 0;
    for (let tries = 1;; tries++) {
      const temp = inside(dir, stagedFileName(name, newToken()));
      try {
        if (content === undefined) this.#file = yield* this.#os.create(temp, mode);
        else yield* this.#os.createWhole(temp, mode, content);
        this.#temp = temp;
        return;
      } catch (error) {
        if (!(error instanceof OsError) || tries === 10) throw error;
        const missing = error.code === "ENOENT" && this.#settings.createParents;
        // A file of that name is another's; a directory may be removed again by who made it.
        if (missing) yield* makeDirs(this.#os, dir, this.#dirs);
        else if (error.code !== "EEXIST") {
          // What could not be filled may be there.
          if ((yield* caught(this.#os.lstat(temp))) === undefined) this.#temp = temp;
          throw error;
        }
      }
    }
  }

  /**
   * Creates the temporary file with its content, by one call; whether that could be done. What is to be synced,
   * watched or given another mode or owner has to be open.
   */
  *createWhole(content: Uint8Array): Steps<boolean> {
    const { stat } = this.#target!;
    if (this.#comparison !== undefined || isWatched(this.#settings)) return false;
    if (!keepsStagedMode(this.#settings, stat)) return false;
    const isToSync = this.#settings.durability !== "none";
    if (isToSync && (yield* this.#needsSync(stat))) return false;
    try {
      yield* this.create(content);
      const now = yield* this.#os.lstat(this.#temp!);
      const isRight = hasMetadata(this.#settings, now, stat);
      if (isRight && !(isToSync && (yield* this.#needsSync(now)))) return true;
    } catch (error) {
      // Deno sets the mode of what it creates so, which a file system may refuse though it is the right one.
      if (!(error instanceof OsError && NOT_OFFERED.includes(error.code))) throw error;
    }
    yield* this.#unlink();
    return false;
  }

  /** Writes bytes, all of them. */
  *write(bytes: Uint8Array): Steps<void> {
    if (this.#comparison !== undefined) {
      yield* this.#comparison.feed(bytes, this.#settings.signal);
    } else if (this.#bytes > 0 && this.#settings.durability !== "none") {
      this.#early ??= new EarlySyncs(this.#os);
      yield* this.#early.moreComes(this.#file!, this.#temp!, this.#bytes);
    }
    yield* writeFully(this.#os, this.#file!, bytes);
    this.#bytes += bytes.length;
  }

  /** Makes what was written the new version. */
  *commit(): Steps<WriteResult> {
    const { durability, overwrite, signal } = this.#settings;
    const { path, dir, stat } = this.#target!;
    const os = this.#os;
    if (this.#comparison !== undefined && (yield* this.#isSame())) return yield* this.keep();
    let isFull = false;
    if (this.#file !== undefined) {
      const seen = yield* applyMetadata(os, this.#file, this.#temp!, this.#settings, stat);
      if (this.#early !== undefined) yield* this.#early.end();
      isFull = durability === "full" && (yield* this.#needsSync(seen));
      if (isFull || durability === "file") yield* os.fsync(this.#file, this.#temp!);
      yield* os.close(this.#takeFile());
    }
    // Opened before the rename: a directory that can't be opened is no reason to have replaced.
    if (isFull) yield* this.#openDir(dir);
    signal?.throwIfAborted();
    this.#outcome = "unknown";
    if (overwrite) yield* os.rename(this.#temp!, path, Math.max(stat?.size ?? 0, this.#bytes));
    else yield* this.#link(path);
    this.#outcome = "replaced";
    this.#dirs.made = [];
    if (overwrite) this.#temp = undefined;
    else yield* this.#unlink();
    return this.#result(true, isFull ? yield* this.#syncDir(dir) : durability);
  }

  /** Whether the directory needs syncs, in which that was just found. */
  *#needsSync(seen: Stat | undefined): Steps<boolean> {
    return this.#isOnDisk ||= yield* this.#os.needsSync(this.#target!.dir, seen?.dev);
  }

  /** Leaves the target, which has the same bytes already, as it is, but syncs it. */
  *keep(): Steps<WriteResult> {
    const comparison = this.#comparison!;
    let { durability } = this.#settings;
    yield* this.#closeFile();
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

  /** Leaves the target as it is, and says what `commit` would have done. */
  *rehearse(): Steps<WriteResult> {
    const changed = !(yield* this.#isSame());
    yield* this.discard();
    return this.#result(changed, "none");
  }

  /** Undoes what was staged, and puts into the caller's words what went wrong. */
  *fail(error: unknown): Steps<unknown> {
    const temp = this.#temp;
    const path = temp ?? this.#target?.path ?? this.#given;
    const left = yield* this.#undo();
    // A rename that failed has not happened if what it was to move was still there.
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

  /** The same; returns what kept the temporary file from going. */
  *#undo(): Steps<OsError | undefined> {
    const close = [
      this.#closeFile(),
      this.#closeDir(),
      this.#comparison?.close(),
    ];
    // What is closed here is not wanted any more, so its last error says nothing.
    for (const steps of close) if (steps !== undefined) yield* caught(steps);
    const left = yield* caught(this.#unlink());
    yield* removeDirs(this.#os, this.#dirs);
    return left;
  }

  *#isSame(): Steps<boolean> {
    return this.#comparison !== undefined && (yield* this.#comparison.isWhole());
  }

  /** A link, unlike a rename, fails if the path exists: link(2), EEXIST. */
  *#link(path: string): Steps<void> {
    const error = yield* caught(this.#os.link(this.#temp!, path));
    // Over NFS a link may have been made though the call failed: open(2), on O_EXCL.
    if (
      error !== undefined && (yield* this.#os.lstat(this.#temp!)).links !== 2
    ) {
      this.#outcome = "unchanged";
      if (!NOT_OFFERED.includes(error.code)) throw error;
      const why =
        `the file system refused a hard link (${error.code}), which it takes to create a ` +
        `file and never replace one; use another directory, or allow it to be replaced (overwrite)`;
      throw new Refusal("ERR_UNSUPPORTED", path, why);
    }
  }

  /** Opens the directory to sync it later, after having synced the new ones above it. */
  *#openDir(dir: string): Steps<void> {
    for (const parent of this.#dirs.parents) {
      this.#dir = yield* this.#os.openDir(parent);
      yield* this.#syncDir(parent);
    }
    this.#dir = yield* this.#os.openDir(dir);
  }

  *#syncDir(dir: string): Steps<Durability> {
    if (this.#dir === undefined || !(yield* trySync(this.#os, this.#dir, dir))) {
      return "file";
    }
    yield* this.#closeDir();
    return "full";
  }

  *#unlink(): Steps<void> {
    if (this.#temp === undefined) return;
    yield* this.#os.unlink(this.#temp);
    this.#temp = undefined;
  }

  // A handle is forgotten before it is closed: closed twice, it could be another's by then.

  #takeFile(): Handle {
    const file = this.#file!;
    this.#file = undefined;
    return file;
  }

  *#closeFile(): Steps<void> {
    if (this.#early !== undefined) yield* this.#early.abandon();
    if (this.#file !== undefined) yield* this.#os.close(this.#takeFile());
  }

  *#closeDir(): Steps<void> {
    const dir = this.#dir;
    this.#dir = undefined;
    if (dir !== undefined) yield* this.#os.close(dir);
  }

  #result(changed: boolean, durability: Durability): WriteResult {
    return { path: this.#given, bytes: this.#bytes, changed, durability };
  }
}

/** What was found, as the target of a write; refused if a file must not go there. */
export function fileTarget(found: Target, settings: FileSettings): Target {
  const { path, name, stat } = found;
  if (name === "" || stat?.kind === "directory") {
    throw new Refusal("EISDIR", path, "it is a directory (EISDIR)");
  }
  if (stat !== undefined && !settings.overwrite) throw new OsError("EEXIST", "lstat", path);
  if (stat?.kind === "other") {
    const why = "it is a device, pipe or socket, which a file must not replace";
    throw new Refusal("ERR_UNSUPPORTED", path, why);
  }
  return stat?.kind === "symlink" ? { ...found, stat: undefined } : found;
}
