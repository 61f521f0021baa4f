/** The report of a cleanup. */

import { OsError, RefusedError } from "../core/errors.ts";
import { reasonOf } from "../fs/failure.ts";

/** A leftover of a crash, and what became of it. */
export interface CleanupItem {
  /** Where it was found. */
  path: string;
  /** The path that it belongs to; `undefined` if its name does not say. */
  target: string | undefined;
  /** Why the action was taken. */
  reason: string;
  /** Whether a lock file beside it proves that it is Untorn's. */
  claimed: boolean;
}

/** The actions that a cleanup took, or would take. */
export interface CleanupReport {
  /** Complete previous versions that were put back in place. */
  restored: CleanupItem[];
  /** Unacknowledged or superseded leftovers that were removed; a kept version moves to the history. */
  removed: CleanupItem[];
  /** Committed transactions that were completed. */
  rolledForward: CleanupItem[];
  /** Versions that were set aside as `.corrupt-…`, for example because they failed validation. */
  quarantined: CleanupItem[];
  /** Leftovers that were left alone, for example because their owner is alive. */
  skipped: CleanupItem[];
  /** Leftovers whose cleanup failed; the others were cleaned up nevertheless. */
  failed: CleanupItem[];
}

/** A report that is being built. */
export class ReportBuilder {
  readonly report: CleanupReport = {
    ...{ restored: [], removed: [], rolledForward: [], quarantined: [], skipped: [], failed: [] },
  };

  note(
    outcome: keyof CleanupReport,
    path: string,
    target: string | undefined,
    reason: string,
    claimed: boolean = false,
  ): void {
    this.report[outcome].push({ path, target, reason, claimed });
  }

  /** Notes the error that prevented a cleanup of a path. Rethrows any other error, as a programming mistake. */
  fail(error: unknown, path: string): void {
    if (!(error instanceof OsError || error instanceof RefusedError)) throw error;
    // Another process was faster.
    if (error.code === "ENOENT") return;
    const outcome = error.code === "ERR_LOCKED" ? "skipped" : "failed";
    this.note(outcome, error.path ?? path, path, reasonOf(error, path));
  }
}
