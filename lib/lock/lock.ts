/** Takes the lock of a path for the caller: the lock that the other operations take themselves. */

import { RefusedError } from "../core/errors.ts";
import { type LockOptions, lockSettings } from "../core/options.ts";
import { toPath, withoutSlash } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { describeFailure } from "../fs/failure.ts";
import { locate } from "../fs/target.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { acquireLock, type HeldLock, releaseLock } from "./lock_file.ts";

/**
 * Takes the lock of a path, whether the path exists or not. `persistDir` takes the same lock for a
 * directory. It is a kernel lock (flock) on `.lock-{name}` beside the path, and the kernel frees it when its
 * process dies, however it dies. It keeps out only those who take it. On a file system that other machines
 * use too, it keeps those out if the file system has such locks (docs/guarantees.md).
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory above.
 *
 * @param path The file or directory.
 * @param options Options; see {@link LockOptions}.
 * @returns The lock, to be released.
 * @throws {TypeError | RangeError} If an argument is invalid.
 * @throws {UntornError} If the lock cannot be taken; with the code `ERR_LOCKED` if another process holds it
 * for longer than `wait`.
 *
 * @example One at a time
 * ```ts
 * import { lock, type UntornError } from "@untorn/untorn";
 * import { mkdtemp, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * const held = await lock(`${dir}/state.json`);
 * const second = await lock(`${dir}/state.json`, { wait: 0 }).catch((error: UntornError) => error);
 * if (held.locked && !("code" in second && second.code === "ERR_LOCKED")) throw new Error("?");
 * await held.release();
 * await rm(dir, { recursive: true });
 * ```
 */
export async function lock(path: string | URL, options?: LockOptions): Promise<PathLock> {
  const held = await runOnSystem((os) => take(os, toPath(path), options));
  let released: Promise<void> | undefined;
  const release = (): Promise<void> => released ??= runOnSystem((os) => releaseLock(os, held));
  return { locked: held.handle !== undefined, release, [Symbol.asyncDispose]: release };
}

/** Synchronous version of {@link lock}. Waiting blocks the whole program. */
export function lockSync(path: string | URL, options?: LockOptions): PathLockSync {
  const held = runOnSystemSync((os) => take(os, toPath(path), options));
  let released = false;
  const release = (): void => {
    if (!released) runOnSystemSync((os) => releaseLock(os, held));
    released = true;
  };
  return { locked: held.handle !== undefined, release, [Symbol.dispose]: release };
}

/** A lock, as returned by {@link lock}. */
export interface PathLock extends AsyncDisposable {
  /** False if the runtime has no kernel locks (Node without `node:ffi`), so that nothing is locked. */
  readonly locked: boolean;
  /** Releases the lock. `await using` calls it at the end of its block. */
  release(): Promise<void>;
}

/** A lock, as returned by {@link lockSync}. */
export interface PathLockSync extends Disposable, Pick<PathLock, "locked"> {
  /** Releases the lock. `using` calls it at the end of its block. */
  release(): void;
}

function* take(os: Os, given: string, options: LockOptions | undefined): Steps<HeldLock> {
  const settings = lockSettings(options);
  try {
    const { dir, name } = yield* locate(os, withoutSlash(given), true);
    if (name === "") {
      throw new RefusedError("EINVAL", given, "it is locked by its own name, not by . or .. or /");
    }
    return yield* acquireLock(os, dir, name, settings);
  } catch (error) {
    throw describeFailure(error, "lock", given);
  }
}
