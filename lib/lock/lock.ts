/**
 * The lock of a path, for callers: what `persistDir` and the other operations take themselves.
 */

import { type LockOptions, lockSettings } from "../core/options.ts";
import { describeFailure } from "../fs/failure.ts";
import { RefusedError } from "../core/errors.ts";
import { acquireLock, type HeldLock, releaseLock } from "./lock_file.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import type { Os } from "../os/port.ts";
import { toPath, withoutSlash } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { locate } from "../fs/target.ts";

/** A lock, as {@link lock} returns it. */
export interface PathLock extends AsyncDisposable {
  /** False where the runtime has no kernel locks (Node without `node:ffi`): nothing is locked then. */
  readonly locked: boolean;
  /** Gives the lock back. It is what `await using` does last. */
  release(): Promise<void>;
}

/** A lock, as {@link lockSync} returns it. */
export interface PathLockSync extends Disposable {
  /** False where the runtime has no kernel locks (Node without `node:ffi`): nothing is locked then. */
  readonly locked: boolean;
  /** Gives the lock back. It is what `using` does last. */
  release(): void;
}

/**
 * Takes the lock of a path, whether it exists or not: the same lock that `persistDir` takes for a
 * directory. It is a kernel lock (flock) on `.lock-{name}` beside it, which is freed when its process
 * dies, however it dies. It keeps out those who ask for it, not those who don't. On a file system that other
 * machines have too it keeps them out if that has such locks (docs/guarantees.md).
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory above.
 *
 * @param path The file or directory.
 * @param options How long to wait.
 * @returns The lock, to be released.
 * @throws {TypeError | RangeError} For a mistake in the call.
 * @throws {UntornError} With code `ERR_LOCKED` when another holds it for longer than `wait`.
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
  let given: Promise<void> | undefined;
  const release = (): Promise<void> => given ??= runOnSystem((os) => releaseLock(os, held));
  return { locked: held.handle !== undefined, release, [Symbol.asyncDispose]: release };
}

/** Synchronous version of {@link lock}. Waiting blocks the whole program. */
export function lockSync(path: string | URL, options?: LockOptions): PathLockSync {
  const held = runOnSystemSync((os) => take(os, toPath(path), options));
  let given = false;
  const release = (): void => {
    if (!given) runOnSystemSync((os) => releaseLock(os, held));
    given = true;
  };
  return { locked: held.handle !== undefined, release, [Symbol.dispose]: release };
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
