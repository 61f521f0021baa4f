/** The version before, once a new one is in its place: moved away, emptied, then removed or kept. */

import { type CarryOver, drain, type Rescued } from "./carry_over.ts";
import { syncDir } from "./dir_sync.ts";
import { addVersion, prune } from "./history.ts";
import { keptName, newToken, trashName } from "./names.ts";
import { caught } from "./os/errno.ts";
import type { Os } from "./os/port.ts";
import { inside, split } from "./paths.ts";
import type { PersistResult } from "./persist_result.ts";
import type { Steps } from "./steps.ts";
import type { SwapPaths } from "./swap.ts";
import { type Claim, claim, unclaim } from "./trash.ts";

/**
 * Moves the previous version away, syncs that and the swap before it, and returns whether it is known to
 * survive a power cut; only this sync may fail. Then rescues what is new in the previous version, and
 * removes it, or keeps it as one of so many. What goes wrong is added to the result's warnings.
 */
export function* dispose(
  os: Os,
  previous: string,
  { live, history }: SwapPaths,
  carry: CarryOver,
  { keep, sync }: { keep: number; sync: boolean },
  { warnings, rescued: paths }: PersistResult,
): Steps<boolean> {
  const { dir, name } = split(live);
  let path = previous;
  let claimed: Claim | undefined;
  let hasMoved = false;
  // What may be nowhere else stays, under a name that cleaning up does not remove.
  const setAside = function* (why: string): Steps<void> {
    const kept = inside(dir, keptName(name, newToken()));
    const stays = keep > 0 || (yield* caught(os.rename(path, kept)));
    warnings.push(`${why}: see ${JSON.stringify(stays ? path : kept)}`);
  };
  const attempt = function* (steps: Steps<void>): Steps<void> {
    try {
      yield* steps;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      yield* setAside(`the version before was not removed (${why})`);
    }
  };
  const moveAway = function* (): Steps<void> {
    claimed = yield* claim(os, previous);
    if (keep > 0) path = inside(history, `${yield* addVersion(os, history, previous)}`);
    else {
      const aside = inside(dir, trashName(newToken()));
      yield* os.rename(previous, aside);
      path = aside;
    }
    hasMoved = true;
  };
  const empty = function* (): Steps<void> {
    const rescued: Rescued = { paths, conflicts: new Set() };
    yield* drain(os, { ...carry, live: path, staging: live }, rescued);
    if (keep > 0) yield* prune(os, dir, history, keep);
    if (rescued.conflicts.size === 0) return;
    const both = [...rescued.conflicts].map((path) => JSON.stringify(path)).join(", ");
    yield* setAside(`${both} was changed in both versions`);
  };
  try {
    yield* attempt(moveAway());
    const isSynced = sync && (yield* syncDir(os, dir));
    if (hasMoved) yield* attempt(empty());
    return isSynced;
  } finally {
    yield* unclaim(os, claimed);
  }
}
