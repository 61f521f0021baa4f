/**
 * The record of a transaction: what it changes, as JSON in `.txn-…/changes`; pure. A record comes from
 * the disk, so what is in it is checked as if anybody had written it.
 */

import { Refusal } from "./errors.ts";
import { checkEntryName } from "./paths.ts";

/** One change; all paths are relative to the root, and name no other change's target. */
export type Change =
  /** A directory is made, if it is missing. */
  | { do: "make"; path: string }
  /** What is staged under a number gets its place. */
  | { do: "write"; path: string; staged: string }
  /** What is there goes into the transaction's own directory, under a number. */
  | { do: "remove"; path: string; staged: string }
  /** What has this inode number gets another name. */
  | { do: "rename"; path: string; to: string; ino: number };

/** The record's name within the transaction's directory. */
export const RECORD = "changes";

/** The record's text. */
export function toText(changes: Change[]): string {
  return JSON.stringify({ untorn: 1, changes }) + "\n";
}

/** The changes of a record; what is none is refused. */
export function fromText(text: string, path: string): Change[] {
  try {
    const { untorn, changes } = JSON.parse(text);
    if (untorn !== 1 || !Array.isArray(changes)) throw new TypeError("it is of another kind");
    changes.forEach(check);
    return changes;
  } catch (error) {
    const why = `${JSON.stringify(path)} is no record of a transaction`;
    throw new Refusal("EINVAL", path, `${why} (${(error as Error).message})`);
  }
}

function check(change: Record<string, unknown>): void {
  checkEntryName(change.path);
  const { do: kind, to, staged, ino } = change;
  if (kind === "rename") checkEntryName(to);
  const staging = kind === "write" || kind === "remove";
  if (staging && !/^\d{1,9}$/.test(String(staged))) throw new TypeError("a number is wrong");
  if (kind === "rename" && typeof ino !== "number") throw new TypeError("an inode is wrong");
  if (!staging && kind !== "rename" && kind !== "make") {
    throw new TypeError("a change is of another kind");
  }
}
