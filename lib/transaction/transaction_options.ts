/** The options of a transaction, and its result. */

import { known, type Settings, withDefaults } from "../core/options.ts";
import {
  CONTENT_TABLE,
  type DirOptions,
  type DirSettings,
  dirSettings,
  type PersistResult,
  type RollbackOptions,
  SHARED_TABLE,
} from "../dir/dir_options.ts";

/** Options of `transaction`. */
export type TransactionOptions = Omit<RollbackOptions, "swap" | "to">;

/** {@link TransactionOptions} with their defaults. */
export type TransactionSettings = Settings<TransactionOptions, "signal">;

/** Options of a file that a transaction writes. */
export interface ChangeOptions {
  /** The permission bits, set exactly. By default, an existing file keeps its own. */
  mode?: number;
}

/** Options of a directory that a transaction replaces; the others are the transaction's own. */
export type TransactionDirOptions = Pick<
  DirOptions,
  "mode" | "carryOver" | "writeOnce" | "keep" | "onProgress"
>;

/** Checks the options of a directory that is a part of a transaction. */
export function partSettings(
  options: TransactionDirOptions | undefined,
  { durability, lock, wait, signal }: TransactionSettings,
): DirSettings {
  const given = known<TransactionDirOptions>(options, CONTENT_TABLE);
  return dirSettings({ ...given, durability, lock, wait, signal: signal! });
}

/** Checks the options of `transaction`. */
export function transactionSettings(options: TransactionOptions | undefined): TransactionSettings {
  return withDefaults<TransactionOptions, "signal">(options, SHARED_TABLE);
}

/** One change that a transaction made; paths are relative to its root. */
export type TransactionChange =
  | { do: "write" | "remove"; path: string }
  | { do: "rename"; path: string; to: string }
  | { do: "persist" } & Pick<PersistResult, "path" | "swap" | "written" | "carried" | "rescued">;

/** A summary of a transaction. */
export interface TransactionResult extends Pick<PersistResult, "durability"> {
  /** The root, as it was given. */
  path: string;
  /** The changes, in the order of the calls. */
  changes: TransactionChange[];
  /** Failures after all changes were safely in place; empty if there were none. */
  warnings: string[];
}
