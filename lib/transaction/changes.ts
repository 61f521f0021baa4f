/** The changes that a transaction plans: all below its root, on its file system, and without overlap. */

import { dirname } from "node:path";
import { RefusedError } from "../core/errors.ts";
import { inside, parentsOf, split } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os, Stat } from "../os/port.ts";
import { locate, lstatOrUndefined } from "../fs/target.ts";
import type { PendingChange } from "../journal/record.ts";
import { canonicalPath, relativeTo } from "../journal/within_root.ts";
import type { DirStage } from "../dir/dir_stage.ts";

/** A directory that a transaction stages, and swaps in. */
export interface DirChange {
  do: "persist";
  path: string;
  /** Its name in the transaction's directory. */
  staged: string;
  stage: DirStage;
}

/** A change before the commit. */
export type PlannedChange =
  | PendingChange & { do: Exclude<PendingChange["do"], "swap"> }
  | DirChange;

/** The changes of a transaction, in the order of the calls. */
export class Changes {
  readonly #os: Os;
  readonly #given: string;
  /** The root without links, and its file system. */
  readonly root: string;
  readonly #dev: number;
  readonly list: PlannedChange[] = [];
  /** Paths that are changed, the directories above them, and the directories to be made. */
  readonly #changed = new Set<string>();
  readonly #above = new Set<string>();
  readonly #made = new Set<string>();
  /** Canonical paths of directories, by the paths by which they were found. */
  readonly #dirs = new Map<string, string>();

  /** `given` is the caller's path of the root. */
  constructor(os: Os, given: string, root: string, dev: number) {
    this.#os = os;
    this.#given = given;
    this.root = root;
    this.#dev = dev;
  }

  /** The name under which the next change is staged. */
  get next(): string {
    return `${this.list.length}`;
  }

  /** The whole path of a relative one. */
  at(path: string): string {
    return inside(this.root, path);
  }

  /** Resolves a caller's path; refuses one that overlaps another change, or `other`. */
  *find(
    given: string,
    followSymlink: boolean,
    other?: string,
  ): Steps<{ path: string; stat: Stat | undefined }> {
    const lexical = relativeTo([this.#given, this.root], given);
    const found = yield* locate(this.#os, this.at(lexical), followSymlink);
    const path = yield* this.#canonical(found.path);
    const isChanged = (path: string): boolean => path === other || this.#changed.has(path);
    const isAbove = this.#above.has(path) || other?.startsWith(path + "/");
    if (isAbove || [path, ...parentsOf(path)].some(isChanged)) {
      const what = `${JSON.stringify(given)}, or a path above or below it,`;
      throw new TypeError(`${what} is already changed by this transaction`);
    }
    const { stat } = found;
    if (stat !== undefined && stat.dev !== this.#dev) {
      throw new RefusedError("EXDEV", found.path, "it is on another file system (EXDEV)");
    }
    return { path, stat };
  }

  /** Resolves the links in a path; each directory once, and again when the changes are made. */
  *#canonical(path: string): Steps<string> {
    const { dir, name } = split(path);
    const known = this.#dirs.get(dir);
    if (known !== undefined) return known + name;
    const canonical = yield* canonicalPath(this.#os, this.root, this.#dev, path);
    this.#dirs.set(dir, canonical.slice(0, canonical.length - name.length));
    return canonical;
  }

  add(change: PlannedChange): void {
    for (const path of "to" in change ? [change.path, change.to] : [change.path]) {
      this.#changed.add(path);
      for (const above of parentsOf(path)) this.#above.add(above);
    }
    this.list.push(change);
  }

  /** Plans to make the directory above a path, if it is missing; else returns its attributes. */
  *makeAbove(path: string): Steps<Stat | undefined> {
    const above = dirname(path);
    // In the root itself, the transaction's directory has inherited the group.
    if (above === "." || this.#made.has(above)) return undefined;
    const stat = yield* lstatOrUndefined(this.#os, this.at(above));
    if (stat !== undefined) return stat;
    this.#made.add(above);
    this.list.push({ do: "make", path: above });
    return undefined;
  }
}
