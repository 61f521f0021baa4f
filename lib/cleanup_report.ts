/** What a cleanup returns. */

/** Something that a crash left, and what became of it. */
export interface CleanupItem {
  /** Where it was found. */
  path: string;
  /** What it belongs to; nothing where its name does not tell. */
  target: string | undefined;
  /** Why that was done with it. */
  reason: string;
  /** Whether a lock file beside it proves that it is Untorn's. */
  claimed: boolean;
}

/** What a cleanup did, or would do. */
export interface CleanupReport {
  /** Whole versions that were put back in their place. */
  restored: CleanupItem[];
  /** What was never acknowledged, or is spare. */
  removed: CleanupItem[];
  /** Committed transactions that were brought to their end. */
  rolledForward: CleanupItem[];
  /** Versions that failed validation, kept under a name that says so. */
  quarantined: CleanupItem[];
  /** What was left alone: its owner lives, say. */
  kept: CleanupItem[];
  /** What could not be done; the rest was done all the same. */
  failed: CleanupItem[];
}
