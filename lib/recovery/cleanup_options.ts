/** The options of cleaning up; as in `options.ts`, checked before anything is touched. */

import { abortSignal, callback, type Check, flag, known, milliseconds } from "../core/options.ts";

/** How far a cleanup has come. */
export interface CleanupProgress {
  /** Directories looked through so far. */
  directories: number;
  /** The one that was the last. */
  path: string;
}

/** Options of `cleanup` and `inspect`. */
export interface CleanupOptions {
  /**
   * Whether directories below the root are cleaned up as well. Symbolic links are not followed.
   * @default {false}
   */
  recursive?: boolean;
  /**
   * Whether only leftovers beside a lock file are touched, which proves them to be Untorn's; else the
   * names alone decide, as `docs/protocol.md` lists them.
   * @default {false}
   */
  claimedOnly?: boolean;
  /**
   * How old a staged file must be to be removed, in ms: nobody can tell whether its writer lives. Where
   * the runtime has no kernel locks, the same holds for directories.
   * @default {60000}
   */
  minAge?: number;
  /**
   * Whether the version of a directory at this path is a good one; asked of the versions beside which
   * a crash left something. One that is not, or of which it throws, is never put in place of another,
   * and is kept as `.corrupt-…`. Asynchronous ones are for the asynchronous functions.
   */
  validate?: (path: string) => boolean | Promise<boolean>;
  /**
   * Whether every file called `*.tmp` is taken for a staged file, which is what some programs leave.
   * @default {false}
   */
  legacyTmp?: boolean;
  /**
   * Whether a root that does not exist is an error; else there is nothing to clean up in it.
   * @default {false}
   */
  mustExist?: boolean;
  /** Ends the call early: it fails with `signal.reason`. What is done until then stays done. */
  signal?: AbortSignal;
  /** Called as each directory has been looked through. */
  onProgress?: (progress: CleanupProgress) => void;
}

/** {@link CleanupOptions} with every question answered. */
export interface CleanupSettings {
  recursive: boolean;
  claimedOnly: boolean;
  minAge: number;
  validate: ((path: string) => unknown) | undefined;
  legacyTmp: boolean;
  mustExist: boolean;
  signal: AbortSignal | undefined;
  onProgress: ((progress: CleanupProgress) => void) | undefined;
}

/** Checks the options of cleaning up, and fills in what is absent. */
export function cleanupSettings(options: CleanupOptions | undefined): CleanupSettings {
  const given = known(options, CHECKS);
  return {
    recursive: given.recursive ?? false,
    claimedOnly: given.claimedOnly ?? false,
    minAge: given.minAge ?? 60_000,
    validate: given.validate,
    legacyTmp: given.legacyTmp ?? false,
    mustExist: given.mustExist ?? false,
    signal: given.signal,
    onProgress: given.onProgress,
  };
}

const CHECKS: Record<keyof CleanupOptions, Check> = {
  recursive: flag,
  claimedOnly: flag,
  minAge: milliseconds,
  validate: callback,
  legacyTmp: flag,
  mustExist: flag,
  signal: abortSignal,
  onProgress: callback,
};
