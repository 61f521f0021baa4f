/** What every form of a write returns. */

import type { Durability } from "./options.ts";

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
