/**
 * A committed transaction is brought to its end: each of its changes is made, unless it has been already.
 * Whether it has shows in what is left in the transaction's directory, not in the targets, which others
 * may have changed since. So it may be cut off after any call, and begun again by anybody.
 */

import { dirname } from "node:path";
import { syncDir } from "./dir_sync.ts";
import { keptName, newToken, recognise } from "./names.ts";
import { caught } from "./os/errno.ts";
import type { Os } from "./os/port.ts";
import { inside, split } from "./paths.ts";
import { readAll } from "./read_all.ts";
import { type Change, fromText, RECORD } from "./record.ts";
import type { Steps } from "./steps.ts";
import { look, makeDirs, type NewDirs } from "./target.ts";
import { claim, trashClaimed, unclaim } from "./trash.ts";
import { refuseOutside } from "./within_root.ts";

/** Whether a transaction was brought to its end, or another process is at it. */
export type Ending = "done" | "another's";

/** Brings a committed transaction of `root` to its end, and removes it. */
export function* rollForward(os: Os, root: string, committed: string): Steps<Ending> {
  const claimed = yield* claim(os, committed);
  if (claimed === undefined) return "another's";
  try {
    const record = inside(committed, RECORD);
    const changes = fromText(new TextDecoder().decode(yield* readAll(os, record)), record);
    yield* applyAll(os, root, committed, changes, true);
    yield* trashClaimed(os, root, committed);
    return "done";
  } finally {
    yield* unclaim(os, claimed);
  }
}

/** Makes all changes; what one of them meets keeps none of the others back, and is thrown at the end. */
export function* applyAll(
  os: Os,
  root: string,
  committed: string,
  changes: Change[],
  sync: boolean,
): Steps<void> {
  const errors: unknown[] = [];
  const entered = new Set<string>();
  const real = yield* os.realpath(root);
  for (const change of changes) {
    try {
      for (const path of change.do === "rename" ? [change.path, change.to] : [change.path]) {
        yield* refuseOutside(os, real, inside(root, path));
        entered.add(dirname(inside(root, path)));
      }
      yield* apply(os, root, committed, change, entered);
    } catch (error) {
      errors.push(error);
    }
  }
  if (sync) { for (const dir of entered) yield* syncDir(os, dir); }
  if (errors.length > 0) throw errors[0];
}

function* apply(
  os: Os,
  root: string,
  committed: string,
  change: Change,
  entered: Set<string>,
): Steps<void> {
  const path = inside(root, change.path);
  if (change.do === "make") {
    const dirs: NewDirs = { made: [], parents: [] };
    yield* makeDirs(os, path, dirs);
    for (const dir of dirs.parents) entered.add(dir);
    return;
  }
  if (change.do === "rename") {
    if ((yield* look(os, path))?.ino !== change.ino) return;
    const to = inside(root, change.to);
    yield* setDirectoryAside(os, to);
    return yield* os.rename(path, to);
  }
  const staged = inside(committed, change.staged);
  const isThere = (yield* look(os, staged)) !== undefined;
  if (change.do === "write") {
    if (!isThere) return;
    yield* setDirectoryAside(os, path);
    return yield* os.rename(staged, path);
  }
  if (isThere) return;
  const error = yield* caught(os.rename(path, staged));
  if (error !== undefined && error.code !== "ENOENT") throw error;
}

/** A directory that somebody made where a file is to be is kept, under a name that says so. */
function* setDirectoryAside(os: Os, path: string): Steps<void> {
  if ((yield* look(os, path))?.kind !== "directory") return;
  const { dir, name } = split(path);
  yield* os.rename(path, inside(dir, keptName(name, newToken())));
}

/** The names of the transactions that crashed below a root: being staged, and committed. */
export function* findTransactions(
  os: Os,
  root: string,
): Steps<{ staged: string[]; committed: string[] }> {
  const names = (yield* os.readdir(root))
    .filter(({ name, kind }) =>
      kind === "directory" && recognise(name, "directory")?.kind === "transaction"
    )
    .map(({ name }) => name);
  return {
    staged: names.filter((name) => name.startsWith(".txn-")),
    committed: names.filter((name) => name.startsWith(".commit-")),
  };
}
