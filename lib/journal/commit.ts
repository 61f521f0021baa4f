/**
 * The commit of a transaction whose parts are staged and synced: its record is written, and its directory
 * renamed from `.txn-…` to `.commit-…`, which is the commit. Then the changes are made.
 */

import { dirname } from "node:path";
import { writeFully } from "../fs/io.ts";
import { syncDir } from "../fs/sync.ts";
import { afterReplacing, RefusedError, withOutcome } from "../core/errors.ts";
import type { Os, Stat } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import {
  type Change,
  fingerprint,
  hasFingerprint,
  type PendingChange,
  RECORD,
  toText,
} from "./record.ts";
import { isShared, lstatUncached, refresh } from "../fs/shared_fs.ts";
import { applyAll, type Committed } from "./apply.ts";
import type { Steps } from "../core/steps.ts";
import { lstatOrUndefined } from "../fs/target.ts";

/** A transaction that is staged as a whole. */
export interface Commit {
  root: string;
  /** The transaction's directory now, and after the commit. */
  staged: string;
  committed: string;
  changes: readonly PendingChange[];
  sync: boolean;
  signal: AbortSignal | undefined;
}

/**
 * Commits and makes all changes; an error carries its outcome. Returns whether the commit is known to survive a
 * power cut.
 */
export function* commitAll(
  os: Os,
  { root, staged, committed, changes: pending, sync, signal }: Commit,
): Steps<boolean> {
  const { ino, dev } = yield* os.lstat(inside(root, "."));
  yield* refreshAround(os, root, pending, dev);
  const changes = yield* withFingerprints(os, root, pending);
  const path = inside(staged, RECORD);
  const record = yield* os.create(path, 0o600);
  try {
    yield* writeFully(os, record, new TextEncoder().encode(toText(ino, changes)));
    if (sync) yield* os.fsync(record, path);
  } finally {
    yield* os.close(record);
  }
  if (sync) yield* syncDir(os, staged);
  signal?.throwIfAborted();
  yield* withOutcome(os.rename(staged, committed), function* () {
    return (yield* lstatUncached(os, staged)) === undefined ? "unknown" : "unchanged";
  });
  return yield* afterReplacing(makeAll(os, { root, dir: committed, changes, sync }));
}

function* makeAll(os: Os, committed: Committed): Steps<boolean> {
  const durable = committed.sync && (yield* syncDir(os, committed.root));
  yield* applyAll(os, committed, false);
  return durable;
}

/** What other machines have done to what is changed must be seen: it is not done again by a recovery. */
function* refreshAround(
  os: Os,
  root: string,
  changes: readonly PendingChange[],
  dev: number,
): Steps<void> {
  if (!(yield* isShared(os, root, dev))) return;
  const paths = changes.filter(needsFingerprint).flatMap((change) =>
    "to" in change ? [change.path, change.to] : change.path
  );
  for (const dir of new Set(paths.map((path) => dirname(inside(root, path))))) {
    // Or it is yet to be made.
    if ((yield* lstatOrUndefined(os, dir)) !== undefined) yield* refresh(os, dir, dev);
  }
}

/** Whether the record has to say what was at the target of a change. */
function needsFingerprint(change: PendingChange): boolean {
  return !["make", "mode", "stamp"].includes(change.do);
}

/** Notes what is at each target now; refuses a change that can't be made as it was meant any more. */
function* withFingerprints(
  os: Os,
  root: string,
  pending: readonly PendingChange[],
): Steps<Change[]> {
  const removed = new Set<string>();
  const changes: Change[] = [];
  for (const change of pending) {
    if (!needsFingerprint(change)) {
      changes.push(change as Change);
      continue;
    }
    const target = change.do === "rename" ? change.to : change.path;
    const path = inside(root, target);
    const stat = removed.has(target) ? undefined : yield* lstatOrUndefined(os, path);
    if (change.do === "remove") removed.add(target);
    else yield* expectFitting(os, root, change, path, stat);
    changes.push({ ...change, before: fingerprint(stat) } as Change);
  }
  return changes;
}

function* expectFitting(
  os: Os,
  root: string,
  change: PendingChange,
  path: string,
  stat: Stat | undefined,
): Steps<void> {
  const refuse = (path: string): never => {
    const why = `${JSON.stringify(path)} was changed by another process meanwhile; try again`;
    throw new RefusedError("EBUSY", path, why);
  };
  // A directory was carried over as it was.
  if (change.do === "swap" && !hasFingerprint(change.before, stat)) refuse(path);
  if (change.do !== "swap" && stat?.kind === "directory") refuse(path);
  if (change.do !== "rename") return;
  const from = inside(root, change.path);
  if ((yield* lstatOrUndefined(os, from))?.ino !== change.moved.ino) refuse(from);
}
