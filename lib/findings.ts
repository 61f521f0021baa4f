/** What a cleanup has done or found, as it is reported. */

import type { CleanupReport } from "./cleanup_report.ts";
import { reasonOf, Refusal } from "./errors.ts";
import { OsError } from "./os/errno.ts";

/** A report on its way. */
export class Findings {
  readonly report: CleanupReport = {
    restored: [],
    removed: [],
    rolledForward: [],
    quarantined: [],
    kept: [],
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
    if (!(error instanceof OsError || error instanceof Refusal)) throw error;
    // Another process was faster.
    if (error.code === "ENOENT") return;
    const outcome = error.code === "ERR_LOCKED" ? "kept" : "failed";
    this.note(outcome, error.path ?? path, path, reasonOf(error, path));
  }
}
