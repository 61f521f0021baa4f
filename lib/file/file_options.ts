/** The options of operations on one file, and their result. */

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
import type { Progress } from "../stage/block_writer.ts";

/** Options of operations that replace a file. */
export interface FileOptions {
  /**
   * How durable the new version is when the call returns.
   * @default {"full"}
   */
  durability?: Durability;
  /**
   * The permission bits, 0 to 0o7777, set exactly: the umask does not apply. By default, an existing
   * file's bits are preserved, and a new file gets 0o666 minus the umask. Windows has no permission bits.
   */
  mode?: number;
  /**
   * The attributes that the new version takes over from an existing file. The owner is preserved as far
   * as the system permits; if the group cannot be, the group gets no more access than others, and
   * set-user-ID and set-group-ID bits are dropped. Access control lists and extended attributes are not
   * preserved.
   * @default {["mode", "owner"]}
   */
  preserve?: readonly ("mode" | "owner")[];
  /**
   * Whether to replace an existing file. If false, the call fails with `EEXIST` if the file exists or
   * appears meanwhile: of several processes that create it at once, exactly one succeeds.
   * @default {true}
   */
  overwrite?: boolean;
  /**
   * Whether to leave a file alone, with its time of modification, if it already has the same bytes (and
   * `mode`, if given). It is still synced as `durability` requires.
   * @default {false}
   */
  ifChanged?: boolean;
  /**
   * Whether to keep a symbolic link, and replace or create the file that it leads to. If false, a file
   * replaces the link itself.
   * @default {true}
   */
  followSymlink?: boolean;
  /**
   * Whether to create missing directories above the file. They are removed again if the call fails.
   * @default {true}
   */
  createParents?: boolean;
  /** Aborts the operation: it rejects with `signal.reason` and leaves everything unchanged. */
  signal?: AbortSignal;
  /** Called while the content is written, about once per MiB, and when all of it is. */
  onProgress?: (progress: Progress) => void;
}

/** Options of `atomicWriteJson`. */
export interface JsonOptions extends FileOptions {
  /**
   * The indentation of each level: 0 to 10 spaces (0: all on one line), or a string of up to ten spaces
   * and tabs.
   * @default {2}
   */
  indent?: number | string;
}

/** Options of `updateFile`. */
export interface UpdateOptions
  extends Omit<FileOptions, "overwrite" | "ifChanged" | "onProgress">, LockOptions {
  /**
   * Whether to take the file's lock. Without it, one of two concurrent updates is lost.
   * @default {true}
   */
  lock?: boolean;
}

/** Options of `updateJson`. */
export interface UpdateJsonOptions extends UpdateOptions, Pick<JsonOptions, "indent"> {}

/** The result of a write. */
export interface WriteResult {
  /** The path, as given. */
  path: string;
  /** The size of the content, in bytes. */
  bytes: number;
  /** Whether the file was replaced or created; false only with `ifChanged`. */
  changed: boolean;
  /**
   * The durability that was reached: the requested one, or less where the system cannot sync a directory
   * (`"file"`) or an unchanged file (`"none"`).
   */
  durability: Durability;
}

/** {@link FileOptions} with their defaults. */
export type FileSettings =
  & Settings<Omit<FileOptions, "preserve">, "mode" | "signal" | "onProgress">
  & { keepMode: boolean; keepOwner: boolean };

/** Checks the options of an operation on a file, and fills in the defaults. */
export function fileSettings(options: FileOptions | undefined): FileSettings {
  const given = known(options, FILE_TABLE);
  if (given.mode !== undefined && given.preserve?.includes("mode")) {
    throw new TypeError(`options "mode" and "preserve" contradict each other: drop one "mode"`);
  }
  if (given.ifChanged === true && given.overwrite === false) {
    throw new TypeError(`options "ifChanged" and "overwrite: false" contradict each other`);
  }
  // Spelled out: `withDefaults` takes ten times as long, a fiftieth of a small write in memory.
  return {
    durability: given.durability ?? "full",
    mode: given.mode,
    keepMode: given.preserve?.includes("mode") ?? true,
    keepOwner: given.preserve?.includes("owner") ?? true,
    overwrite: given.overwrite ?? true,
    ifChanged: given.ifChanged ?? false,
    followSymlink: given.followSymlink ?? true,
    createParents: given.createParents ?? true,
    signal: given.signal,
    onProgress: given.onProgress,
  };
}

/** The rows of {@link FileOptions}. */
export const FILE_TABLE: OptionTable<FileOptions> = {
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

/** {@link UpdateOptions} with their defaults. */
export type UpdateSettings = FileSettings & Required<Pick<UpdateOptions, "lock" | "wait">>;

/** Checks the options of `updateFile`, and fills in the defaults. */
export function updateSettings(options: UpdateOptions | undefined): UpdateSettings {
  const { lock = true, wait = 10_000, ...file } = known(options, UPDATE_TABLE);
  // An update that returns the same bytes writes nothing.
  return { ...fileSettings(file), ifChanged: true, lock, wait };
}

const { overwrite: _, ifChanged: __, onProgress: ___, ...OF_FILES } = FILE_TABLE;

/** The rows of {@link UpdateOptions}. */
export const UPDATE_TABLE: OptionTable<UpdateOptions> = {
  ...OF_FILES,
  ...LOCK_TABLE,
  lock: [flag],
};

/** Splits the options of an operation on JSON into the indentation and the rest. */
export function splitIndent<Options extends object>(
  options: Options & Pick<JsonOptions, "indent"> | undefined,
  table: OptionTable<Options>,
): { indent: number | string; rest: Omit<Options, "indent"> } {
  const { indent = 2, ...rest } = known(options, { ...table, indent: [indentation] } as never);
  return { indent, rest };
}
