/** What a transaction is to change: all of it below its root and on its file system, nothing named twice. */

import { dirname } from "node:path";
import { RefusedError } from "../core/errors.ts";
import type { Os, Stat } from "../os/port.ts";
import { inside, parentsOf, split } from "../core/paths.ts";
import type { DirStage } from "../dir/dir_stage.ts";
import type { PendingChange } from "../journal/record.ts";
import type { Steps } from "../core/steps.ts";
import { locate, lstatOrUndefined } from "../fs/target.ts";
import { canonicalPath, relativeTo } from "../journal/within_root.ts";

/** A directory that a transaction stages, and swaps in. */
export interface DirChange {
  do: "persist";
  path: string;
  /** Its name in the transaction's directory. */
  staged: string;
  stage: DirStage;
}

/** A change as it is called for. */
export type PlannedChange =
  | PendingChange & { do: Exclude<PendingChange["do"], "swap"> }
  | DirChange;

/** The changes of a transaction, as they are called for. */
export class Changes {
  readonly #os: Os;
  readonly #given: string;
  /** The root without links, and its file system. */
  readonly root: string;
  readonly #dev: number;
  readonly list: PlannedChange[] = [];
  /** What is named, what that is in, and the directories that are to be made. */
  readonly #named = new Set<string>();
  readonly #above = new Set<string>();
  readonly #made = new Set<string>();
  /** What directories really are, by the paths by which they were found. */
  readonly #dirs = new Map<string, string>();

  /** `given` is the root, as the caller calls it. */
  constructor(os: Os, given: string, root: string, dev: number) {
    this.#os = os;
    this.#given = given;
    this.root = root;
    this.#dev = dev;
  }

  /** The name under which the next thing is staged. */
  get next(): string {
    return `${this.list.length}`;
  }

  /** A relative path's whole one. */
  at(path: string): string {
    return inside(this.root, path);
  }

  /** Finds what a caller's path means; what another change is about, or `other`, is refused. */
  *find(
    given: string,
    followSymlink: boolean,
    other?: string,
  ): Steps<{ path: string; stat: Stat | undefined }> {
    const lexical = relativeTo([this.#given, this.root], given);
    const found = yield* locate(this.#os, this.at(lexical), followSymlink);
    const path = yield* this.#canonical(found.path);
    const isNamed = (path: string): boolean => path === other || this.#named.has(path);
    const isAbove = this.#above.has(path) || other?.startsWith(path + "/");
    if (isAbove || [path, ...parentsOf(path)].some(isNamed)) {
      throw new TypeError(
        `${JSON.stringify(given)} is named twice in one transaction, or in what else is changed`,
      );
    }
    const { stat } = found;
    if (stat !== undefined && stat.dev !== this.#dev) {
      throw new RefusedError("EXDEV", found.path, "it is on another file system (EXDEV)");
    }
    return { path, stat };
  }

  /** Where a path really is; each directory is looked up once, and again when the changes are made. */
  *#canonical(path: string): Steps<string> {
    const { dir, name } = split(path);
    const known = this.#dirs.get(dir);
    if (known !== undefined) return known + name;
    const canonical = yield* canonicalPath(this.#os, this.root, this.#dev, path);
    this.#dirs.set(dir, canonical.slice(0, canonical.length - name.length));
    return canonical;
  }

  /** Adds a change. */
  add(change: PlannedChange): void {
    for (const path of "to" in change ? [change.path, change.to] : [change.path]) {
      this.#named.add(path);
      for (const above of parentsOf(path)) this.#above.add(above);
    }
    this.list.push(change);
  }

  /** Adds that the directory of a path is made, if it is missing; returns its attributes, if it is not. */
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
