/**
 * Carries over the entries of the live version of a directory that the staged one lacks. Files become hard links
 * to the same inode, so that owner, mode, times and attributes stay, and an editor that has one open loses
 * nothing; where links are not possible, they are copied. An entry that can't be carried over fails the
 * operation: nothing is left out silently.
 *
 * After the swap, previous.ts rescues entries that appeared or changed in the previous version meanwhile.
 */

import { isNotOffered, OsError, RefusedError } from "../core/errors.ts";
import { inside, parentsOf } from "../core/paths.ts";
import { parallel, type Steps } from "../core/steps.ts";
import type { Entry, Os, Stat } from "../os/port.ts";
import { refuseNonUtf8 } from "../fs/copy_tree.ts";
import { applyMetadata, ENTRY_RULES } from "../fs/metadata.ts";
import { copyFile } from "../fs/new_file.ts";
import type { SwapPaths } from "../fs/swap.ts";
import { trySync } from "../fs/sync.ts";
import { type DirSettings, everything } from "./dir_options.ts";

type Kind = Stat["kind"];

/** A carry-over from the live version into the staged one. */
export class CarryOver {
  readonly #os: Os;
  readonly #settings: DirSettings;
  readonly from: string;
  readonly into: string;
  /** Entries that are in both versions; the staged one wins. */
  readonly managed: Set<string> = new Set();
  /** Entries that are not wanted; `carryOver` is not asked for the content of such a directory. */
  readonly refused: Set<string> = new Set();
  /** The inodes of carried entries, which show a later change on either side. */
  readonly inodes: Map<string, number> = new Map();
  /** Attributes of the live directories that are in both versions, the root's (`""`) included. */
  readonly dirs: Map<string, Stat> = new Map();
  /** Directories that were made for the carry-over alone, whose times are preserved. */
  readonly #whole = new Set<string>();
  /** Attributes of files that were copied rather than linked, at that time. */
  readonly copied: Map<string, Stat> = new Map();
  /** The number of entries that were carried over, directories not counted. */
  carried = 0;

  /** `root` is the live directory, if there is one. */
  constructor(os: Os, { live, staging }: SwapPaths, settings: DirSettings, root: Stat | undefined) {
    this.#os = os;
    this.#settings = settings;
    this.from = live;
    this.into = staging;
    if (root !== undefined) this.dirs.set("", root);
  }

  /** Whether the new version keeps an entry of the live one, or may keep entries below it. */
  isWanted(relative: string): boolean {
    const { writeOnce, carryOver } = this.#settings;
    return writeOnce.some((path) => path === relative || path.startsWith(relative + "/")) ||
      [...parentsOf(relative), relative].every((path) => carryOver(path));
  }

  /** Whether the new version keeps all entries of the live one that it lacks. */
  get isAllWanted(): boolean {
    return this.#settings.carryOver === everything;
  }

  /** Carries over the entries below a relative path (`""`, or one that ends in a slash). */
  *carry(below: string = ""): Steps<void> {
    const staged = new Map<string, Kind>();
    for (const { name, kind } of yield* this.#os.readdir(inside(this.into, below))) {
      staged.set(name, kind);
    }
    const entries = (yield* this.#os.readdir(inside(this.from, below))).values();
    const dirs: string[] = [];
    yield* parallel(() => this.#carryNext(entries, staged, dirs, below));
    for (const name of dirs) yield* this.#carryDir(below + name, !staged.has(name));
  }

  *#carryNext(
    entries: IterableIterator<Entry>,
    staged: ReadonlyMap<string, Kind>,
    dirs: string[],
    below: string,
  ): Steps<Steps<void> | undefined> {
    for (const { name, kind } of entries) {
      const relative = below + name;
      const own = staged.get(name);
      const isDir = kind === "directory";
      if (own === undefined && !this.isWanted(relative)) {
        this.refused.add(relative);
        continue;
      }
      yield* refuseNonUtf8(this.#os, inside(this.from, relative));
      if (isDir && (own === undefined || own === "directory")) dirs.push(name);
      else if (own === undefined) return this.#carryEntry(relative, kind);
      else if (isDir || own === "directory") this.refuseMixture(relative, isDir);
      else this.managed.add(relative);
    }
    return undefined;
  }

  *#carryDir(relative: string, isNew: boolean): Steps<void> {
    const path = inside(this.from, relative);
    const stat = yield* this.#os.lstat(path);
    if (stat.dev !== this.dirs.get("")!.dev) throw otherFileSystem(path);
    this.dirs.set(relative, stat);
    if (isNew) {
      this.#whole.add(relative);
      yield* this.#os.mkdir(inside(this.into, relative), 0o700);
    }
    yield* this.carry(relative + "/");
  }

  *#carryEntry(relative: string, kind: Kind): Steps<void> {
    const to = inside(this.into, relative);
    yield* this.linkOrCopy(relative, kind, inside(this.from, relative), to);
    this.inodes.set(relative, (yield* this.#os.lstat(to)).ino);
    this.carried++;
  }

  /** Links an entry, or copies it where the previous version is kept or links are not possible. */
  *linkOrCopy(relative: string, kind: Kind, from: string, to: string): Steps<void> {
    const os = this.#os;
    try {
      if (this.#settings.keep === 0 || kind !== "file") return yield* os.link(from, to);
    } catch (error) {
      if (error instanceof OsError && error.code === "EXDEV") throw otherFileSystem(from);
      const copyable = kind === "file" || kind === "symlink";
      // No links on this file system, or none to this file: link(2).
      if (!copyable || !isNotOffered(error, "EACCES", "EMLINK")) throw error;
    }
    if (kind === "symlink") return yield* os.symlink(yield* os.readlink(from), to);
    this.copied.set(relative, yield* copyFile(os, from, to));
  }

  /** Refuses to replace a directory by a file, or a file by a directory, if the live entry is wanted. */
  refuseMixture(relative: string, isDir: boolean): void {
    if (!this.isWanted(relative)) return;
    const path = inside(this.from, relative);
    const [old, own] = isDir ? ["a directory", "a file"] : ["a file", "a directory"];
    const why = `${JSON.stringify(path)} is ${old}, but ${own} in the new version; remove it, or ` +
      "exclude it (carryOver), if nothing in it is needed";
    throw new RefusedError(isDir ? "EISDIR" : "ENOTDIR", path, why);
  }

  /** Gives staged directories the attributes of the live ones, and syncs them if `sync` is set. */
  *finishDirs(staged: string[], mode: number | undefined, sync: boolean): Steps<void> {
    const os = this.#os;
    const all = [...new Set([...staged, ...this.dirs.keys()])];
    const depth = (relative: string): number => relative === "" ? 0 : relative.split("/").length;
    for (const relative of all.sort((a, b) => depth(b) - depth(a))) {
      const [isRoot, old] = [relative === "", this.dirs.get(relative)];
      const rules = isRoot ? { ...ENTRY_RULES, mode } : ENTRY_RULES;
      if (!sync && old === undefined && rules.mode === undefined) continue;
      const path = isRoot ? this.into : inside(this.into, relative);
      const open = yield* os.openDir(path);
      if (open === undefined) continue;
      try {
        yield* applyMetadata(os, open, path, rules, old);
        if (this.#whole.has(relative)) yield* os.utime(open, old!.mtime);
        if (sync) yield* trySync(os, open, path);
      } finally {
        yield* os.close(open);
      }
    }
  }
}

function otherFileSystem(path: string): RefusedError {
  const why = `${JSON.stringify(path)} is on another file system, and can't be carried over ` +
    "(EXDEV); unmount it, or exclude it (carryOver)";
  return new RefusedError("EXDEV", path, why);
}
