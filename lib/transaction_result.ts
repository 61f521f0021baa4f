/** What is told of a transaction. */

import type { Durability } from "./options.ts";
import type { PersistResult } from "./persist_result.ts";

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
