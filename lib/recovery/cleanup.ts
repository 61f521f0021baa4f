/**
 * What crashes left below a directory, finished or undone; or only looked at.
 */

import { type CleanupOptions, type CleanupSettings, cleanupSettings } from "./cleanup_options.ts";
import { describeFailure } from "../fs/failure.ts";
import { type CleanupReport, ReportBuilder } from "./report.ts";
import { isMissing } from "../core/errors.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import type { Os } from "../os/port.ts";
import { toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { Sweep } from "./sweep.ts";

/**
 * Finishes or undoes what crashes left in a directory: an interrupted swap is rolled back, what was
 * never acknowledged and what was being deleted is removed. Each target has one whole version after it,
 * wherever one existed, and nothing of Untorn's beside it. It may run at any time, beside live writers
 * and other cleanups, and be killed itself: what a live process works on is locked, and left alone.
 *
 * It goes by names, which `docs/protocol.md` lists, and touches no others. Links are not followed.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory in which atomic operations were made: the one above their targets.
 * @param options What differs from the defaults.
 * @returns What was done and why; empty lists if there was nothing, or no root.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was changed.
 * @throws {UntornError} When the root can't be listed. What fails below it is in the report.
 *
 * @example At the start of a program
 * ```ts
 * import { cleanup, persistDir } from "@untorn/untorn";
 * import { mkdtemp, rename, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * await persistDir(`${dir}/state`, { "a.json": "1" });
 * await rename(`${dir}/state`, `${dir}/.old-state`); // as after a crash between two renames
 * const { restored, failed } = await cleanup(dir);
 * if (restored[0]?.target !== `${dir}/state` || failed.length > 0) throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export function cleanup(root: string | URL, options?: CleanupOptions): Promise<CleanupReport> {
  return runOnSystem((os) => cleanUp(os, toPath(root), cleanupSettings(options), true));
}

/** Synchronous version of {@link cleanup}. */
export function cleanupSync(root: string | URL, options?: CleanupOptions): CleanupReport {
  return runOnSystemSync((os) => cleanUp(os, toPath(root), cleanupSettings(options), true));
}

/**
 * What {@link cleanup} would do now, without touching anything. Permissions in Deno: `--allow-read` for
 * the root.
 *
 * @param root The directory in which atomic operations were made.
 * @param options The options that the cleanup would get.
 * @returns The report of a cleanup.
 * @throws {TypeError | RangeError} For a mistake in the call.
 * @throws {UntornError} When the root can't be listed.
 *
 * @example Whether a crash left something
 * ```ts
 * import { inspect } from "@untorn/untorn";
 * import { mkdir, mkdtemp, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * await mkdir(`${dir}/.staging-state`);
 * const { removed } = await inspect(dir);
 * if (removed[0]?.path !== `${dir}/.staging-state`) throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export function inspect(root: string | URL, options?: CleanupOptions): Promise<CleanupReport> {
  return runOnSystem((os) => cleanUp(os, toPath(root), cleanupSettings(options), false));
}

/** Synchronous version of {@link inspect}. */
export function inspectSync(root: string | URL, options?: CleanupOptions): CleanupReport {
  return runOnSystemSync((os) => cleanUp(os, toPath(root), cleanupSettings(options), false));
}

/** A cleanup, or an inspection, as steps. */
export function* cleanUp(
  os: Os,
  root: string,
  settings: CleanupSettings,
  acts: boolean,
): Steps<CleanupReport> {
  try {
    return yield* new Sweep(os, settings, acts).run(root);
  } catch (error) {
    if (isMissing(error) && !settings.mustExist) return new ReportBuilder().report;
    throw describeFailure(error, acts ? "clean up" : "inspect", root);
  }
}
