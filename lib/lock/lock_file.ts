/**
 * The lock of a path: a kernel lock on the file `.lock-{name}` beside it, which the kernel frees however its
 * process dies. The file is also a claim: it is created before the first leftover beside it and removed
 * after the last, under the lock, so leftovers beside it are Untorn's. A process that takes the lock of a
 * dead one adds a line to the file.
 */

import { dirname } from "node:path";
import { catchOsError, isMissing, OsError, RefusedError } from "../core/errors.ts";
import { journalName, siblingName } from "../core/names.ts";
import type { LockSettings } from "../core/options.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { writeFully } from "../fs/io.ts";
import { isStale, refresh, whileStale } from "../fs/shared_fs.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { rollForward } from "../journal/roll_forward.ts";
import { type Handle, type Os, sameFile } from "../os/port.ts";
import { processId } from "../os/system.ts";
import { takeTurn } from "./turns.ts";
import { type Facts, LINE, lineOf, READABLE, readLines } from "./lock_line.ts";

/** A lock that is held; without a handle where the runtime has no kernel locks. */
export interface HeldLock {
  path: string;
  handle: Handle | undefined;
  /** Lets the next operation of this process have it. */
  endTurn: () => void;
}

/** The longest pause between attempts, in ms; only one operation of a process makes them. */
const POLL = 5;

/** The pause in ms from which on a held lock is reported as ERR_LOCKED. */
const PATIENCE = 4;

/**
 * Takes the lock of `name` in `dir`, or fails with `ERR_LOCKED`. A lock that is taken for a transaction
 * records `transaction`, the path that it has once committed, from `dir`: after a crash, the next holder
 * completes it.
 */
export function* acquireLock(
  os: Os,
  dir: string,
  name: string,
  settings: LockSettings,
  transaction?: string,
): Steps<HeldLock> {
  const path = inside(dir, siblingName("lock", name));
  settings.signal?.throwIfAborted();
  const endTurn = yield* takeTurn(os, path, settings);
  try {
    const canLock = yield* os.canLock();
    const facts = { target: name, pid: processId(), transaction };
    const handle = canLock ? yield* takeLock(os, dir, path, facts, settings) : undefined;
    return { path, handle, endTurn };
  } catch (error) {
    endTurn();
    throw error;
  }
}

/** Takes the kernel's lock, for which other processes may compete. */
function* takeLock(
  os: Os,
  dir: string,
  path: string,
  facts: Facts,
  { wait, signal }: LockSettings,
): Steps<Handle> {
  const deadline = performance.now() + wait;
  for (let pause = 1;; pause = Math.min(pause * 2, POLL)) {
    signal?.throwIfAborted();
    const attempt = yield* whileStale(os, dir, () => tryLock(os, dir, path, facts));
    if (typeof attempt === "object") return attempt.handle;
    if (attempt === "gone") continue;
    const left = deadline - performance.now();
    // `inspectLock` holds a lock for an instant: that alone must not refuse it.
    if (left <= 0 && pause > PATIENCE) throw yield* lockedError(os, path);
    yield* os.sleep(left <= 0 ? pause : Math.min(pause, left));
  }
}

/** Releases a lock, and removes its file, unless that still claims leftovers. */
export function* releaseLock(
  os: Os,
  { path, handle, endTurn }: HeldLock,
  stillClaims: boolean = false,
): Steps<void> {
  try {
    if (handle === undefined || stillClaims) return;
    // Removed first: a process that opens it later creates a new one; one that has it open sees it gone.
    const own = yield* os.fstat(handle);
    const there = yield* lstatOrUndefined(os, path);
    if (there !== undefined && sameFile(own, there)) yield* os.unlink(path);
  } finally {
    try {
      if (handle !== undefined) yield* closeLock(os, handle);
    } finally {
      endTurn();
    }
  }
}

/** Releases a lock at the end of an operation; a failure becomes a warning. */
export function* releaseQuietly(
  os: Os,
  lock: HeldLock | undefined,
  warnings: string[],
): Steps<void> {
  if (lock === undefined) return;
  const error = yield* catchOsError(releaseLock(os, lock));
  if (error === undefined) return;
  warnings.push(`the lock file ${JSON.stringify(lock.path)} could not be removed (${error.code})`);
}

/** Tries once to take the lock. `"gone"`: its file was replaced or removed meanwhile. */
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
    // The previous holder may have been on another machine: see its changes, also of what is beside the lock.
    yield* refresh(os, dir, own.dev, namesBeside(facts.target));
    const there = yield* lstatOrUndefined(os, path);
    if (there === undefined || !sameFile(own, there)) return "gone";
    const found = yield* readLines(os, handle);
    if (found === undefined) {
      throw new RefusedError("EEXIST", path, `${JSON.stringify(path)} is in the way of its lock`);
    }
    // A dead holder's line stays: it claims its leftovers until they are recovered.
    if (!(yield* finishAbandonedTransaction(os, dir, found.transaction))) return "held";
    if (there.size > READABLE - LINE) {
      yield* os.unlink(path);
      return "gone";
    }
    const error = yield* catchOsError(writeFully(os, handle, lineOf(facts, there.size === 0)));
    // On a full disk, the lock is taken without a line: removing something must stay possible.
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

/** The names beside a path that the holder of its lock reads and may remove, the lock's own among them. */
function namesBeside(name: string): string[] {
  const siblings = ["lock", "staging", "old"] as const;
  return [name, ...siblings.map((sibling) => siblingName(sibling, name)), journalName(name)];
}

/** Closes a lock file, and ignores the error that it gives if another machine has removed it. */
function* closeLock(os: Os, handle: Handle): Steps<void> {
  const error = yield* catchOsError(os.close(handle));
  if (error !== undefined && !isStale(error)) throw error;
}

/** Completes a transaction that its process has abandoned; returns false if another process is doing that. */
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

/** Removes a lock file without a line, under its lock, since another process may hold it by now. */
function* removeUnused(os: Os, path: string, handle: Handle): Steps<void> {
  if (!(yield* os.tryLock(handle))) return;
  const there = yield* lstatOrUndefined(os, path);
  if (there?.size === 0 && sameFile(yield* os.fstat(handle), there)) yield* os.unlink(path);
}

/** Makes the error of a held lock; it names the holder if its line can be read. */
function* lockedError(os: Os, path: string): Steps<RefusedError> {
  let { holder } = NO_LOCK;
  try {
    ({ holder } = yield* inspectLock(os, path));
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
  }
  const why = `${holder} holds its lock; try again, or wait longer`;
  return new RefusedError("ERR_LOCKED", path, why);
}

/** The state of a lock file. */
export interface LockState extends Partial<Pick<Facts, "target" | "transaction">> {
  /** `"users"`: the file is the user's, not a lock. `"unknown"`: this runtime cannot find out. */
  state: "none" | "users" | "free" | "held" | "unknown";
  /** Whether the file has a line, so that leftovers beside it are Untorn's. */
  claims: boolean;
  /** The holder, in words for messages. */
  holder: string;
}

const NO_LOCK: LockState = { state: "none", claims: false, holder: "another process" };

/** Inspects a lock, and changes nothing. */
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
