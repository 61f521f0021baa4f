/**
 * The lock of a path: a kernel lock on `.lock-{name}` beside it, which any death of its process frees.
 * The file is a claim as well: leftovers beside it are Untorn's. It is made before the first of them,
 * and removed after the last, under the lock. Whoever takes it from a dead process adds a line to it.
 */

import { dirname } from "node:path";
import { catchOsError, isMissing, OsError, RefusedError } from "../core/errors.ts";
import { writeFully } from "../fs/io.ts";
import { type Facts, LINE, READABLE, readLines } from "./lock_line.ts";
import { journalName, siblingName } from "../core/names.ts";
import type { LockSettings } from "../core/options.ts";
import { processId } from "../os/system.ts";
import { type Handle, type Os, sameFile } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { isStale, refresh, whileStale } from "../fs/shared_fs.ts";
import { rollForward } from "../journal/roll_forward.ts";
import type { Steps } from "../core/steps.ts";
import { lstatOrUndefined } from "../fs/target.ts";

/** A lock that is held; without a handle where the runtime has no kernel locks. */
export interface HeldLock {
  path: string;
  handle: Handle | undefined;
}

/** So long, in ms, is nobody refused. */
const PATIENCE = 4;

/**
 * Takes the lock of `name` in `dir`, or fails with `ERR_LOCKED`. Who takes it for a transaction tells its
 * path, once committed, from `dir`: should it crash, whoever takes the lock next brings that to its end.
 */
export function* acquireLock(
  os: Os,
  dir: string,
  name: string,
  { wait, signal }: LockSettings,
  transaction?: string,
): Steps<HeldLock> {
  const path = inside(dir, siblingName("lock", name));
  if (!(yield* os.canLock())) return { path, handle: undefined };
  const deadline = performance.now() + wait;
  for (let pause = 1;; pause = Math.min(pause * 2, 25)) {
    signal?.throwIfAborted();
    const facts = { target: name, pid: processId(), transaction };
    const attempt = yield* whileStale(os, dir, () => tryLock(os, dir, path, facts));
    if (typeof attempt === "object") return { path, handle: attempt.handle };
    if (attempt === "gone") continue;
    const left = deadline - performance.now();
    // Who only looks whether a lock is held (`lookAtLock`) has it for an instant.
    if (left <= 0 && pause > PATIENCE) throw yield* lockedError(os, path);
    yield* os.sleep(left <= 0 ? pause : Math.min(pause, left));
  }
}

/** Gives the lock back, and removes its file. */
export function* releaseLock(os: Os, { path, handle }: HeldLock): Steps<void> {
  if (handle === undefined) return;
  try {
    // Removed first: who opens it after this makes a new one, and who has it open sees that it is gone.
    const own = yield* os.fstat(handle);
    const there = yield* lstatOrUndefined(os, path);
    if (there !== undefined && sameFile(own, there)) yield* os.unlink(path);
  } finally {
    yield* closeLock(os, handle);
  }
}

/** Gives a lock back after the work; a failure becomes a warning. */
export function* releaseQuietly(
  os: Os,
  lock: HeldLock | undefined,
  warnings: string[],
): Steps<void> {
  const error = lock && (yield* catchOsError(releaseLock(os, lock)));
  if (error === undefined) return;
  warnings.push(`the lock file ${JSON.stringify(lock!.path)} could not be removed (${error.code})`);
}

/** The names that whoever has the lock of `name` looks at and may remove, the lock's own among them. */
function namesBeside(name: string): string[] {
  const siblings = ["lock", "staging", "old"] as const;
  return [name, ...siblings.map((sibling) => siblingName(sibling, name)), journalName(name)];
}

/** One attempt: the lock, or that another holds it, or that the file was exchanged meanwhile. */
function* tryLock(
  os: Os,
  dir: string,
  path: string,
  facts: Facts,
): Steps<{ handle: Handle } | "held" | "gone"> {
  const handle = yield* os.openLock(path);
  let keep = false;
  try {
    if (!(yield* os.tryLock(handle))) return "held";
    const own = yield* os.fstat(handle);
    // What its holder before did on another machine is seen from here on, beside it too.
    yield* refresh(os, dir, own.dev, namesBeside(facts.target));
    const there = yield* lstatOrUndefined(os, path);
    if (there === undefined) return "gone";
    if (!sameFile(own, there)) return "gone";
    const found = yield* readLines(os, handle);
    if (found === undefined) {
      throw new RefusedError("EEXIST", path, `${JSON.stringify(path)} is in the way of its lock`);
    }
    // If its holder died, what that left is claimed by its line until it is recovered.
    if (!(yield* finishAbandonedTransaction(os, dir, found.transaction))) return "held";
    if (there.size > READABLE - LINE) {
      yield* os.unlink(path);
      return "gone";
    }
    const text = JSON.stringify({ untorn: 1, ...facts });
    const line = new TextEncoder().encode(there.size === 0 ? `${text}\n` : `\n${text}\n`);
    const error = yield* catchOsError(writeFully(os, handle, line));
    // On a full disk it is taken without its line: to remove something must be possible there.
    const isFull = error?.code === "ENOSPC" || error?.code === "EDQUOT";
    if (error !== undefined && !(isFull && (yield* os.fstat(handle)).size === there.size)) {
      throw error;
    }
    keep = true;
    return { handle };
  } catch (error) {
    if (error instanceof OsError) yield* catchOsError(removeUnused(os, path, handle));
    throw error;
  } finally {
    if (!keep) yield* closeLock(os, handle);
  }
}

/** Closes a lock file. One that another machine has removed says so, which is all the same then. */
function* closeLock(os: Os, handle: Handle): Steps<void> {
  const error = yield* catchOsError(os.close(handle));
  if (error !== undefined && !isStale(error)) throw error;
}

/** Brings a transaction to its end, which its process did not; false if another process is at it. */
function* finishAbandonedTransaction(
  os: Os,
  dir: string,
  transaction: string | undefined,
): Steps<boolean> {
  if (transaction === undefined) return true;
  const path = inside(dir, transaction);
  if ((yield* lstatOrUndefined(os, path)) === undefined) return true;
  return (yield* rollForward(os, inside(dir, dirname(transaction)), path)) !== "another's";
}

/** Removes a lock file that has no line yet; under its lock, or another may hold it by now. */
function* removeUnused(os: Os, path: string, handle: Handle): Steps<void> {
  if (!(yield* os.tryLock(handle))) return;
  const there = yield* lstatOrUndefined(os, path);
  if (there?.size === 0 && sameFile(yield* os.fstat(handle), there)) yield* os.unlink(path);
}

/** Names the holder, where its line can be read. */
function* lockedError(os: Os, path: string): Steps<RefusedError> {
  let { holder } = NO_LOCK;
  try {
    ({ holder } = yield* inspectLock(os, path));
  } catch (error) {
    // Only the pid is lost.
    if (!(error instanceof OsError)) throw error;
  }
  return new RefusedError(
    "ERR_LOCKED",
    path,
    `${holder} holds its lock; try again, or wait longer`,
  );
}

/** A lock file, as it is found. */
export interface LockState {
  /** `"users"`: what has that name is no lock. `"unknown"`: whether it is held can't be told here. */
  state: "none" | "users" | "free" | "held" | "unknown";
  /** Whether it has its line, so that leftovers beside it are Untorn's. */
  claims: boolean;
  /** Whose lock it is, from its line. */
  target: string | undefined;
  /** Who holds it, in words. */
  holder: string;
  /** The path of the transaction that it was taken for, from its directory. */
  transaction: string | undefined;
}

const NO_LOCK: LockState = {
  state: "none",
  claims: false,
  target: undefined,
  holder: "another process",
  transaction: undefined,
};

/** Looks at a lock without taking it, or changing anything. */
export function inspectLock(os: Os, path: string): Steps<LockState> {
  return whileStale(os, dirname(path), () => inspectOnce(os, path));
}

function* inspectOnce(os: Os, path: string): Steps<LockState> {
  const there = yield* lstatOrUndefined(os, path);
  if (there === undefined) return NO_LOCK;
  if (there.kind !== "file") return { ...NO_LOCK, state: "users" };
  let handle: Handle;
  try {
    handle = yield* os.open(path);
  } catch (error) {
    if (isMissing(error)) return NO_LOCK;
    throw error;
  }
  try {
    const found = yield* readLines(os, handle);
    if (found === undefined) return { ...NO_LOCK, state: "users" };
    let state: LockState["state"] = "unknown";
    if (yield* os.canLock()) state = (yield* os.tryLock(handle, true)) ? "free" : "held";
    const { claims, target, pid, transaction } = found;
    const holder = pid === undefined ? NO_LOCK.holder : `process ${pid}`;
    return { state, claims, target, holder, transaction };
  } finally {
    yield* closeLock(os, handle);
  }
}
