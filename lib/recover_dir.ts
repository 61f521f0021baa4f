/**
 * What a crash left beside a directory, finished or undone as `recovery.ts` decides; under its lock.
 */

import { Refusal } from "./errors.ts";
import { newToken, trashName } from "./names.ts";
import type { Os } from "./os/port.ts";
import { inside } from "./paths.ts";
import { decide } from "./recovery.ts";
import type { Steps } from "./steps.ts";
import type { SwapPaths } from "./swap.ts";
import { look } from "./target.ts";

/** Recovers a directory; `dir` is the one above. */
export function* recoverDir(os: Os, dir: string, { live, staging, old }: SwapPaths): Steps<void> {
  const found = {
    target: (yield* look(os, live)) !== undefined,
    staging: yield* isOurs(os, staging),
    old: yield* isOurs(os, old),
  };
  for (const action of decide(found)) {
    if (action === "restore old") yield* os.rename(old, live);
    else yield* trash(os, dir, action === "trash old" ? old : staging);
  }
}

/** A name under which nothing is trusted any more, then gone: never deleted in place. */
export function* trash(os: Os, dir: string, path: string): Steps<void> {
  const name = inside(dir, trashName(newToken()));
  yield* os.rename(path, name);
  yield* os.removeTree(name);
}

/** Whether the path is taken; by anything but a directory it is the user's, and in the way. */
function* isOurs(os: Os, path: string): Steps<boolean> {
  const stat = yield* look(os, path);
  if (stat === undefined || stat.kind === "directory") return stat !== undefined;
  throw new Refusal("EEXIST", path, `${JSON.stringify(path)} is in the way (EEXIST); remove it`);
}
