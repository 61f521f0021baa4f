/**
 * The commit of a transaction whose parts are staged and synced: its record is written, and its directory
 * renamed from `.txn-…` to `.commit-…`, which is the commit. Then the changes are made.
 */

import { dirname } from "node:path";
import { writeFully } from "../fs/io.ts";
import { syncDir } from "../fs/sync.ts";
import { caught, type Outcome, Refusal } from "../core/errors.ts";
import type { Os, Stat } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { type Change, isMarked, markOf, RECORD, toText } from "./record.ts";
import { isRemote, lookAfresh, refresh } from "../fs/shared_fs.ts";
import { applyAll } from "./apply.ts";
import type { Steps } from "../core/steps.ts";
import { look } from "../fs/target.ts";

/** What is to be committed. */
export interface Commit {
  root: string;
  /** The transaction's directory now, and as soon as it is committed. */
  staged: string;
  committed: string;
  changes: Change[];
  sync: boolean;
  signal: AbortSignal | undefined;
}

/**
 * Commits and makes all changes; `told` knows what stands, whether this fails or not. Returns whether the
 * commit is known to survive a power cut.
 */
export function* commitAll(
  os: Os,
  { root, staged, committed, changes, sync, signal }: Commit,
  told: (outcome: Outcome) => void,
): Steps<boolean> {
  const { ino, dev } = yield* os.lstat(inside(root, "."));
  yield* refreshAround(os, root, changes, dev);
  yield* mark(os, root, changes);
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
  told("unknown");
  const error = yield* caught(os.rename(staged, committed));
  if (error !== undefined) {
    if ((yield* lookAfresh(os, staged)) !== undefined) told("unchanged");
    throw error;
  }
  told("replaced");
  const durable = sync && (yield* syncDir(os, root));
  yield* applyAll(os, { root, dir: committed, changes, sync }, false);
  return durable;
}

/** What other machines have done to what is changed must be seen: it is not done again by a recovery. */
function* refreshAround(os: Os, root: string, changes: Change[], dev: number): Steps<void> {
  if (!(yield* isRemote(os, root, dev))) return;
  const paths = changes.flatMap((change) =>
    "before" in change ? [change.path, ...change.do === "rename" ? [change.to] : []] : []
  );
  for (const dir of new Set(paths.map((path) => dirname(inside(root, path))))) {
    // Or it is yet to be made.
    if ((yield* look(os, dir)) !== undefined) yield* refresh(os, dir, dev);
  }
}

/** Notes what is there now; what can't be changed as it was meant to any more is refused. */
function* mark(os: Os, root: string, changes: Change[]): Steps<void> {
  const removed = new Set<string>();
  for (const change of changes) {
    if (!("before" in change)) continue;
    const target = change.do === "rename" ? change.to : change.path;
    const path = inside(root, target);
    const stat = removed.has(target) ? undefined : yield* look(os, path);
    if (change.do !== "remove") yield* expectFitting(os, root, change, path, stat);
    else removed.add(target);
    change.before = markOf(stat);
  }
}

function* expectFitting(
  os: Os,
  root: string,
  change: Change,
  path: string,
  stat: Stat | undefined,
): Steps<void> {
  const refuse = (path: string): never => {
    const why = `${JSON.stringify(path)} was changed by another process meanwhile; try again`;
    throw new Refusal("EBUSY", path, why);
  };
  // A directory was carried over as it was.
  if (change.do === "swap" && !isMarked(change.before, stat)) refuse(path);
  if (change.do !== "swap" && stat?.kind === "directory") refuse(path);
  if (change.do !== "rename") return;
  const from = inside(root, change.path);
  if ((yield* look(os, from))?.ino !== change.moved.ino) refuse(from);
}
