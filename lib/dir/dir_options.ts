/** The options of operations on directories, and the result of a persist. */

import {
  callback,
  type Check,
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

/** The progress of a persist. */
export interface DirProgress {
  /** Entries written so far. */
  files: number;
  /** Bytes written so far. */
  bytes: number;
}

/** Options of operations that replace a directory. */
export interface DirOptions extends LockOptions {
  /**
   * The guarantee that the call gives when it returns; see {@link Durability}.
   * @default {"full"}
   */
  durability?: Durability;
  /**
   * The permission bits of the directory itself, 0 to 0o7777, set exactly. By default, an existing
   * directory keeps its own, and a new one gets 0o777 less the umask.
   */
  mode?: number;
  /**
   * Which entries of the present version that the new one lacks are kept: all, none, or those for which
   * the function returns true. It is called with relative paths; false for a directory excludes its
   * content as well.
   * @default {true}
   */
  carryOver?: boolean | ((relative: string) => boolean);
  /**
   * Relative paths of entries whose existing version is never replaced, for example settings that users
   * edit.
   * @default {[]}
   */
  writeOnce?: readonly string[];
  /**
   * How the new version gets in place:
   *
   * - `"exchange"`: in one step, so that the directory is never missing. It needs FFI and a file system
   *   that supports it.
   * - `"rename"`: by two renames, between which the directory is missing for a moment.
   * - `"auto"`: by an exchange where that is possible, otherwise by two renames.
   * - `"journal"`: in place. The directory keeps its inode, and so do the files in it that are carried
   *   over; a rename replaces each other file. After a crash, the next persist or a cleanup completes or
   *   undoes all of it. Readers see one version if they use `readStable`. On a file system that other
   *   machines share, it takes 3.5 s longer, until these have forgotten the previous version.
   * @default {"auto"}
   */
  swap?: "auto" | "exchange" | "rename" | "journal";
  /**
   * Number of previous versions to keep, as `.history-{name}/{n}` beside the directory; older ones are
   * removed. Carried-over files are then copied, not linked, so that a change in one version does not
   * affect another. Not possible with the swap `"journal"`, which leaves no previous version.
   * @default {0}
   */
  keep?: number;
  /**
   * Whether to lock the directory against other persists, including those of other processes.
   * @default {true}
   */
  lock?: boolean;
  /**
   * Whether to create missing directories above it; they are removed again if the call fails.
   * @default {true}
   */
  createParents?: boolean;
  /** Called after each entry is written. */
  onProgress?: (progress: DirProgress) => void;
}

/** Options of `atomicRemove`. The lock is that of a directory; files have none. */
export interface RemoveOptions extends LockOptions, Pick<DirOptions, "lock"> {
  /**
   * The guarantee that the call gives when it returns. With `"full"` and `"file"` alike, a power failure brings
   * back neither a part of the entry nor all of it.
   * @default {"full"}
   */
  durability?: Durability;
  /**
   * Whether a missing entry is an error.
   * @default {false}
   */
  mustExist?: boolean;
}

/** Options of `rollback`. */
export interface RollbackOptions extends LockOptions, Pick<DirOptions, "durability" | "lock"> {
  /** The number of the version, from 1 on, see `history`; by default the latest. */
  to?: number;
  /**
   * How the version gets in place, as for `persistDir`.
   * @default {"auto"}
   */
  swap?: "auto" | "exchange" | "rename";
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
    throw new RangeError('options "swap: journal" and "keep" contradict each other: drop one');
  }
  if (typeof carryOver === "function") return { ...settings, carryOver: answering(carryOver) };
  return { ...settings, carryOver: carryOver ? everything : () => false };
}

/** The `carryOver` that excludes nothing. */
export function everything(): boolean {
  return true;
}

/** Refuses an answer that is not a boolean: a missing `return` must not exclude an entry. */
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

/** The rows that all operations on directories share. */
export const SHARED_TABLE: OptionTable<
  Pick<DirOptions, "wait" | "signal" | "durability" | "lock">
> = { ...LOCK_TABLE, durability: [oneOf("full", "file", "none"), "full"], lock: [flag, true] };

const ROLLBACK_TABLE: OptionTable<RollbackOptions> = {
  ...SHARED_TABLE,
  to: [atLeast(1)],
  swap: [oneOf("auto", "exchange", "rename"), "auto"],
};

/** The rows that a transaction also offers for each of its directories. */
export const CONTENT_TABLE: OptionTable<
  Pick<DirOptions, "mode" | "carryOver" | "writeOnce" | "keep" | "onProgress">
> = {
  mode: [permissionBits],
  carryOver: [(name, value) => typeof value === "function" || flag(name, value), true],
  writeOnce: [relativePaths, []],
  keep: [atLeast(0), 0],
  onProgress: [callback],
};

const DIR_TABLE: OptionTable<DirOptions> = {
  ...SHARED_TABLE,
  ...CONTENT_TABLE,
  swap: [oneOf("auto", "exchange", "rename", "journal"), "auto"],
  createParents: [flag, true],
};

function atLeast(least: number): Check {
  return (name, value) => {
    if (Number.isSafeInteger(value) && (value as number) >= least) return;
    throw new RangeError(`option "${name}" must be a number from ${least} on, not ${shown(value)}`);
  };
}

function relativePaths(name: string, value: unknown): void {
  if (!Array.isArray(value)) throw new TypeError(`option "${name}" must be a list of paths`);
  value.forEach(checkEntryName);
}

/** A summary of a persist. */
export interface PersistResult {
  /** The directory, as it was given. */
  path: string;
  /** How the new version got in place. */
  swap: SwapMethod;
  /** The number of entries that were written. */
  written: number;
  /** The number of entries, directories not counted, that were carried over from the previous version. */
  carried: number;
  /** Late changes in the previous version that were brought into the new one, by relative path. */
  rescued: string[];
  /** The durability that was achieved: the requested one, or `"file"` where directories can't be synced. */
  durability: Durability;
  /** Failures after the new version was safely in place; empty if there were none. */
  warnings: string[];
}
