/**
 * The record of a transaction: what it changes, as JSON in `.txn-…/changes`; pure. A record comes from
 * the disk, so what is in it is checked as if anybody had written it.
 */

import { RefusedError } from "../core/errors.ts";
import { permissionBits } from "../core/options.ts";
import type { Stat } from "../os/port.ts";
import { checkRelative } from "../core/paths.ts";

/** Which file or directory was at a path; of a file, which state of it. */
export interface Fingerprint {
  ino: number;
  birth: number;
  /** When a file's content was changed last, in whole ms, as all runtimes tell it, and its size. */
  mtime?: number;
  size?: number;
}

/**
 * One change; all paths are relative to the root, and name no other change's target. What is staged is
 * named by its path in the transaction's directory. `before` is what was there at the commit, `null` if
 * nothing was.
 */
export type Change =
  /** A directory is made, if it is missing. */
  | { do: "make"; path: string }
  /** What is staged, a file or a tree, gets its place. */
  | { do: "write"; path: string; staged: string; before: Fingerprint | null }
  /** What is there goes into the transaction's directory. */
  | { do: "remove"; path: string; staged: string; before: Fingerprint | null }
  /** `moved` gets another name. */
  | { do: "rename"; path: string; to: string; moved: Fingerprint; before: Fingerprint | null }
  /** A staged directory, which has this inode number, and the one that is there change their places. */
  | { do: "swap"; path: string; staged: string; ino: number; before: Fingerprint | null }
  /** A directory gets these permission bits. */
  | { do: "mode"; path: string; mode: number }
  /** A directory gets this time, in ms, so that who reads in it sees that it was changed. */
  | { do: "stamp"; path: string; mtime: number };

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A change before the commit, which notes what is at its target; of a directory, its stage has noted that. */
export type PendingChange =
  | Without<Exclude<Change, { do: "swap" }>, "before">
  | Change & { do: "swap" };

/** The record's name within the transaction's directory. */
export const RECORD = "changes";

/** A part of a transaction: its name in the transaction's directory, and where that is at first and last. */
export interface Part {
  name: string;
  staged: string;
  committed: string;
}

/** What is at a path, to be recognised later. */
export function fingerprint(stat: Stat | undefined): Fingerprint | null {
  if (stat === undefined) return null;
  const { ino, birth, mtime, size } = stat;
  return stat.kind === "directory"
    ? { ino, birth }
    : { ino, birth, mtime: Math.floor(mtime), size };
}

/** Whether what is at a path is what was marked. */
export function hasFingerprint(mark: Fingerprint | null, stat: Stat | undefined): boolean {
  const now = fingerprint(stat);
  if (mark === null || now === null) return mark === now;
  return mark.ino === now.ino && mark.birth === now.birth && mark.mtime === now.mtime &&
    mark.size === now.size;
}

/** The record's text; `root` is the inode number of the root. */
export function toText(root: number, changes: Change[]): string {
  return JSON.stringify({ untorn: 1, root, changes }) + "\n";
}

/** The changes of a record below this root; what is none is refused. */
export function fromText(text: string, root: number, path: string): Change[] {
  const shown = JSON.stringify(path);
  let record: { untorn: unknown; root: unknown; changes: Change[] };
  try {
    record = JSON.parse(text);
    if (record.untorn !== 1 || !Array.isArray(record.changes)) {
      throw new TypeError("it is of another kind");
    }
    record.changes.forEach(check);
  } catch (error) {
    const why = `${shown} is no record of a transaction (${(error as Error).message})`;
    throw new RefusedError("EINVAL", path, why);
  }
  if (record.root === root) return record.changes;
  const why =
    `${shown} was written in another directory, of which this one is a copy: which of its ` +
    "changes were made can't be told; compare, then remove the directory that it is in";
  throw new RefusedError("ESTALE", path, why);
}

function check(change: Change): void {
  checkRelative(change.path);
  switch (change.do) {
    case "make":
      return;
    case "mode":
      return permissionBits("mode", change.mode);
    case "stamp":
      return checkNumber(change.mtime);
    case "rename":
      checkRelative(change.to);
      checkFingerprint(change.moved);
      break;
    case "swap":
      checkNumber(change.ino);
      checkRelative(change.staged);
      break;
    case "write":
    case "remove":
      checkRelative(change.staged);
      break;
    default:
      throw new TypeError("a change is of another kind");
  }
  if (change.before !== null) checkFingerprint(change.before);
}

function checkFingerprint(mark: Fingerprint): void {
  checkNumber(mark.ino);
  checkNumber(mark.birth);
}

function checkNumber(value: unknown): void {
  if (typeof value !== "number") throw new TypeError("a number is missing");
}
