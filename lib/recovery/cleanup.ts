/** Finishes or undoes what crashes left below a directory, or reports it without touching it. */

import { isMissing } from "../core/errors.ts";
import { toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { describeFailure } from "../fs/failure.ts";
import { type CleanupOptions, type CleanupSettings, cleanupSettings } from "./cleanup_options.ts";
import { type CleanupReport, ReportBuilder } from "./report.ts";
import { Sweep } from "./sweep.ts";

/**
 * Finishes or undoes what crashes left in a directory. It rolls back interrupted swaps, completes committed
 * transactions, and removes staged and half-deleted leftovers. Afterwards each target that was not skipped has
 * one complete version, wherever one existed, and no leftovers beside it. It may run at any time, beside live writers and
 * other cleanups, and may itself be killed: live processes lock the files and directories they work on, and
 * it leaves these alone.
 *
 * It recognises leftovers by their names, which `docs/protocol.md` lists, and touches no other entries. It
 * follows no links.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory in which atomic operations took place: the parent of their targets.
 * @param options Options; see {@link CleanupOptions}.
 * @returns Each action and its reason; empty lists if there is nothing to do, or no root.
 * @throws {TypeError | RangeError} If an argument is invalid; thrown before anything is touched.
 * @throws {UntornError} If the root cannot be listed. Failures below it are in the report.
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
 * Reports what {@link cleanup} would do now, without touching anything.
 *
 * Permissions in Deno: `--allow-read` for the root.
 *
 * @param root The directory in which atomic operations took place.
 * @param options Options; see {@link CleanupOptions}.
 * @returns The report that the cleanup would return.
 * @throws {TypeError | RangeError} If an argument is invalid; thrown before anything is touched.
 * @throws {UntornError} If the root cannot be listed.
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

/** Cleans up, or only inspects if `acts` is false, as steps. */
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
