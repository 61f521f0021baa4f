/**
 * The commit of a staged and synced transaction: its record is written, then its directory is renamed from
 * `.txn-T` to `.commit-T`. That rename is the commit. After it, the changes are made.
 */

import { dirname } from "node:path";
import { afterReplacing, RefusedError, withOutcome } from "../core/errors.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os, Stat } from "../os/port.ts";
import { writeFully } from "../fs/io.ts";
import { isShared, lstatUncached, refresh } from "../fs/shared_fs.ts";
import { syncDir } from "../fs/sync.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { applyAll, type Committed } from "./apply.ts";
import {
  type Change,
  fingerprint,
  hasFingerprint,
  type PendingChange,
  RECORD,
  toText,
} from "./record.ts";

/** A transaction that is completely staged. */
interface Commit extends Pick<Committed, "root" | "sync"> {
  /** The transaction's directory before and after the commit. */
  staged: string;
  committed: string;
  changes: readonly PendingChange[];
  signal: AbortSignal | undefined;
}

/** Commits, then makes all changes; an error carries its outcome. Returns whether the commit is durable. */
export function* commitAll(
  os: Os,
  { root, staged, committed, changes: pending, sync, signal }: Commit,
): Steps<boolean> {
  const { ino, dev } = yield* os.lstat(inside(root, "."));
  yield* refreshAround(os, root, pending, dev);
  const changes = yield* withFingerprints(os, root, pending);
  yield* writeRecord(os, inside(staged, RECORD), toText(ino, changes), sync);
  if (sync) yield* syncDir(os, staged);
  signal?.throwIfAborted();
  yield* withOutcome(os.rename(staged, committed), function* () {
    return (yield* lstatUncached(os, staged)) === undefined ? "unknown" : "unchanged";
  });
  return yield* afterReplacing(makeAll(os, { root, dir: committed, changes, sync }));
}

/** Makes other machines' changes visible: a recovery skips a change if the fingerprint doesn't match. */
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
    // Some are yet to be created.
    if ((yield* lstatOrUndefined(os, dir)) !== undefined) yield* refresh(os, dir, dev);
  }
}

/** Whether the record must state what was at the target of a change. */
function needsFingerprint(change: PendingChange): boolean {
  return !["make", "mode", "stamp"].includes(change.do);
}

/** Adds fingerprints of the current targets; refuses a change that no longer fits its target. */
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
  // Its entries were carried over from the previous version.
  if (change.do === "swap" && !hasFingerprint(change.before, stat)) refuse(path);
  if (change.do !== "swap" && stat?.kind === "directory") refuse(path);
  if (change.do !== "rename") return;
  const from = inside(root, change.path);
  if ((yield* lstatOrUndefined(os, from))?.ino !== change.moved.ino) refuse(from);
}

function* writeRecord(os: Os, path: string, text: string, sync: boolean): Steps<void> {
  const record = yield* os.create(path, 0o600);
  try {
    yield* writeFully(os, record, new TextEncoder().encode(text));
    if (sync) yield* os.fsync(record, path);
  } finally {
    yield* os.close(record);
  }
}

function* makeAll(os: Os, committed: Committed): Steps<boolean> {
  const durable = committed.sync && (yield* syncDir(os, committed.root));
  yield* applyAll(os, committed, false);
  return durable;
}
