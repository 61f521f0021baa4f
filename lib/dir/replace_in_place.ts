/**
 * A directory replaced in place: it keeps its inode, so that processes that work in it, watch it or have
 * it mounted go on, and so do the files in it that nobody replaces. Each file gets its place by a rename
 * of its own; a transaction makes the whole of it survive a crash.
 */

import { type CarryOver, isWanted, refuseMixture } from "./carry_over.ts";
import { refuseNonUtf8 } from "../fs/copy_tree.ts";
import { commitAll } from "../journal/commit.ts";
import { type DirSettings, everything } from "./dir_options.ts";
import { afterReplacing, catchOsError, CommitError, outcomeOf } from "../core/errors.ts";
import { journalName, transactionName } from "../core/names.ts";
import type { Os, Stat } from "../os/port.ts";
import { inside, split } from "../core/paths.ts";
import type { PendingChange } from "../journal/record.ts";
import type { Steps } from "../core/steps.ts";
import { makeClaimed, unclaim } from "../fs/claim.ts";
import { trashClaimed } from "../fs/trash.ts";

/** Where the staged version is within the transaction's directory. */
const STAGE = "0";

/**
 * Replaces in `carry.from` each entry that `carry.into` has, and removes those that are not wanted any more. An
 * error carries its outcome. Returns whether all is known to survive a power cut, and a path that could not be
 * deleted.
 */
export function* persistInPlace(
  os: Os,
  carry: CarryOver,
  before: Stat,
  { mode, durability, signal }: DirSettings,
): Steps<{ durable: boolean; left: string | undefined }> {
  const { dir, name } = split(carry.from);
  const changes: PendingChange[] = [];
  yield* plan(os, carry, name, "", changes);
  if (mode !== undefined && mode !== before.mode) changes.push({ do: "mode", path: name, mode });
  // Later than any that it had, for `readStable`.
  const mtime = Math.max(Date.now(), Math.floor(before.mtime) + 1);
  changes.push({ do: "stamp", path: name, mtime });
  const { path: staged, claimed } = yield* makeClaimed(os, dir, transactionName);
  const committed = inside(dir, journalName(name));
  const sync = durability !== "none";
  let durable: boolean;
  try {
    yield* os.rename(carry.into, inside(staged, STAGE));
    durable = yield* commitAll(os, { root: dir, staged, committed, changes, sync, signal });
  } catch (error) {
    const isStaged = outcomeOf(error) === "unchanged";
    const left = isStaged ? yield* catchOsError(trashClaimed(os, dir, staged)) : undefined;
    yield* catchOsError(unclaim(os, claimed));
    throw left === undefined ? error : new CommitError(error, "unchanged", left.path ?? staged);
  }
  const left = yield* catchOsError(trashClaimed(os, dir, committed, sync));
  yield* afterReplacing(unclaim(os, claimed));
  return { durable, left: left && committed };
}

/** Plans what is to be done below a relative path (`""` or one that ends in a slash). */
function* plan(
  os: Os,
  carry: CarryOver,
  name: string,
  below: string,
  changes: PendingChange[],
): Steps<void> {
  const live = new Map<string, Stat["kind"]>();
  for (const entry of yield* os.readdir(inside(carry.from, below))) {
    live.set(entry.name, entry.kind);
  }
  const remove = (relative: string): void => {
    const staged = `removed-${changes.length}`;
    changes.push({ do: "remove", path: `${name}/${relative}`, staged });
  };
  const staged = yield* os.readdir(inside(carry.into, below));
  for (const entry of staged) {
    const relative = below + entry.name;
    const there = live.get(entry.name);
    live.delete(entry.name);
    const [isDir, wasDir] = [entry.kind === "directory", there === "directory"];
    if (isDir && wasDir) {
      yield* plan(os, carry, name, relative + "/", changes);
      continue;
    }
    if (there !== undefined && isDir !== wasDir) {
      refuseMixture(carry, relative, wasDir);
      remove(relative);
    }
    const path = `${name}/${relative}`;
    changes.push({ do: "write", path, staged: `${STAGE}/${relative}` });
  }
  // What is wanted is not even looked into, unless there is more to ask for.
  for (const [entry, kind] of live) {
    const relative = below + entry;
    if (!isWanted(carry, relative)) {
      yield* refuseNonUtf8(os, inside(carry.from, relative));
      remove(relative);
    } else if (kind === "directory" && carry.wanted !== everything) {
      yield* planUnmanaged(os, carry, relative + "/", remove);
    }
  }
}

/** What is not wanted in a directory of which the new version has nothing. */
function* planUnmanaged(
  os: Os,
  carry: CarryOver,
  below: string,
  remove: (relative: string) => void,
): Steps<void> {
  for (const { name, kind } of yield* os.readdir(inside(carry.from, below))) {
    const relative = below + name;
    if (!isWanted(carry, relative)) {
      yield* refuseNonUtf8(os, inside(carry.from, relative));
      remove(relative);
    } else if (kind === "directory") yield* planUnmanaged(os, carry, relative + "/", remove);
  }
}
