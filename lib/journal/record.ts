/** The record of a transaction: its changes, as JSON in `.txn-…/changes`, validated when read; pure. */

import { RefusedError } from "../core/errors.ts";
import { permissionBits } from "../core/options.ts";
import { checkRelative } from "../core/paths.ts";
import type { Stat } from "../os/port.ts";

/** Identifies a directory, or a version of a file by its size and time of modification (in whole ms). */
export type Fingerprint = Pick<Stat, "ino" | "birth"> & Partial<Pick<Stat, "mtime" | "size">>;

/**
 * One change. All paths are relative to the root, and no two changes have the same target. `staged` is a path
 * in the transaction's directory. `before` is what was at the target at the commit, `null` if nothing was.
 */
export type Change =
  /** Creates a directory, if it is missing. */
  | { do: "make"; path: string }
  /** Moves a staged file or tree to its place. */
  | { do: "write"; path: string; staged: string; before: Fingerprint | null }
  /** Moves an entry into the transaction's directory. */
  | { do: "remove"; path: string; staged: string; before: Fingerprint | null }
  /** Renames `moved`. */
  | { do: "rename"; path: string; to: string; moved: Fingerprint; before: Fingerprint | null }
  /** Swaps a staged directory, which has this inode number, with the existing one. */
  | { do: "swap"; path: string; staged: string; ino: number; before: Fingerprint | null }
  /** Sets a directory's permission bits. */
  | { do: "mode"; path: string; mode: number }
  /** Sets a directory's time of modification, in ms, so that its readers detect the change. */
  | { do: "stamp"; path: string; mtime: number };

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A change before the commit, which adds `before`; for a swap, the stage of the directory adds it. */
export type PendingChange =
  | Without<Exclude<Change, { do: "swap" }>, "before">
  | Change & { do: "swap" };

/** The record's name within the transaction's directory. */
export const RECORD = "changes";

/** A part of a transaction: its name in the transaction's directory, its paths before and after commit. */
export type Part = Record<"name" | "staged" | "committed", string>;

/** The fingerprint of an entry; `null` if it does not exist. */
export function fingerprint(stat: Stat | undefined): Fingerprint | null {
  if (stat === undefined) return null;
  const { ino, birth, mtime, size } = stat;
  // The runtimes agree on mtime to the millisecond only.
  return stat.kind === "directory"
    ? { ino, birth }
    : { ino, birth, mtime: Math.floor(mtime), size };
}

/** Whether an entry is still the same. */
export function hasFingerprint(mark: Fingerprint | null, stat: Stat | undefined): boolean {
  const now = fingerprint(stat);
  if (mark === null || now === null) return mark === now;
  return (["ino", "birth", "mtime", "size"] as const).every((name) => mark[name] === now[name]);
}

/** The record's text; `root` is the inode number of the root. */
export function toText(root: number, changes: Change[]): string {
  return JSON.stringify({ untorn: 1, root, changes }) + "\n";
}

/** Parses and validates a record; `root` is the inode number of its root, `path` the record's own path. */
export function fromText(text: string, root: number, path: string): Change[] {
  const shown = JSON.stringify(path);
  let record: { untorn: unknown; root: unknown; changes: Change[] };
  try {
    record = JSON.parse(text);
    if (record.untorn !== 1 || !Array.isArray(record.changes)) {
      throw new TypeError("unknown format");
    }
    record.changes.forEach(check);
  } catch (error) {
    const why = `${shown} is not a valid transaction record (${(error as Error).message})`;
    throw new RefusedError("EINVAL", path, why);
  }
  if (record.root === root) return record.changes;
  const why =
    `${shown} was written in another directory, of which this one is a copy, so it is unknown ` +
    "which of its changes were made; compare both, then remove the directory of the record";
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
      throw new TypeError("unknown kind of change");
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
