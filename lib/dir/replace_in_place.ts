/**
 * Replaces a directory in place: it keeps its inode, so that processes that work in it, watch it or have it
 * mounted go on, and so do the files that the new version does not replace. Each file is replaced by a rename of
 * its own; a transaction makes all of them survive a crash together.
 */

import { afterReplacing, catchOsError, CommitError, outcomeOf } from "../core/errors.ts";
import { journalName, transactionName } from "../core/names.ts";
import { inside, split } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Entry, Os, Stat } from "../os/port.ts";
import { makeClaimed, unclaim } from "../fs/claim.ts";
import { refuseNonUtf8 } from "../fs/copy_tree.ts";
import type { SwapPaths } from "../fs/swap.ts";
import { trashClaimed } from "../fs/trash.ts";
import { commitAll } from "../journal/commit.ts";
import type { PendingChange } from "../journal/record.ts";
import type { CarryOver } from "./carry_over.ts";
import type { DirSettings } from "./dir_options.ts";

/** The name of the staged version in the transaction's directory. */
const STAGE = "0";

/**
 * Replaces in `carry.from` each entry that `carry.into` has, and removes entries that are no longer
 * wanted. `paths.staging` is set to where the staged version is moved. An error carries its outcome.
 * Returns whether the commit is known to survive a power cut, and a path that could not be removed.
 */
export function* persistInPlace(
  os: Os,
  carry: CarryOver,
  before: Stat,
  paths: SwapPaths,
  { mode, durability, signal }: DirSettings,
): Steps<{ durable: boolean; left: string | undefined }> {
  const { dir, name } = split(carry.from);
  const { changes } = yield* new Plan(os, carry, name).addAll();
  if (mode !== undefined && mode !== before.mode) changes.push({ do: "mode", path: name, mode });
  // Later than any time that it had, for `readStable`.
  const mtime = Math.max(Date.now(), Math.floor(before.mtime) + 1);
  changes.push({ do: "stamp", path: name, mtime });
  const { path: staged, claimed } = yield* makeClaimed(os, dir, transactionName);
  const committed = inside(dir, journalName(name));
  const sync = durability !== "none";
  let durable: boolean;
  try {
    yield* os.rename(carry.into, inside(staged, STAGE));
    paths.staging = staged;
    durable = yield* commitAll(os, { root: dir, staged, committed, changes, sync, signal });
  } catch (error) {
    const isStaged = outcomeOf(error) === "unchanged";
    let left = isStaged ? yield* catchOsError(trashClaimed(os, dir, staged)) : undefined;
    // Where it can't be renamed, it may still be possible to delete it.
    if (left?.call === "rename") left = yield* catchOsError(os.removeTree(staged));
    yield* catchOsError(unclaim(os, claimed));
    throw left === undefined ? error : new CommitError(error, "unchanged", left.path ?? staged);
  }
  const left = yield* catchOsError(trashClaimed(os, dir, committed, sync));
  yield* afterReplacing(unclaim(os, claimed));
  return { durable, left: left && committed };
}

/** The changes that make the new version of a directory from the live one. */
class Plan {
  readonly #os: Os;
  readonly #carry: CarryOver;
  readonly #name: string;
  readonly changes: PendingChange[] = [];

  constructor(os: Os, carry: CarryOver, name: string) {
    this.#os = os;
    this.#carry = carry;
    this.#name = name;
  }

  /** Plans the changes below a relative path (`""`, or one that ends in a slash). */
  *addAll(below: string = ""): Steps<this> {
    const { from, into } = this.#carry;
    const live = new Map<string, Entry>();
    for (const entry of yield* this.#os.readdir(inside(from, below))) live.set(entry.name, entry);
    for (const { name, kind } of yield* this.#os.readdir(inside(into, below))) {
      const relative = below + name;
      const there = live.get(name)?.kind;
      live.delete(name);
      const [isDir, wasDir] = [kind === "directory", there === "directory"];
      if (isDir && wasDir) {
        yield* this.addAll(relative + "/");
        continue;
      }
      if (there !== undefined && isDir !== wasDir) {
        this.#carry.refuseMixture(relative, wasDir);
        this.#remove(relative);
      }
      const path = `${this.#name}/${relative}`;
      this.changes.push({ do: "write", path, staged: `${STAGE}/${relative}` });
    }
    yield* this.#removeUnwanted(live.values(), below);
    return this;
  }

  /** Plans to remove those of the entries, and of the entries below them, that are not wanted. */
  *#removeUnwanted(entries: Iterable<Entry>, below: string): Steps<void> {
    for (const { name, kind } of entries) {
      const relative = below + name;
      const path = inside(this.#carry.from, relative);
      if (!this.#carry.isWanted(relative)) {
        yield* refuseNonUtf8(this.#os, path);
        this.#remove(relative);
      } else if (kind === "directory" && !this.#carry.isAllWanted) {
        yield* this.#removeUnwanted(yield* this.#os.readdir(path + "/"), relative + "/");
      }
    }
  }

  #remove(relative: string): void {
    const staged = `removed-${this.changes.length}`;
    this.changes.push({ do: "remove", path: `${this.#name}/${relative}`, staged });
  }
}
