/**
 * The commit of one directory X, from a stage (dir_stage.ts):
 *
 *     seal → swap → move the previous version away → sync the parent → rescue late changes → empty it
 *
 * A reader of X sees the old version or the new one. A failure before the swap leaves X as it was. A failure
 * after it becomes a warning, except for that of the sync, which acknowledges the new version.
 */

import { afterReplacing, catchOsError, outcomeOf } from "../core/errors.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { describeFailure } from "../fs/failure.ts";
import { chooseSwap, type SwapChoice, swapDirs, type SwapMethod } from "../fs/swap.ts";
import { syncDir } from "../fs/sync.ts";
import type { Stage } from "../stage/lifecycle.ts";
import type { DirSettings, PersistResult } from "./dir_options.ts";
import { DirStage, type SealedDir } from "./dir_stage.ts";
import { PreviousVersion } from "./previous.ts";
import { persistInPlace } from "./replace_in_place.ts";

/** A swap that has taken place. */
export interface Swapped {
  swap: SwapMethod;
  /** Whether it is known to survive a power cut; `undefined` if its sync is still to come. */
  durable: boolean | undefined;
}

/** The stage of a directory that is replaced by itself: open, write, then commit or discard, or fail. */
export class DirReplacement extends DirStage implements Stage<PersistResult> {
  #choice: SwapChoice | undefined;

  override *open(): Steps<void> {
    const { swap } = this.settings;
    const { dir, dev } = yield* this.prepare();
    const wanted = swap === "journal" ? "rename" : swap;
    this.#choice = yield* chooseSwap(this.os, dir, dev!, wanted);
    yield* this.make();
  }

  *commit(): Steps<PersistResult> {
    const { swap, signal } = this.settings;
    const inPlace = swap === "journal" && this.hasPrevious;
    const sealed = yield* this.seal(!inPlace);
    signal?.throwIfAborted();
    const swapped = inPlace ? yield* this.#replaceInPlace(sealed) : yield* this.#swap(sealed);
    this.leave();
    return yield* afterReplacing(this.#end(sealed, swapped));
  }

  *#swap({ paths, target }: SealedDir): Steps<Swapped> {
    const swap = yield* swapDirs(this.os, paths, this.#choice!, target.stat);
    const { durability } = this.settings;
    // After two renames, recovery trusts `.old-X`: it is emptied only once the sync has removed that name.
    const syncs = durability === "full" || durability === "file" && swap === "rename";
    return { swap, durable: syncs ? undefined : false };
  }

  *#replaceInPlace({ carry, target, paths }: SealedDir): Steps<Swapped> {
    const { durable, left } = yield* persistInPlace(
      this.os,
      carry,
      target.stat!,
      paths,
      this.settings,
    );
    if (left !== undefined) {
      this.warnings.push(`${JSON.stringify(left)} could not be removed: a cleanup tries again`);
    }
    return { swap: "journal", durable };
  }

  *#end(sealed: SealedDir, swapped: Swapped): Steps<PersistResult> {
    const result = yield* finish(this.os, this.given, sealed, swapped, this.settings);
    result.warnings.unshift(...this.warnings);
    yield* this.close(result.warnings);
    return result;
  }

  *fail(error: unknown): Steps<unknown> {
    const [existed, path] = [this.hasPrevious, this.pathOfErrors];
    // The staging path may be the previous version's by now: recovery decides.
    if (outcomeOf(error) !== "unchanged") this.leave();
    const left = yield* catchOsError(this.discard());
    const leftover = left && (left.path ?? path);
    return describeFailure(error, "persist", this.given, { existed, path, leftover });
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
  const sync = durable === undefined;
  let rescued: string[] = [];
  let warnings: string[] = [];
  let isSynced = false;
  if (swap === "exchange" || swap === "rename") {
    const from = swap === "exchange" ? paths.staging : paths.old;
    const previous = new PreviousVersion(os, from, paths, carry, keep);
    isSynced = yield* previous.retire(sync);
    ({ rescued, warnings } = previous);
  } else if (sync) isSynced = yield* syncDir(os, target.dir);
  if (durability === "full" && !isSynced && !durable) durability = "file";
  const { carried } = carry;
  return { path, swap, written, carried, rescued, durability, warnings };
}
