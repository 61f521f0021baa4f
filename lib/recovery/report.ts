/** What a cleanup has done or found, as it is reported. */

import { OsError, RefusedError } from "../core/errors.ts";
import { reasonOf } from "../fs/failure.ts";

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
  skipped: CleanupItem[];
  /** What could not be done; the rest was done all the same. */
  failed: CleanupItem[];
}

/** A report on its way. */
export class ReportBuilder {
  readonly report: CleanupReport = {
    restored: [],
    removed: [],
    rolledForward: [],
    quarantined: [],
    skipped: [],
    failed: [],
  };

  /** Notes what was done at a path, or why nothing was. */
  note(
    outcome: keyof CleanupReport,
    path: string,
    target: string | undefined,
    reason: string,
    claimed: boolean = false,
  ): void {
    this.report[outcome].push({ path, target, reason, claimed });
  }

  /** Notes what kept a path from being cleaned up; any other error is a mistake, and thrown. */
  fail(error: unknown, path: string): void {
    if (!(error instanceof OsError || error instanceof RefusedError)) throw error;
    // Another process was faster.
    if (error.code === "ENOENT") return;
    const outcome = error.code === "ERR_LOCKED" ? "skipped" : "failed";
    this.note(outcome, error.path ?? path, path, reasonOf(error, path));
  }
}
