/**
 * A committed transaction is brought to its end: each of its changes is made, unless it has been already,
 * which shows in what is left in the transaction's directory. So it may be cut off after any call, and
 * begun again by anybody. What somebody else has changed since the commit is newer, and stays.
 */

import { applyAll, previousPath } from "./apply.ts";
import { claim, unclaim, withScratch } from "../fs/claim.ts";
import { syncDir } from "../fs/sync.ts";
import { catchOsError, isMissing, RefusedError } from "../core/errors.ts";
import { recognise } from "../core/names.ts";
import { addVersion } from "../fs/history.ts";
import { readAll } from "../fs/io.ts";
import type { LockSettings } from "../core/options.ts";
import type { Os } from "../os/port.ts";
import { inside, split } from "../core/paths.ts";
import { type Change, fromText, RECORD } from "./record.ts";
import { lstatUncached } from "../fs/shared_fs.ts";
import type { Steps } from "../core/steps.ts";
import { swapPaths } from "../fs/swap.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { trashClaimed } from "../fs/trash.ts";

/** Whether a transaction was brought to its end, just now or by another process, or one is at it. */
export type Ending = "done" | "gone" | "another's";

/** Brings a committed transaction of `root`, whose process has ended, to its end, and removes it. */
export function* rollForward(os: Os, root: string, dir: string): Steps<Ending> {
  try {
    return yield* rollForwardClaimed(os, root, dir);
  } catch (error) {
    // Another process was faster.
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
    // Its process may have been killed before that: no change may be on the disk without the commit.
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
 * Refuses a transaction that another user may have planted: to make its changes would lend this
 * process's rights. It must be the owner's of the root, this process's own, or the superuser's.
 */
function* refuseForeign(os: Os, root: string, dir: string): Steps<void> {
  const { uid } = yield* os.lstat(dir);
  const { uid: owner } = yield* os.lstat(inside(root, "."));
  if (uid === 0 || uid === owner) return;
  // Deno tells its user only with a permission of its own; what it makes tells it as well.
  const own = yield* withScratch(os, root, function* (path) {
    return (yield* os.lstat(path)).uid;
  });
  if (uid === own) return;
  const why = `${JSON.stringify(dir)} is another user's, who must run the cleanup`;
  throw new RefusedError("EPERM", dir, why);
}

/** The same, waiting for another process that is at it; nothing if there is no such transaction. */
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
      const why = "another process is bringing a transaction to its end; try again, or wait longer";
      throw new RefusedError("ERR_LOCKED", dir, why);
    }
    yield* os.sleep(10);
  }
}

/** A version before of which others are kept is kept as well. */
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

/** Completes all committed transactions of a root, and removes those that were abandoned before their commit. */
export function* completeAbandoned(os: Os, root: string, waiting: LockSettings): Steps<void> {
  for (const { name, kind } of yield* os.readdir(root)) {
    if (kind !== "directory" || recognise(name, kind)?.kind !== "transaction") continue;
    const path = inside(root, name);
    if (name.startsWith(".commit-")) yield* finishCommitted(os, root, path, waiting);
    // One that can't be removed is in nobody's way.
    else yield* catchOsError(removeAbandoned(os, root, path));
  }
}

/** Removes an uncommitted transaction, unless it is being staged just now. */
function* removeAbandoned(os: Os, root: string, dir: string): Steps<void> {
  const claimed = yield* claim(os, dir);
  try {
    if (claimed?.handle !== undefined) yield* trashClaimed(os, root, dir);
  } finally {
    yield* unclaim(os, claimed);
  }
}
