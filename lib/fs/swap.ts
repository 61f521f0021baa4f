/**
 * The only place that renames a directory into place: by one exchange, in which the name is never
 * missing, or by two renames, between which it is.
 */

import { RefusedError, withOutcome } from "../core/errors.ts";
import { siblingName } from "../core/names.ts";
import type { Os, Stat } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { lstatUncached } from "./shared_fs.ts";
import type { Steps } from "../core/steps.ts";
import { lstatOrUndefined } from "./target.ts";
import { withScratch } from "./claim.ts";

/** How a directory got into its place; `"journal"`: it stayed, and what is in it was replaced. */
export type SwapMethod = "create" | "exchange" | "rename" | "journal";

/** The names of a swap. */
export interface SwapPaths {
  live: string;
  staging: string;
  old: string;
  /** Where versions are kept. */
  history: string;
}

/** Where a directory, and what a swap puts beside it, are. */
export function swapPaths(dir: string, name: string): SwapPaths {
  return {
    live: inside(dir, name),
    staging: inside(dir, siblingName("staging", name)),
    old: inside(dir, siblingName("old", name)),
    history: inside(dir, siblingName("history", name)),
  };
}

/** What exchanges have proved to do, by file system. */
const proven = new Map<number, boolean>();

/**
 * Whether two directories in `dir` can be exchanged: tried once for each file system, and believed by
 * its effect, since one was seen that says it did and lost a file (docker/for-mac#7687).
 */
function* canExchange(os: Os, dir: string, dev: number): Steps<boolean> {
  if (!(yield* os.canExchange())) return false;
  const known = proven.get(dev);
  if (known !== undefined) return known;
  const works = yield* withScratch(os, dir, (scratch) => proveExchange(os, scratch));
  proven.set(dev, works);
  return works;
}

/** Whether two directories that are made in an empty one can be exchanged, told by their inodes. */
export function* proveExchange(os: Os, scratch: string): Steps<boolean> {
  const [one, other] = [inside(scratch, "1"), inside(scratch, "2")];
  yield* os.mkdir(one, 0o700);
  yield* os.mkdir(other, 0o700);
  const before = [(yield* os.lstat(one)).ino, (yield* os.lstat(other)).ino];
  const done = yield* os.exchange(one, other);
  const after = [
    (yield* lstatOrUndefined(os, one))?.ino,
    (yield* lstatOrUndefined(os, other))?.ino,
  ];
  return done && after[0] === before[1] && after[1] === before[0];
}

/** What a swap may use. */
export interface SwapChoice {
  /** Whether an exchange has been proven to work here. */
  exchange: boolean;
  /** Whether two renames will do. */
  rename: boolean;
}

/** What a swap in `dir` may use, on the file system `dev`; what is demanded and can't be had is refused. */
export function* chooseSwap(
  os: Os,
  dir: string,
  dev: number,
  wanted: "auto" | "exchange" | "rename",
): Steps<SwapChoice> {
  const exchange = wanted !== "rename" && (yield* canExchange(os, dir, dev));
  if (wanted === "exchange" && !exchange) {
    const why = "two directories can't be exchanged here: the file system has no such call, or " +
      "the runtime's FFI is not permitted (--allow-ffi); allow two renames (swap: auto)";
    throw new RefusedError("ERR_UNSUPPORTED", dir, why);
  }
  return { exchange, rename: wanted !== "exchange" };
}

/** {@link swapIn}; an error carries its outcome. `before` is the live directory, if there is one. */
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

/**
 * Puts the staged directory in place. The previous version is at `staging` after an exchange, at `old`
 * after two renames.
 */
export function* swapIn(
  os: Os,
  paths: SwapPaths,
  choice: SwapChoice,
  exists: boolean,
): Steps<SwapMethod> {
  const { live, staging } = paths;
  if (!exists) {
    yield* os.rename(staging, live);
    return "create";
  }
  if (choice.exchange && (yield* os.exchange(staging, live))) return "exchange";
  if (!choice.rename) {
    throw new RefusedError("ERR_UNSUPPORTED", live, "the system refused the exchange");
  }
  yield* renameTwice(os, paths);
  return "rename";
}

/**
 * If the second rename fails, the first is undone; if that fails too, `old` is whole, and recovery puts
 * it back.
 */
function* renameTwice(os: Os, { live, staging, old }: SwapPaths): Steps<void> {
  yield* os.rename(live, old);
  try {
    yield* os.rename(staging, live);
  } catch (error) {
    yield* os.rename(old, live);
    throw error;
  }
}
