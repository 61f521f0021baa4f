/** The options of operations on directories, and the result of a persist. */

import {
  callback,
  type Durability,
  flag,
  LOCK_TABLE,
  type LockOptions,
  oneOf,
  type OptionTable,
  permissionBits,
  type Settings,
  shown,
  withDefaults,
} from "../core/options.ts";
import { checkEntryName } from "../core/paths.ts";
import type { SwapMethod } from "../fs/swap.ts";

/** How far a persist has come. */
export interface DirProgress {
  /** Entries written so far. */
  files: number;
  /** Their bytes. */
  bytes: number;
}

/** Options of everything that replaces a directory. */
export interface DirOptions extends LockOptions {
  /**
   * What the call makes sure of.
   * @default {"full"}
   */
  durability?: Durability;
  /**
   * The permission bits of the directory itself, 0 to 0o7777, set exactly. When absent, an existing
   * one's are kept, and a new one gets 0o777 less the umask.
   */
  mode?: number;
  /**
   * What of the present version, if it is not among the entries, is in the new one too: all, nothing,
   * or what the function returns true for. It is called with relative paths; false for a directory
   * leaves out all that is in it.
   * @default {true}
   */
  carryOver?: boolean | ((relative: string) => boolean);
  /**
   * Entries, by relative path, whose existing version wins over the new one: settings that a user may
   * have edited.
   * @default {[]}
   */
  writeOnce?: readonly string[];
  /**
   * How the new version gets in place. `"exchange"`: in one step, so that the name is never missing;
   * it takes FFI and a file system that can. `"rename"`: by two renames, between which it is missing
   * for a moment. `"auto"`: by exchange where that can be had. `"journal"`: the directory itself stays,
   * with its inode, and so do the files in it that are carried over; each of the others is replaced by a
   * rename of its own. A crash leaves all or nothing, once the next persist or a cleanup has been there; a
   * reader sees one version if it uses `readStable`. On a file system that other machines have too it takes
   * 3.5 s longer, until they have forgotten the version before.
   * @default {"auto"}
   */
  swap?: "auto" | "exchange" | "rename" | "journal";
  /**
   * How many previous versions are kept, in `.history-{name}/{n}` beside the directory; the oldest go.
   * What is carried over is copied then, not linked, so that a change in one version is not in another.
   * Not with the swap `"journal"`, which leaves no version before.
   * @default {0}
   */
  keep?: number;
  /**
   * Whether the directory is locked against other persists, of other processes too.
   * @default {true}
   */
  lock?: boolean;
  /**
   * Whether missing directories above it are created, and removed again if the call fails.
   * @default {true}
   */
  createParents?: boolean;
  /** Called as each entry has been written. */
  onProgress?: (progress: DirProgress) => void;
}

/** Options of `atomicRemove`. */
export interface RemoveOptions extends LockOptions {
  /**
   * What the call makes sure of: with `"full"` and `"file"`, that a power cut does not bring back a
   * part of it; the same step makes sure that it does not bring back anything.
   * @default {"full"}
   */
  durability?: Durability;
  /**
   * Whether a directory is locked against those who persist to it. Files have no lock.
   * @default {true}
   */
  lock?: boolean;
  /**
   * Whether it is an error if nothing is there.
   * @default {false}
   */
  mustExist?: boolean;
}

/** Options of `rollback`. */
export interface RollbackOptions extends LockOptions {
  /** The number of the version, from 1 on, see `history`; the latest by default. */
  to?: number;
  /**
   * What the call makes sure of.
   * @default {"full"}
   */
  durability?: Durability;
  /**
   * How the version gets in place, as for `persistDir`.
   * @default {"auto"}
   */
  swap?: "auto" | "exchange" | "rename";
  /**
   * Whether the directory is locked against those who persist to it.
   * @default {true}
   */
  lock?: boolean;
}

/** {@link RollbackOptions} with their defaults. */
export type RollbackSettings = Settings<RollbackOptions, "to" | "signal">;

/** {@link RemoveOptions} with their defaults. */
export type RemoveSettings = Settings<RemoveOptions, "signal">;

/** {@link DirOptions} with their defaults. */
export type DirSettings =
  & Omit<Settings<DirOptions, "mode" | "signal" | "onProgress">, "carryOver">
  & { carryOver: (relative: string) => boolean };

/** Checks the options of an operation on a directory. */
export function dirSettings(options: DirOptions | undefined): DirSettings {
  const settings = withDefaults<DirOptions, "mode" | "signal" | "onProgress">(options, DIR_TABLE);
  const { carryOver, swap, keep } = settings;
  if (swap === "journal" && keep > 0) {
    throw new RangeError('with option "swap" as "journal" no version can be kept ("keep")');
  }
  if (typeof carryOver === "function") return { ...settings, carryOver: answering(carryOver) };
  return { ...settings, carryOver: carryOver ? everything : () => false };
}

/** The value of `carryOver` that leaves nothing out. */
export function everything(): boolean {
  return true;
}

/** A `carryOver` that forgets its answer must not leave out what it was asked for. */
function answering(carryOver: (relative: string) => boolean): (relative: string) => boolean {
  return (relative) => {
    const answer: unknown = carryOver(relative);
    if (typeof answer === "boolean") return answer;
    throw new TypeError(`option "carryOver" must answer true or false, not ${shown(answer)}`);
  };
}

/** Checks the options of `rollback`. */
export function rollbackSettings(options: RollbackOptions | undefined): RollbackSettings {
  return withDefaults<RollbackOptions, "to" | "signal">(options, ROLLBACK_TABLE);
}

/** Checks the options of `atomicRemove`. */
export function removeSettings(options: RemoveOptions | undefined): RemoveSettings {
  return withDefaults<RemoveOptions, "signal">(options, {
    ...SHARED_TABLE,
    mustExist: [flag, false],
  });
}

/** The rows that all operations on directories have. */
export const SHARED_TABLE: OptionTable<
  Pick<DirOptions, "wait" | "signal" | "durability" | "lock">
> = {
  ...LOCK_TABLE,
  durability: [oneOf("full", "file", "none"), "full"],
  lock: [flag, true],
};

const ROLLBACK_TABLE: OptionTable<RollbackOptions> = {
  ...SHARED_TABLE,
  to: [versionNumber],
  swap: [oneOf("auto", "exchange", "rename"), "auto"],
};

/** The rows of a directory's content, which a transaction lets its callers choose, too. */
export const CONTENT_TABLE: OptionTable<
  Pick<DirOptions, "mode" | "carryOver" | "writeOnce" | "keep" | "onProgress">
> = {
  mode: [permissionBits],
  carryOver: [(name, value) => typeof value === "function" || flag(name, value), true],
  writeOnce: [relativePaths, []],
  keep: [count, 0],
  onProgress: [callback],
};

const DIR_TABLE: OptionTable<DirOptions> = {
  ...SHARED_TABLE,
  ...CONTENT_TABLE,
  swap: [oneOf("auto", "exchange", "rename", "journal"), "auto"],
  createParents: [flag, true],
};

function versionNumber(_name: string, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) > 0) return;
  throw new RangeError(`a version is a number from 1 on, not ${shown(value)}`);
}

function count(name: string, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return;
  throw new RangeError(`option "${name}" must be a number from 0 on, not ${shown(value)}`);
}

function relativePaths(name: string, value: unknown): void {
  if (!Array.isArray(value)) throw new TypeError(`option "${name}" must be a list of paths`);
  value.forEach(checkEntryName);
}

/** What a persist has done. */
export interface PersistResult {
  /** The directory, as it was given. */
  path: string;
  /** How it got in place. */
  swap: SwapMethod;
  /** How many entries were written. */
  written: number;
  /** How many entries, directories not counted, were taken over from the version before. */
  carried: number;
  /** Entries of the version before that appeared or changed while this one was made: in it as well. */
  rescued: string[];
  /** What has been made sure of: what was asked for, or `"file"` where directories can't be synced. */
  durability: Durability;
  /** What went wrong after the new version was safely in place; empty if nothing did. */
  warnings: string[];
}
