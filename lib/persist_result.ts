/** What every form of a persist returns. */

import type { Durability } from "./options.ts";
import type { Swap } from "./swap.ts";

/** What a persist has done. */
export interface PersistResult {
  /** The directory, as it was given. */
  path: string;
  /** How it got in place. */
  swap: Swap;
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
