/** The options of a transaction, and its result. */

import {
  DIR_CHECKS,
  type DirOptions,
  type DirSettings,
  dirSettings,
  type PersistResult,
  ROLLBACK_CHECKS,
  type RollbackOptions,
  type RollbackSettings,
  rollbackSettings,
} from "../dir/dir_options.ts";
import { type Durability, known } from "../core/options.ts";

/** Options of `transaction`. */
export type TransactionOptions = Omit<RollbackOptions, "swap" | "to">;

/** {@link TransactionOptions} with every question answered. */
export type TransactionSettings = Omit<RollbackSettings, "swap" | "to">;

/** Options of a file that a transaction writes. */
export interface ChangeOptions {
  /** The permission bits, set exactly. When absent, an existing file's are kept. */
  mode?: number;
}

/** Options of a directory that a transaction replaces; the others are the transaction's own. */
export type PartOptions = Pick<
  DirOptions,
  "mode" | "carryOver" | "writeOnce" | "keep" | "onProgress"
>;

/** Checks the options of a directory that is a part of a transaction. */
export function partSettings(
  options: PartOptions | undefined,
  { durability, lock, wait, signal }: TransactionSettings,
): DirSettings {
  const { mode, carryOver, writeOnce, keep, onProgress } = DIR_CHECKS;
  const given = known<PartOptions>(options, { mode, carryOver, writeOnce, keep, onProgress });
  return dirSettings({ ...given, durability, lock, wait, signal: signal! });
}

/** Checks the options of `transaction`, and fills in what is absent. */
export function transactionSettings(
  options: TransactionOptions | undefined,
): TransactionSettings {
  const { swap: _, to: __, ...checks } = ROLLBACK_CHECKS;
  return rollbackSettings(known<TransactionOptions>(options, checks));
}

/** One thing that a transaction has changed; paths are relative to its root. */
export type Changed =
  | { do: "write" | "remove"; path: string }
  | { do: "rename"; path: string; to: string }
  | { do: "persist" } & Pick<PersistResult, "path" | "swap" | "written" | "carried" | "rescued">;

/** What a transaction has done. */
export interface TransactionResult {
  /** The root, as it was given. */
  path: string;
  /** What was changed, in the order of the calls. */
  changes: Changed[];
  /** What has been made sure of: what was asked for, or `"file"` where directories can't be synced. */
  durability: Durability;
  /** What went wrong after all was safely in place; empty if nothing did. */
  warnings: string[];
}
