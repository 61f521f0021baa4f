/** The directory that is going to be replaced: found through links, and refused if it can't be. */

import { Refusal } from "./errors.ts";
import type { Os } from "./os/port.ts";
import { inside, withoutSlash } from "./paths.ts";
import type { Steps } from "./steps.ts";
import { locate, type Target } from "./target.ts";

/** Finds a directory, or where it is to be. */
export function* locateDir(os: Os, given: string): Steps<Target> {
  const target = yield* locate(os, withoutSlash(given), true);
  if (target.name !== "") return target;
  const why = "a directory is named by its own name, not by . or .. or /";
  throw new Refusal("EINVAL", target.path, why);
}

/** Refuses what is there and can't be replaced by a directory. */
export function* expectDirectory(os: Os, { path, dir, stat }: Target): Steps<void> {
  if (stat === undefined) return;
  if (stat.kind !== "directory") {
    throw new Refusal("ENOTDIR", path, "it is not a directory (ENOTDIR)");
  }
  if (stat.dev !== (yield* os.lstat(inside(dir, "."))).dev) {
    throw new Refusal("EBUSY", path, "it is a mount point, which can't be replaced (EBUSY)");
  }
}
