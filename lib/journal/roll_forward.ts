/**
 * Rolls a committed transaction forward: makes each of its changes that was not made already, which shows in
 * the content of the transaction's directory. Any process may do so, and may be interrupted and repeat it at
 * any call. Changes by others since the commit are newer, and stay.
 */

import { catchOsError, isMissing, RefusedError } from "../core/errors.ts";
import { recognise } from "../core/names.ts";
import type { LockSettings } from "../core/options.ts";
import { inside, split } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { claim, unclaim, withScratch } from "../fs/claim.ts";
import { addVersion } from "../fs/history.ts";
import { readAll } from "../fs/io.ts";
import { lstatUncached } from "../fs/shared_fs.ts";
import { swapPaths } from "../fs/swap.ts";
import { syncDir } from "../fs/sync.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { trashClaimed } from "../fs/trash.ts";
import { applyAll, previousPath } from "./apply.ts";
import { type Change, fromText, RECORD } from "./record.ts";

/** `"done"`: completed; `"gone"`: completed by another process; `"another's"`: still claimed by one. */
type Ending = "done" | "gone" | "another's";

/** Completes an abandoned transaction of `root`, which was committed, and removes it. */
export function* rollForward(os: Os, root: string, dir: string): Steps<Ending> {
  try {
    return yield* rollForwardClaimed(os, root, dir);
  } catch (error) {
    // Another process has completed it meanwhile.
    if (isMissing(error) && (yield* lstatUncached(os, dir)) === undefined) return "gone";
    throw error;
  }
}

function* rollForwardClaimed(os: Os, root: string, dir: string): Steps<Ending> {
  const claimed = yield* claim(os, dir);
  if (claimed === undefined) return "another's";
  try {
    yield* refuseForeign(os, root, dir);
    const record = inside(dir, RECORD);
    const text = new TextDecoder().decode(yield* readAll(os, record));
    const changes = fromText(text, (yield* os.lstat(inside(root, "."))).ino, record);
    // The abandoned process may not have synced the commit, and no change may reach the disk before it.
    yield* syncDir(os, root);
    yield* applyAll(os, { root, dir, changes, sync: true }, true);
    for (const change of changes) {
      if (change.do === "swap") yield* archive(os, root, dir, change);
    }
    yield* trashClaimed(os, root, dir, true);
    return "done";
  } finally {
    yield* unclaim(os, claimed);
  }
}

/**
 * Refuses a transaction that another user may have planted, as its changes would be made with this process's
 * rights. It must belong to the owner of the root, to this process's user or to the superuser.
 */
function* refuseForeign(os: Os, root: string, dir: string): Steps<void> {
  const { uid } = yield* os.lstat(dir);
  const { uid: owner } = yield* os.lstat(inside(root, "."));
  if (uid === 0 || uid === owner) return;
  // Deno needs a permission to return the user's ID; a new directory has it, too.
  if (uid === (yield* withScratch(os, root, (path) => os.lstat(path))).uid) return;
  const why = `${JSON.stringify(dir)} belongs to another user, who must run the cleanup`;
  throw new RefusedError("EPERM", dir, why);
}

/** Completes a transaction, or waits until another process has; does nothing if it does not exist. */
export function* finishCommitted(
  os: Os,
  root: string,
  dir: string,
  { wait, signal }: LockSettings,
): Steps<void> {
  const deadline = performance.now() + wait;
  while ((yield* lstatOrUndefined(os, dir)) !== undefined) {
    signal?.throwIfAborted();
    if ((yield* rollForward(os, root, dir)) !== "another's") return;
    if (performance.now() > deadline) {
      const why = "another process is completing a transaction; try again, or wait longer";
      throw new RefusedError("ERR_LOCKED", dir, why);
    }
    yield* os.sleep(10);
  }
}

/** Moves a directory's previous version into its history, if it has one. */
function* archive(
  os: Os,
  root: string,
  dir: string,
  { path, staged, ino }: Change & { do: "swap" },
): Steps<void> {
  const target = split(inside(root, path));
  const { history } = swapPaths(target.dir, target.name);
  if ((yield* lstatOrUndefined(os, history)) === undefined) return;
  for (const name of [staged, previousPath(staged)]) {
    const stat = yield* lstatOrUndefined(os, inside(dir, name));
    if (stat !== undefined && stat.ino !== ino) yield* addVersion(os, history, inside(dir, name));
  }
}

/** Completes all committed transactions of a root, and removes those abandoned before their commit. */
export function* completeAbandoned(os: Os, root: string, waiting: LockSettings): Steps<void> {
  for (const { name, kind } of yield* os.readdir(root)) {
    if (kind !== "directory" || recognise(name, kind)?.kind !== "transaction") continue;
    const path = inside(root, name);
    if (name.startsWith(".commit-")) yield* finishCommitted(os, root, path, waiting);
    // Best effort: a leftover does no harm.
    else yield* catchOsError(removeAbandoned(os, root, path));
  }
}

/** Removes an uncommitted transaction, unless a process is still staging it. */
function* removeAbandoned(os: Os, root: string, dir: string): Steps<void> {
  const claimed = yield* claim(os, dir);
  try {
    if (claimed?.handle !== undefined) yield* trashClaimed(os, root, dir);
  } finally {
    yield* unclaim(os, claimed);
  }
}
