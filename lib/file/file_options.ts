/** The options of operations on one file, and their result. */

import type { Progress } from "../stage/block_writer.ts";
import {
  abortSignal,
  callback,
  type Durability,
  flag,
  indentation,
  known,
  LOCK_TABLE,
  type LockOptions,
  oneOf,
  type OptionTable,
  permissionBits,
  type Settings,
  subsetOf,
} from "../core/options.ts";

/** Options of everything that replaces a file. */
export interface FileOptions {
  /**
   * What the call makes sure of.
   * @default {"full"}
   */
  durability?: Durability;
  /**
   * The permission bits, 0 to 0o7777, set exactly: the umask does not apply. When absent, an existing
   * file's are kept, and a new file gets 0o666 less the umask. Windows has none of them.
   */
  mode?: number;
  /**
   * What the new version takes over from an existing file. The owner is kept as far as the system
   * allows it; where the group can't be, the group gets no more than others, and a set-user-id or
   * set-group-id bit is dropped. Access control lists and extended attributes are not kept.
   * @default {["mode", "owner"]}
   */
  preserve?: readonly ("mode" | "owner")[];
  /**
   * Whether an existing file is replaced. If not, the call fails with `EEXIST`, also when the file
   * appears only meanwhile: of many who create it at once, one succeeds.
   * @default {true}
   */
  overwrite?: boolean;
  /**
   * Whether a file that has the very same bytes (and `mode`, if given) is left alone, with its time of
   * modification. It is still synced as `durability` says.
   * @default {false}
   */
  ifChanged?: boolean;
  /**
   * Whether a symbolic link stays, and what it leads to is replaced or created; else the link itself
   * is replaced by a file.
   * @default {true}
   */
  followSymlink?: boolean;
  /**
   * Whether missing directories above the file are created, and removed again if the call fails.
   * @default {true}
   */
  createParents?: boolean;
  /** Ends the call early: it fails with `signal.reason` and has changed nothing. */
  signal?: AbortSignal;
  /** Called as the content is written, about once for each MiB, and at its end. */
  onProgress?: (progress: Progress) => void;
}

/** Options of `atomicWriteJson`. */
export interface JsonOptions extends FileOptions {
  /**
   * What each level is indented by: spaces, 0 to 10 of them (0: all on one line), or up to ten spaces
   * and tabs as a string.
   * @default {2}
   */
  indent?: number | string;
}

/** {@link FileOptions} with their defaults. */
export type FileSettings =
  & Settings<Omit<FileOptions, "preserve">, "mode" | "signal" | "onProgress">
  & { keepMode: boolean; keepOwner: boolean };

/** Checks the options of an operation on a file, and fills in what is absent. */
export function fileSettings(options: FileOptions | undefined): FileSettings {
  const given = known(options, FILE_TABLE);
  const preserve = given.preserve ?? ["mode", "owner"];
  if (given.mode !== undefined && given.preserve?.includes("mode")) {
    throw new TypeError(`options "mode" and "preserve" contradict each other: drop one "mode"`);
  }
  if (given.ifChanged === true && given.overwrite === false) {
    throw new TypeError(`options "ifChanged" and "overwrite: false" contradict each other`);
  }
  return {
    durability: given.durability ?? "full",
    mode: given.mode,
    keepMode: preserve.includes("mode"),
    keepOwner: preserve.includes("owner"),
    overwrite: given.overwrite ?? true,
    ifChanged: given.ifChanged ?? false,
    followSymlink: given.followSymlink ?? true,
    createParents: given.createParents ?? true,
    signal: given.signal,
    onProgress: given.onProgress,
  };
}

/** Splits the options of `atomicWriteJson` into what JSON needs and what the file does. */
export function jsonSettings(
  options: JsonOptions | undefined,
): { indent: number | string; file: FileOptions } {
  const { indent, ...file } = known(options, {
    ...FILE_TABLE,
    indent: [indentation],
  });
  return { indent: indent ?? 2, file };
}

const FILE_TABLE: OptionTable<FileOptions> = {
  durability: [oneOf("full", "file", "none")],
  mode: [permissionBits],
  preserve: [subsetOf("mode", "owner")],
  overwrite: [flag],
  ifChanged: [flag],
  followSymlink: [flag],
  createParents: [flag],
  signal: [abortSignal],
  onProgress: [callback],
};

/** Options of `updateFile`. */
export interface UpdateOptions
  extends Omit<FileOptions, "overwrite" | "ifChanged" | "onProgress">, LockOptions {
  /**
   * Whether the file's lock is taken: without it, of two updates at once one gets lost.
   * @default {true}
   */
  lock?: boolean;
}

/** Options of `updateJson`. */
export interface UpdateJsonOptions extends UpdateOptions, Pick<JsonOptions, "indent"> {}

/** {@link UpdateOptions} with their defaults. */
export interface UpdateSettings extends FileSettings {
  lock: boolean;
  wait: number;
}

/** Checks the options of `updateFile`, and fills in what is absent. */
export function updateSettings(options: UpdateOptions | undefined): UpdateSettings {
  const { lock, wait, ...file } = known(options, UPDATE_TABLE);
  return {
    ...fileSettings(file),
    // An update to the same bytes is none.
    ifChanged: true,
    lock: lock ?? true,
    wait: wait ?? 10_000,
  };
}

/** Splits the options of `updateJson` into what JSON needs and what the update does. */
export function updateJsonSettings(
  options: UpdateJsonOptions | undefined,
): { indent: number | string; update: UpdateSettings } {
  const { indent, ...update } = known(options, { ...UPDATE_TABLE, indent: [indentation] });
  return { indent: indent ?? 2, update: updateSettings(update) };
}

const { overwrite: _, ifChanged: __, onProgress: ___, ...OF_FILES } = FILE_TABLE;

const UPDATE_TABLE: OptionTable<UpdateOptions> = { ...OF_FILES, ...LOCK_TABLE, lock: [flag, true] };

/** What a write has done. */
export interface WriteResult {
  /** The path, as it was given. */
  path: string;
  /** The size of the content, in bytes. */
  bytes: number;
  /** Whether the file was replaced or created; false only with `ifChanged`. */
  changed: boolean;
  /**
   * What has been made sure of: what was asked for, or less where the system can't sync a directory
   * (`"file"`) or an unchanged file (`"none"`).
   */
  durability: Durability;
}
