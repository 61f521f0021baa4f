/** The only code to put a directory in place: by one exchange, or by two renames with a gap between them. */

import { RefusedError, withOutcome } from "../core/errors.ts";
import { type Sibling, siblingName } from "../core/names.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os, Stat } from "../os/port.ts";
import { withScratch } from "./claim.ts";
import { lstatUncached } from "./shared_fs.ts";
import { lstatOrUndefined } from "./target.ts";

/** How a directory was put in place; `"journal"`: it stayed, and its content was replaced. */
export type SwapMethod = "create" | "exchange" | "rename" | "journal";

/** A directory's path, and those of its siblings; `history` holds its kept versions. */
export type SwapPaths = Record<"live" | "staging" | "old" | "history", string>;

/** The paths of a directory and its siblings. */
export function swapPaths(dir: string, name: string): SwapPaths {
  const at = (sibling: Sibling): string => inside(dir, siblingName(sibling, name));
  return {
    live: inside(dir, name),
    staging: at("staging"),
    old: at("old"),
    history: at("history"),
  };
}

/** Whether exchanges have proven to work, by file system. */
const proven = new Map<number, boolean>();

/**
 * Whether two directories in `dir` can be exchanged. It is tried once for each file system and judged by its
 * effect, as one has been seen to report success and lose a file (docker/for-mac#7687).
 */
function* canExchange(os: Os, dir: string, dev: number): Steps<boolean> {
  if (!(yield* os.canExchange())) return false;
  const known = proven.get(dev);
  if (known !== undefined) return known;
  const works = yield* withScratch(os, dir, (scratch) => proveExchange(os, scratch));
  proven.set(dev, works);
  return works;
}

/** Creates two directories in an empty one and exchanges them; checks their inode numbers. */
export function* proveExchange(os: Os, scratch: string): Steps<boolean> {
  const [one, other] = [inside(scratch, "1"), inside(scratch, "2")];
  yield* os.mkdir(one, 0o700);
  yield* os.mkdir(other, 0o700);
  const before = [(yield* os.lstat(one)).ino, (yield* os.lstat(other)).ino];
  const done = yield* os.exchange(one, other);
  const [first, second] = [yield* lstatOrUndefined(os, one), yield* lstatOrUndefined(os, other)];
  return done && first?.ino === before[1] && second?.ino === before[0];
}

/** The methods that a swap may use; an exchange only if it has proven to work here. */
export type SwapChoice = Record<"exchange" | "rename", boolean>;

/** Chooses the methods of a swap in `dir`, on the file system `dev`; refuses if `wanted` is unavailable. */
export function* chooseSwap(
  os: Os,
  dir: string,
  dev: number,
  wanted: "auto" | "exchange" | "rename",
): Steps<SwapChoice> {
  const exchange = wanted !== "rename" && (yield* canExchange(os, dir, dev));
  if (wanted === "exchange" && !exchange) {
    const why =
      "directories can't be exchanged here: the file system does not support it, or the " +
      "runtime's FFI is not permitted (--allow-ffi); allow two renames (swap: auto)";
    throw new RefusedError("ERR_UNSUPPORTED", dir, why);
  }
  return { exchange, rename: wanted !== "exchange" };
}

/** Runs {@link swapIn}; an error carries its outcome. `before` is the live directory, if it exists. */
export function* swapDirs(
  os: Os,
  paths: SwapPaths,
  choice: SwapChoice,
  before: Stat | undefined,
): Steps<SwapMethod> {
  const staged = yield* os.lstat(paths.staging);
  return yield* withOutcome(swapIn(os, paths, choice, before !== undefined), function* () {
    const ino = (yield* lstatUncached(os, paths.live))?.ino;
    return ino === staged.ino ? "replaced" : ino === before?.ino ? "unchanged" : "unknown";
  });
}

/** Puts a staged directory in place. An exchange leaves the old version at `staging`, renames at `old`. */
export function* swapIn(
  os: Os,
  paths: SwapPaths,
  choice: SwapChoice,
  exists: boolean,
): Steps<SwapMethod> {
  const { live, staging, old } = paths;
  if (!exists) {
    yield* os.rename(staging, live);
    return "create";
  }
  if (choice.exchange && (yield* os.exchange(staging, live))) return "exchange";
  if (!choice.rename) {
    throw new RefusedError("ERR_UNSUPPORTED", live, "the system refused the exchange");
  }
  yield* os.rename(live, old);
  try {
    yield* os.rename(staging, live);
  } catch (error) {
    // If this fails, too, `old` is complete, and recovery puts it back.
    yield* os.rename(old, live);
    throw error;
  }
  return "rename";
}
