/**
 * What a file system, and the permissions of this process, allow. Each ability is tried in a scratch
 * directory, and judged by its effect. The kind of the file system answers only what no call can show:
 * whether synced data survives a power failure, and whether other machines use it.
 */

import { isNotOffered, OsError, RefusedError } from "../core/errors.ts";
import { inside, toPath } from "../core/paths.ts";
import { type Steps, waitFor } from "../core/steps.ts";
import { withScratch } from "../fs/claim.ts";
import { describeFailure } from "../fs/failure.ts";
import { readAll } from "../fs/io.ts";
import { isShared } from "../fs/shared_fs.ts";
import { proveExchange } from "../fs/swap.ts";
import { fileSystemOf } from "../os/file_systems.ts";
import { missingFlags, whyNoFfi, whyNoFsType, whyNoLocks } from "../os/permissions.ts";
import { type Os, sameFile } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";

/** The capabilities of a directory; see {@link capabilities}. */
export interface Capabilities {
  /** The directory, as given. */
  path: string;
  /**
   * The kind of the file system: `"ext4"` (also ext2 and ext3), `"xfs"`, `"btrfs"`, `"f2fs"`, `"zfs"`,
   * `"bcachefs"`, `"tmpfs"`, `"ramfs"`, `"overlay"`, `"nfs"`, `"cifs"`, `"9p"`, `"fuse"` (also GlusterFS and
   * virtiofs), `"ceph"`, `"vfat"`, `"exfat"`, `"ntfs3"`. `undefined` if it is not known; Deno needs
   * `--allow-sys=statfs` to find it.
   */
  fileSystem: string | undefined;
  /**
   * Whether other machines may use the file system, too; they see changes made here a few seconds late
   * (docs/guarantees.md). True for network file systems and FUSE, `undefined` if the kind is not known.
   */
  shared: boolean | undefined;
  /** Whether two directories can be exchanged in one step, so that a replaced directory is never missing. */
  exchange: boolean;
  /** Whether a file can have a second name: for `overwrite: false`, and to carry over without a copy. */
  hardLinks: boolean;
  /** Whether a copy can share the blocks of its original; `undefined` if that cannot be found out. */
  reflinks: boolean | undefined;
  /** Whether syncing a directory succeeds; `durable` says what that is worth. */
  directorySync: boolean;
  /** Whether one call can sync the whole file system, in this form: not asynchronously in Bun and Node. */
  syncFs: boolean;
  /** Whether there are kernel locks that keep a second holder out. */
  locks: boolean;
  /**
   * Whether the new version survives a power failure with `durability: "full"`, as far as the file system
   * shows: false if it is in memory or cannot sync a directory; `undefined` if only others know (network
   * file systems, FUSE, overlay). A disk that loses what it has acknowledged goes unnoticed.
   */
  durable: boolean | undefined;
  /**
   * For each capability that is `false` or `undefined`, the reason by its name; if a permission is missing,
   * with the flag to add.
   */
  reasons: { [name in Exclude<keyof Capabilities, "path" | "reasons">]?: string };
}

/**
 * Finds the capabilities of a directory. Each is tried in a scratch directory inside it, which is removed
 * again, and is judged by its effect, not by the answer of a call. Nothing is cached.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory. It never prompts; without
 * `--allow-ffi` and `--allow-sys=statfs`, it reports what cannot be used or found out for lack of them.
 *
 * @param dir A directory that exists.
 * @returns The capabilities, and the reasons for those that are missing.
 * @throws {TypeError} If the argument is invalid.
 * @throws {UntornError} If nothing can be tried: the directory is missing or not writable, or the disk is
 * full. Nothing is left behind.
 *
 * @example Never missing, or an error instead
 * ```ts
 * import { capabilities, persistDir } from "@untorn/untorn";
 * import { mkdtemp, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * const { exchange, durable, reasons } = await capabilities(dir);
 * if (!exchange) console.warn(`readers may find nothing for a moment: ${reasons.exchange}`);
 * if (durable === false) console.warn(`not safe from power cuts: ${reasons.durable}`);
 * await persistDir(`${dir}/site`, { "index.html": "<p>" }, { swap: exchange ? "exchange" : "rename" });
 * await rm(dir, { recursive: true });
 * ```
 */
export function capabilities(dir: string | URL): Promise<Capabilities> {
  return runOnSystem((os) => findCapabilities(os, toPath(dir)));
}

/** Synchronous version of {@link capabilities}. */
export function capabilitiesSync(dir: string | URL): Capabilities {
  return runOnSystemSync((os) => findCapabilities(os, toPath(dir)));
}

/** Finds the capabilities of a directory, as steps. */
export function* findCapabilities(os: Os, dir: string): Steps<Capabilities> {
  try {
    const flags = missingFlags(dir);
    if (flags.length > 0) {
      const why = `permission was not given; run again with ${flags.join(" ")} ` +
        "(to create a scratch directory in it)";
      throw new RefusedError("ERR_PERMISSION", dir, why);
    }
    return yield* withAnyScratch(os, dir, (scratch) => tryAll(os, dir, scratch));
  } catch (error) {
    throw describeFailure(error, "examine", dir);
  }
}

/** Uses a scratch directory; without the lock that marks it as this process's where that is refused. */
export function* withAnyScratch<T>(
  os: Os,
  dir: string,
  use: (scratch: string) => Steps<T>,
): Steps<T> {
  let isUsed = false;
  try {
    return yield* withScratch(os, dir, (scratch) => {
      isUsed = true;
      return use(scratch);
    });
  } catch (error) {
    if (isUsed || !isRefused(error) || error.call !== "tryLock") throw error;
    return yield* withScratch({ ...os, canLock: () => waitFor(false) }, dir, use);
  }
}

/** The result of a trial; with a reason unless it is true. */
type ProbeResult = [has: boolean | undefined, reason?: string];

/** The trials, in the order of {@link Capabilities}. */
const TRIALS = {
  exchange: tryExchange,
  hardLinks: tryLink,
  reflinks: tryClone,
  directorySync: tryDirectorySync,
  syncFs: trySyncFs,
  locks: tryLocks,
};

function* tryAll(os: Os, path: string, scratch: string): Steps<Capabilities> {
  const reasons: Capabilities["reasons"] = {};
  const note = (name: keyof typeof reasons, [has, reason]: ProbeResult): boolean | undefined => {
    if (has !== true) reasons[name] = reason;
    return has;
  };
  const found: { [name in keyof typeof TRIALS]?: boolean | undefined } = {};
  yield* os.createWhole(inside(scratch, "file"), 0o600, CONTENT);
  for (const name of Object.keys(TRIALS) as (keyof typeof TRIALS)[]) {
    found[name] = note(name, yield* unlessRefused(TRIALS[name](os, scratch)));
  }
  const [fileSystem, ...durability] = yield* findKind(os, scratch);
  const mayBeShared = yield* isOnSharedFs(os, scratch);
  // An unknown kind is treated as shared by operations, and reported as unknown here.
  const shared = fileSystem === undefined && mayBeShared ? undefined : mayBeShared;
  const unknown: ProbeResult = [undefined, durability[1]];
  if (shared === undefined) note("shared", unknown);
  const noSync: ProbeResult = [false, "directories can't be synced"];
  const durable = note("durable", found.directorySync ? durability : noSync);
  if (fileSystem === undefined) note("fileSystem", unknown);
  const abilities = found as Pick<Capabilities, keyof typeof TRIALS>;
  return { path, fileSystem, shared, ...abilities, durable, reasons };
}

function* isOnSharedFs(os: Os, scratch: string): Steps<boolean> {
  return yield* isShared(os, scratch, (yield* os.lstat(scratch)).dev);
}

/** A block's worth: some file systems keep less in the inode, where no blocks can be shared. */
const CONTENT: Uint8Array = new Uint8Array(4096).fill(0x75);

/**
 * Whether a system, a file server or a sandbox refuses a call as such. EBADF was seen for the sync of a
 * directory; ENOTTY means that a file system has no such ioctl (ioctl(2)).
 */
function isRefused(error: unknown): error is OsError {
  return isNotOffered(error, "EACCES", "EBADF", "ENOTTY", "ENOLCK", "EMLINK", "EXDEV");
}

function* unlessRefused(trial: Steps<ProbeResult>): Steps<ProbeResult> {
  try {
    return yield* trial;
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    // Node's permission model refuses every fsync, whatever is allowed.
    if (error.code === "ERR_PERMISSION") return [false, "the runtime does not permit it"];
    if (!isRefused(error)) throw error;
    return [false, `the system refuses it (${error.code})`];
  }
}

function* tryExchange(os: Os, scratch: string): Steps<ProbeResult> {
  if (!(yield* os.canExchange())) return [false, whyNoFfi()];
  if (yield* proveExchange(os, scratch)) return [true];
  return [false, "the file system refuses it, or reports success and has not done it"];
}

function* tryLink(os: Os, scratch: string): Steps<ProbeResult> {
  const [file, second] = [inside(scratch, "file"), inside(scratch, "second")];
  yield* os.link(file, second);
  if (sameFile(yield* os.lstat(file), yield* os.lstat(second))) return [true];
  return [false, "the second name is another file"];
}

function* tryClone(os: Os, scratch: string): Steps<ProbeResult> {
  const copy = inside(scratch, "copy");
  const cloned = yield* os.clone(inside(scratch, "file"), copy);
  if (cloned === undefined) return [undefined, whyNoFfi()];
  if (!cloned) return [false, "the file system refuses it"];
  const bytes = yield* readAll(os, copy);
  const isSame = bytes.length === CONTENT.length && bytes.every((byte) => byte === CONTENT[0]);
  return isSame ? [true] : [false, "the copy has another content"];
}

function* tryDirectorySync(os: Os, scratch: string): Steps<ProbeResult> {
  const open = yield* os.openDir(scratch);
  if (open === undefined) return [false, "this system has no such call"];
  try {
    yield* os.fsync(open, scratch);
    return [true];
  } finally {
    yield* os.close(open);
  }
}

function* trySyncFs(os: Os, scratch: string): Steps<ProbeResult> {
  const open = yield* os.openFs(scratch);
  if (open === undefined) {
    if (!(yield* os.canExchange())) return [false, whyNoFfi()];
    const why = (yield* isOnSharedFs(os, scratch))
      ? "the kernel answers it without asking the server behind the file system"
      : "this runtime can't do it in the background, or this system has no such call";
    return [false, why];
  }
  try {
    yield* os.syncFs(open);
    return [true];
  } finally {
    yield* os.closeFs(open);
  }
}

function* tryLocks(os: Os, scratch: string): Steps<ProbeResult> {
  if (!(yield* os.canLock())) return [false, whyNoLocks()];
  const path = inside(scratch, "lock");
  const first = yield* os.openLock(path);
  try {
    if (!(yield* os.tryLock(first))) return [false, "a lock that nobody holds is refused"];
    const second = yield* os.openLock(path);
    try {
      const isHeldTwice = yield* os.tryLock(second);
      return isHeldTwice ? [false, "a second holder gets it as well"] : [true];
    } finally {
      yield* os.close(second);
    }
  } finally {
    yield* os.close(first);
  }
}

/** Finds the kind of the file system, and whether that makes it durable. */
function* findKind(os: Os, scratch: string): Steps<[name: string | undefined, ...ProbeResult]> {
  const type = yield* os.fsType(scratch);
  if (type === undefined) return [undefined, undefined, whyNoFsType()];
  const kind = fileSystemOf(type);
  if (kind !== undefined) return [kind.name, kind.durable, kind.why];
  const number = `0x${(type >>> 0).toString(16)}`;
  return [undefined, undefined, `its kind has the number ${number}, which is not known here`];
}
