/**
 * The commit of one directory X, from a stage (dir_stage.ts):
 *
 *     seal → swap → move the previous version away → sync the parent → rescue late changes → empty it
 *
 * A reader of X sees the old version or the new one. A failure before the swap leaves X as it was. A failure
 * after it becomes a warning, except for that of the sync, which acknowledges the new version.
 */

import { afterReplacing, OsError, outcomeOf } from "../core/errors.ts";
import type { Steps } from "../core/steps.ts";
import { describeFailure } from "../fs/failure.ts";
import { chooseSwap, type SwapChoice, swapDirs, type SwapMethod } from "../fs/swap.ts";
import { syncDir } from "../fs/sync.ts";
import type { Os } from "../os/port.ts";
import type { Source } from "../stage/content.ts";
import type { Stage } from "../stage/lifecycle.ts";
import type { DirSettings, PersistResult } from "./dir_options.ts";
import { DirStage, type SealedDir } from "./dir_stage.ts";
import { retirePrevious } from "./previous.ts";
import { persistInPlace } from "./replace_in_place.ts";

/** A swap that has taken place. */
export interface Swapped {
  swap: SwapMethod;
  /** Whether it is known to survive a power cut; nothing as long as no sync has been tried. */
  durable: boolean | undefined;
}

/** One directory on its way to be replaced by itself: open, write, then commit or fail or discard. */
export class DirReplacement implements Stage<PersistResult> {
  readonly #os: Os;
  readonly #given: string;
  readonly #settings: DirSettings;
  readonly #stage: DirStage;
  #choice: SwapChoice | undefined;

  constructor(os: Os, given: string, settings: DirSettings) {
    this.#os = os;
    this.#given = given;
    this.#settings = settings;
    this.#stage = new DirStage(os, given, settings);
  }

  /** The staging directory. */
  get path(): string {
    return this.#stage.path;
  }

  *open(): Steps<void> {
    const { dir } = yield* this.#stage.prepare();
    const { swap } = this.#settings;
    const wanted = swap === "journal" ? "rename" : swap;
    this.#choice = yield* chooseSwap(this.#os, dir, this.#stage.dev!, wanted);
    yield* this.#stage.make();
  }

  write(relative: string, source: Source): Steps<void> {
    return this.#stage.write(relative, source);
  }

  *commit(): Steps<PersistResult> {
    const { swap, signal } = this.#settings;
    const inPlace = swap === "journal" && this.#stage.hasPrevious;
    const sealed = yield* this.#stage.seal(!inPlace);
    signal?.throwIfAborted();
    const swapped = inPlace ? yield* this.#replaceInPlace(sealed) : yield* this.#swap(sealed);
    return yield* afterReplacing(this.#end(sealed, swapped));
  }

  *#swap({ paths, target }: SealedDir): Steps<Swapped> {
    const swap = yield* swapDirs(this.#os, paths, this.#choice!, target.stat);
    const { durability } = this.#settings;
    // The previous version's name means something until it is moved away, after two renames the last good one.
    const isSynced = durability === "full" || durability === "file" && swap === "rename";
    return { swap, durable: isSynced ? undefined : false };
  }

  *#replaceInPlace({ carry, target }: SealedDir): Steps<Swapped> {
    const { durable, left } = yield* persistInPlace(this.#os, carry, target.stat!, this.#settings);
    if (left !== undefined) {
      const what = `${JSON.stringify(left)} could not be deleted: a cleanup tries again`;
      this.#stage.warnings.push(what);
    }
    return { swap: "journal", durable };
  }

  *#end(sealed: SealedDir, swapped: Swapped): Steps<PersistResult> {
    this.#stage.leave();
    const result = yield* finish(this.#os, this.#given, sealed, swapped, this.#settings);
    result.warnings.unshift(...this.#stage.warnings);
    yield* this.#stage.close(result.warnings);
    return result;
  }

  *discard(): Steps<void> {
    yield* this.#stage.discard();
  }

  *fail(error: unknown): Steps<unknown> {
    const path = this.#stage.pathOfErrors;
    const existed = this.#stage.hasPrevious;
    // The staging name may be the previous version's by now: recovery decides.
    if (outcomeOf(error) !== "unchanged") this.#stage.leave();
    let leftover: string | undefined;
    try {
      yield* this.#stage.discard();
    } catch (raw) {
      if (!(raw instanceof OsError)) throw raw;
      leftover = raw.path ?? path;
    }
    return describeFailure(error, "persist", this.#given, { existed, path, leftover });
  }
}

/** Syncs a swap, and retires the previous version. Only the sync can fail. */
export function* finish(
  os: Os,
  path: string,
  { target, paths, carry, written }: SealedDir,
  { swap, durable }: Swapped,
  { durability, keep }: DirSettings,
): Steps<PersistResult> {
  const { carried } = carry;
  const result: PersistResult = {
    ...{ path, swap, written, carried, rescued: [], durability, warnings: [] },
  };
  let isDurable = durable ?? false;
  if (swap === "exchange" || swap === "rename") {
    const previous = swap === "exchange" ? paths.staging : paths.old;
    const how = { keep, sync: durable === undefined };
    const { isSynced, rescued, warnings } = yield* retirePrevious(os, previous, paths, carry, how);
    Object.assign(result, { rescued, warnings });
    isDurable ||= isSynced;
  } else if (durable === undefined) isDurable = yield* syncDir(os, target.dir);
  if (durability === "full" && !isDurable) result.durability = "file";
  return result;
}
