/** The options of updates; as in `options.ts`, checked before anything is touched. */

import { LOCK_CHECKS, type LockOptions } from "./dir_options.ts";
import {
  type Check,
  FILE_CHECKS,
  type FileOptions,
  type FileSettings,
  fileSettings,
  flag,
  indentation,
  known,
} from "./options.ts";

/** Options of `updateFile`. */
export interface UpdateOptions
  extends Omit<FileOptions, "overwrite" | "ifChanged" | "onProgress">, LockOptions {
  /**
   * Whether the file's lock is taken: without it, of two updates at once one gets lost.
   * @default {true}
   */
  lock?: boolean;
}

/** Options of `updateJson`. */
export interface UpdateJsonOptions extends UpdateOptions {
  /**
   * What each level is indented by: spaces, 0 to 10 of them (0: all on one line), or up to ten spaces
   * and tabs as a string.
   * @default {2}
   */
  indent?: number | string;
}

/** {@link UpdateOptions} with every question answered. */
export interface UpdateSettings extends FileSettings {
  lock: boolean;
  wait: number;
}

/** Checks the options of `updateFile`, and fills in what is absent. */
export function updateSettings(options: UpdateOptions | undefined): UpdateSettings {
  const { lock, wait, ...file } = known(options, CHECKS);
  return {
    ...fileSettings(file),
    // An update to the same bytes is none.
    ifChanged: true,
    lock: lock ?? true,
    wait: wait ?? 10_000,
  };
}

/** Splits the options of `updateJson` into what JSON needs and what the update does. */
export function updateJsonSettings(
  options: UpdateJsonOptions | undefined,
): { indent: number | string; update: UpdateSettings } {
  const { indent, ...update } = known(options, { ...CHECKS, indent: indentation });
  return { indent: indent ?? 2, update: updateSettings(update) };
}

const { overwrite: _, ifChanged: __, onProgress: ___, ...OF_FILES } = FILE_CHECKS;

const CHECKS: Record<keyof UpdateOptions, Check> = { ...OF_FILES, ...LOCK_CHECKS, lock: flag };
