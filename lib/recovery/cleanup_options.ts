/** The options of a cleanup. */

import {
  abortSignal,
  callback,
  flag,
  milliseconds,
  type OptionTable,
  type Settings,
  withDefaults,
} from "../core/options.ts";

/** The progress of a cleanup. */
export interface CleanupProgress {
  /** The number of directories searched so far. */
  directories: number;
  /** The last of them. */
  path: string;
}

/** Options of `cleanup` and `inspect`. */
export interface CleanupOptions {
  /**
   * Whether to clean up the directories below the root as well. Symbolic links are not followed.
   * @default {false}
   */
  recursive?: boolean;
  /**
   * Whether to touch only leftovers beside a lock file, which proves that they are Untorn's. Otherwise
   * their names alone decide, as `docs/protocol.md` lists them.
   * @default {false}
   */
  claimedOnly?: boolean;
  /**
   * Minimum age in ms at which a staged file is removed: there is no way to know whether its writer is
   * still alive. Where the runtime has no kernel locks, it applies to directories as well.
   * @default {60000}
   */
  minAge?: number;
  /**
   * Whether the version of a directory at this path is good. It is called for each version of a directory
   * beside which a crash left something. A version for which it returns false or throws never replaces
   * another one, and is kept as `.corrupt-…`. Only the asynchronous functions accept a promise.
   */
  validate?: (path: string) => boolean | Promise<boolean>;
  /**
   * Whether to treat every file called `*.tmp` as a staged file; some programs leave such files.
   * @default {false}
   */
  legacyTmp?: boolean;
  /**
   * Whether a missing root is an error. Otherwise there is nothing to clean up in it.
   * @default {false}
   */
  mustExist?: boolean;
  /** Aborts the operation: it rejects with `signal.reason`. Actions already taken are not undone. */
  signal?: AbortSignal;
  /** Called after each directory. */
  onProgress?: (progress: CleanupProgress) => void;
}

/** {@link CleanupOptions} with their defaults. */
export type CleanupSettings = Settings<CleanupOptions, "validate" | "signal" | "onProgress">;

/** Checks the options of a cleanup. */
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
