/**
 * The lock of a path: a kernel lock on `.lock-{name}` beside it, which any death of its process frees.
 * The file is a claim as well: leftovers beside it are Untorn's. It is made before the first of them,
 * and removed after the last, under the lock. Whoever takes it from a dead process adds a line to it.
 */

import { dirname } from "node:path";
import { Refusal } from "./errors.ts";
import { journalName, siblingName } from "./names.ts";
import type { LockSettings } from "./dir_options.ts";
import { caught, isMissing, OsError } from "./os/errno.ts";
import { processId } from "./os/mod.ts";
import { type Handle, type Os, sameFile } from "./os/port.ts";
import { inside } from "./paths.ts";
import { isStale, refresh, whileStale } from "./remote.ts";
import { rollForward } from "./roll_forward.ts";
import type { Steps } from "./steps.ts";
import { look } from "./target.ts";
import { writeFully } from "./block_writer.ts";

/** A lock that is held; without a handle where the runtime has no kernel locks. */
export interface HeldLock {
  path: string;
  handle: Handle | undefined;
}

/** So long, in ms, is nobody refused. */
const PATIENCE = 4;

/** How a line in a lock file starts; a file of that name that starts otherwise is the user's. */
const MARK = '{"untorn":1';

/** How one ends whose first block a power cut has left as NULs. */
const TAIL = /"pid":\d+(,"transaction":"[^"]*")?\}\n$/;

/** No line is longer, in bytes: a name of 255 and a transaction. */
const LINE = 4096;

/** Nor is a lock file; some hundred processes must die under it, one after the other, to fill it. */
const READABLE = 16 * LINE;

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
    const there = yield* look(os, path);
    if (there !== undefined && sameFile(own, there)) yield* os.unlink(path);
  } finally {
    yield* closeLock(os, handle);
  }
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
    const there = yield* look(os, path);
    if (there === undefined) return "gone";
    if (!sameFile(own, there)) return "gone";
    const found = yield* readLines(os, handle);
    if (found === undefined) {
      throw new Refusal("EEXIST", path, `${JSON.stringify(path)} is in the way of its lock`);
    }
    // If its holder died, what that left is claimed by its line until it is recovered.
    if (!(yield* isOver(os, dir, found.transaction))) return "held";
    if (there.size > READABLE - LINE) {
      yield* os.unlink(path);
      return "gone";
    }
    const text = JSON.stringify({ untorn: 1, ...facts });
    const line = new TextEncoder().encode(there.size === 0 ? `${text}\n` : `\n${text}\n`);
    const error = yield* caught(writeFully(os, handle, line));
    // On a full disk it is taken without its line: to remove something must be possible there.
    const isFull = error?.code === "ENOSPC" || error?.code === "EDQUOT";
    if (error !== undefined && !(isFull && (yield* os.fstat(handle)).size === there.size)) {
      throw error;
    }
    keep = true;
    return { handle };
  } catch (error) {
    if (error instanceof OsError) yield* caught(removeUnused(os, path, handle));
    throw error;
  } finally {
    if (!keep) yield* closeLock(os, handle);
  }
}

/** Closes a lock file. One that another machine has removed says so, which is all the same then. */
function* closeLock(os: Os, handle: Handle): Steps<void> {
  const error = yield* caught(os.close(handle));
  if (error !== undefined && !isStale(error)) throw error;
}

/** Brings a transaction to its end, which its process did not; false if another process is at it. */
function* isOver(os: Os, dir: string, transaction: string | undefined): Steps<boolean> {
  if (transaction === undefined) return true;
  const path = inside(dir, transaction);
  if ((yield* look(os, path)) === undefined) return true;
  return (yield* rollForward(os, inside(dir, dirname(transaction)), path)) !== "another's";
}

/** Removes a lock file that has no line yet; under its lock, or another may hold it by now. */
function* removeUnused(os: Os, path: string, handle: Handle): Steps<void> {
  if (!(yield* os.tryLock(handle))) return;
  const there = yield* look(os, path);
  if (there?.size === 0 && sameFile(yield* os.fstat(handle), there)) yield* os.unlink(path);
}

/** What is found in a lock file. */
interface Content extends Partial<Facts> {
  /** Whether a line was written, and came to the disk. */
  claims: boolean;
}

/**
 * What the last whole line says: each holder adds one, so that no crash takes the line of the last.
 * Nothing if the file is the user's.
 */
function* readLines(os: Os, handle: Handle): Steps<Content | undefined> {
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(LINE);
  let [all, size] = ["", 0];
  for (let count = LINE; count === LINE;) {
    count = yield* os.read(handle, bytes);
    all += decoder.decode(bytes.subarray(0, count), { stream: true });
    size += count;
    if (size > READABLE) return undefined;
  }
  // A power cut may leave a file its size, and NULs where a line was not written yet.
  const text = all.replaceAll("\0", "");
  const claims = text.startsWith(MARK) || text.startsWith(`\n${MARK}`);
  const isTorn = all.startsWith("\0") && TAIL.test(text);
  if (!claims && !isTorn && (text !== "" || size >= LINE)) return undefined;
  const facts = text.split("\n").slice(0, -1).map(factsOf).findLast((line) => line !== undefined);
  return { ...facts, claims };
}

/** Names the holder, where its line can be read. */
function* lockedError(os: Os, path: string): Steps<Refusal> {
  let { holder } = NO_LOCK;
  try {
    ({ holder } = yield* lookAtLock(os, path));
  } catch (error) {
    // Only the pid is lost.
    if (!(error instanceof OsError)) throw error;
  }
  return new Refusal("ERR_LOCKED", path, `${holder} holds its lock; try again, or wait longer`);
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
export function lookAtLock(os: Os, path: string): Steps<LockState> {
  return whileStale(os, dirname(path), () => lookOnce(os, path));
}

function* lookOnce(os: Os, path: string): Steps<LockState> {
  const there = yield* look(os, path);
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

/** What a lock's line says. */
interface Facts {
  target: string;
  pid: number;
  /** The path of the transaction that it was taken for, from its directory; only upwards. */
  transaction?: string | undefined;
}

function factsOf(line: string): Facts | undefined {
  try {
    const value = JSON.parse(line);
    if (value?.untorn !== 1) return undefined;
    const { target, pid, transaction } = value;
    const facts = { target: String(target), pid: Number(pid) };
    return isUpwards(transaction) ? { ...facts, transaction } : facts;
  } catch (error) {
    // A process or a disk died while it was written.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A lock file may be planted: it leads to nothing but what a cleanup further up would bring to its end. */
function isUpwards(transaction: unknown): transaction is string {
  return typeof transaction === "string" && /^(?:\.\.\/)*\.commit-[0-9a-f]{12}$/.test(transaction);
}
