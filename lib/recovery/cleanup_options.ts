/** The options of cleaning up; as in `options.ts`, checked before anything is touched. */

import {
  abortSignal,
  callback,
  flag,
  milliseconds,
  type OptionTable,
  type Settings,
  withDefaults,
} from "../core/options.ts";

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

/** {@link CleanupOptions} with their defaults. */
export type CleanupSettings = Settings<CleanupOptions, "validate" | "signal" | "onProgress">;

/** Checks the options of cleaning up. */
export function cleanupSettings(options: CleanupOptions | undefined): CleanupSettings {
  return withDefaults<CleanupOptions, "validate" | "signal" | "onProgress">(options, TABLE);
}

const TABLE: OptionTable<CleanupOptions> = {
  recursive: [flag, false],
  claimedOnly: [flag, false],
  minAge: [milliseconds, 60_000],
  validate: [callback],
  legacyTmp: [flag, false],
  mustExist: [flag, false],
  signal: [abortSignal],
  onProgress: [callback],
};
