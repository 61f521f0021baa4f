/**
 * What a file system, and the permissions of this process, allow: tried in a scratch directory, and
 * believed by its effect. The kind of the file system only says what no call can show: whether
 * what was synced is still there after a power cut.
 */

import { describeFailure } from "../fs/failure.ts";
import { isNotOffered, OsError, RefusedError } from "../core/errors.ts";
import { fileSystemOf } from "../os/file_systems.ts";
import { missingFlags, whyNoFfi, whyNoFsType, whyNoLocks } from "../os/permissions.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { type Os, sameFile } from "../os/port.ts";
import { inside, toPath } from "../core/paths.ts";
import { isShared as mayBeRemote } from "../fs/shared_fs.ts";
import { type Steps, waitFor } from "../core/steps.ts";
import { proveExchange } from "../fs/swap.ts";
import { withScratch } from "../fs/claim.ts";
import { readAll } from "../fs/io.ts";

/** What can be had in a directory, see {@link capabilities}. */
export interface Capabilities {
  /** The directory, as it was given. */
  path: string;
  /**
   * What the file system is called: `"ext4"` (ext2 and ext3 too), `"xfs"`, `"btrfs"`, `"f2fs"`, `"zfs"`,
   * `"bcachefs"`, `"tmpfs"`, `"ramfs"`, `"overlay"`, `"nfs"`, `"cifs"`, `"9p"`, `"fuse"` (GlusterFS and
   * virtiofs too), `"ceph"`, `"vfat"`, `"exfat"`, `"ntfs3"`. `undefined` where that is not known; in Deno it takes
   * `--allow-sys=statfs`.
   */
  fileSystem: string | undefined;
  /**
   * Whether other machines may have it too, which then see a few seconds late what is done here
   * (docs/guarantees.md): network file systems, FUSE. `undefined` where its kind is not known.
   */
  shared: boolean | undefined;
  /** Whether two directories can be exchanged in one step: a directory that is replaced is never missing. */
  exchange: boolean;
  /** Whether a file can have a second name: carrying over without a copy, `overwrite: false`. */
  hardLinks: boolean;
  /** Whether a copy can share the blocks of its original. `undefined` where that can't be told. */
  reflinks: boolean | undefined;
  /** Whether the sync of a directory succeeds; see `durable` for what it is worth. */
  directorySync: boolean;
  /**
   * Whether all of a file system can be synced by one call, in this form: Bun and Node can't do it
   * in the background.
   */
  syncFs: boolean;
  /** Whether there are kernel locks, which keep a second holder out. */
  locks: boolean;
  /**
   * Whether the new version survives a power cut with `durability: "full"`, as far as a file system can
   * say: not, if it is in memory, or can't sync a directory; `undefined` where only others know
   * (network file systems, FUSE, overlay). A disk that loses what it has acknowledged is not seen.
   */
  durable: boolean | undefined;
  /**
   * Why something can't be had (`false`) or can't be told (`undefined`), by its name here. Where it is for
   * want of a permission, the flag to add.
   */
  reasons: { [name in Exclude<keyof Capabilities, "path" | "reasons">]?: string };
}

type Ability = "exchange" | "hardLinks" | "reflinks" | "directorySync" | "syncFs" | "locks";
type Probed = keyof Capabilities["reasons"];

/**
 * Finds what can be had in a directory. Each thing is tried in a scratch directory inside it, which
 * is removed again, and what counts is the effect, not the answer. Nothing is remembered.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory. Without
 * `--allow-ffi` and `--allow-sys=statfs` it says what is missing for want of them; it never asks.
 *
 * @param dir A directory that exists.
 * @returns What can be had, and why other things can't.
 * @throws {TypeError} For a mistake in the call.
 * @throws {UntornError} When nothing can be tried: the directory is missing, or not writable, or the
 * disk is full. Nothing is left.
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

/** What can be had in a directory, as steps. */
export function* findCapabilities(os: Os, dir: string): Steps<Capabilities> {
  try {
    const flags = missingFlags(dir);
    if (flags.length > 0) {
      const what = `permission was not given; run again with ${flags.join(" ")}`;
      throw new RefusedError("ERR_PERMISSION", dir, `${what} (a scratch directory is made in it)`);
    }
    return yield* withAnyScratch(os, dir, (scratch) => tryAll(os, dir, scratch));
  } catch (error) {
    throw describeFailure(error, "examine", dir);
  }
}

/** A scratch directory also where there are no locks, with which it would be marked as this process's. */
export function* withAnyScratch<T>(
  os: Os,
  dir: string,
  use: (scratch: string) => Steps<T>,
): Steps<T> {
  let begun = false;
  const once = (scratch: string): Steps<T> => {
    begun = true;
    return use(scratch);
  };
  try {
    return yield* withScratch(os, dir, once);
  } catch (error) {
    if (begun || !isRefused(error) || error.call !== "tryLock") throw error;
    return yield* withScratch({ ...os, canLock: () => waitFor(false) }, dir, use);
  }
}

/** What a trial came to. */
interface ProbeResult {
  has: boolean | undefined;
  reason?: string;
}

const YES: ProbeResult = { has: true };

function no(reason: string): ProbeResult {
  return { has: false, reason };
}

const TRIALS: Record<Ability, (os: Os, scratch: string) => Steps<ProbeResult>> = {
  exchange: tryExchange,
  hardLinks: tryLink,
  reflinks: tryClone,
  directorySync: tryDirectorySync,
  syncFs: trySyncFs,
  locks: tryLocks,
};

function* tryAll(os: Os, path: string, scratch: string): Steps<Capabilities> {
  const reasons: Capabilities["reasons"] = {};
  const found: Partial<Record<Ability, boolean | undefined>> = {};
  const keep = (name: Probed, { has, reason }: ProbeResult): boolean | undefined => {
    if (has !== true && reason !== undefined) reasons[name] = reason;
    return has;
  };
  yield* os.createWhole(inside(scratch, "file"), 0o600, CONTENT);
  for (const [name, trial] of Object.entries(TRIALS) as [Ability, typeof tryLink][]) {
    found[name] = keep(name, yield* unlessRefused(trial(os, scratch)));
  }
  const kind = yield* findKind(os, scratch);
  const isRemote = yield* mayBeRemote(os, scratch, (yield* os.lstat(scratch)).dev);
  // What is not known is taken for shared.
  const shared = kind.name === undefined && isRemote ? undefined : isRemote;
  if (shared === undefined) keep("shared", { has: shared, reason: kind.reason });
  const durable = keep("durable", found.directorySync ? kind : no("directories can't be synced"));
  if (kind.name === undefined) keep("fileSystem", { has: undefined, reason: kind.reason });
  const { exchange, hardLinks, directorySync, syncFs, locks } = found as Record<Ability, boolean>;
  const { reflinks } = found;
  const fileSystem = kind.name;
  const abilities = { exchange, hardLinks, reflinks, directorySync, syncFs, locks };
  return { path, fileSystem, shared, ...abilities, durable, reasons };
}

/** As much as file systems put in a block; less, some keep in the inode, where nothing is shared. */
const CONTENT: Uint8Array = new Uint8Array(4096).fill(0x75);

/**
 * Whether a system, a file server or a sandbox says that it does not do something: EBADF is what one
 * said to the sync of a directory, ENOTTY what a file system without such an ioctl may.
 */
function isRefused(error: unknown): error is OsError {
  return isNotOffered(error, "EACCES", "EBADF", "ENOTTY", "ENOLCK", "EMLINK", "EXDEV");
}

function* unlessRefused(trial: Steps<ProbeResult>): Steps<ProbeResult> {
  try {
    return yield* trial;
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    // Node's permission model has no sync (fsync) whatever is allowed.
    if (error.code === "ERR_PERMISSION") return no("the runtime does not permit it");
    if (!isRefused(error)) throw error;
    return no(`the system refuses it (${error.code})`);
  }
}

function* tryExchange(os: Os, scratch: string): Steps<ProbeResult> {
  if (!(yield* os.canExchange())) return no(whyNoFfi());
  if (yield* proveExchange(os, scratch)) return YES;
  return no("the file system refuses it, or says that it is done and has not done it");
}

function* tryLink(os: Os, scratch: string): Steps<ProbeResult> {
  const [file, second] = [inside(scratch, "file"), inside(scratch, "second")];
  yield* os.link(file, second);
  if (sameFile(yield* os.lstat(file), yield* os.lstat(second))) return YES;
  return no("the second name is another file");
}

function* tryClone(os: Os, scratch: string): Steps<ProbeResult> {
  const copy = inside(scratch, "copy");
  const cloned = yield* os.clone(inside(scratch, "file"), copy);
  if (cloned === undefined) return { has: undefined, reason: whyNoFfi() };
  if (!cloned) return no("the file system refuses it");
  const bytes = yield* readAll(os, copy);
  const isSame = bytes.length === CONTENT.length && bytes.every((byte) => byte === CONTENT[0]);
  return isSame ? YES : no("the copy has another content");
}

function* tryDirectorySync(os: Os, scratch: string): Steps<ProbeResult> {
  const open = yield* os.openDir(scratch);
  if (open === undefined) return no("this system has no such call");
  try {
    yield* os.fsync(open, scratch);
    return YES;
  } finally {
    yield* os.close(open);
  }
}

function* trySyncFs(os: Os, scratch: string): Steps<ProbeResult> {
  const open = yield* os.openFs(scratch);
  if (open === undefined) {
    if (!(yield* os.canExchange())) return no(whyNoFfi());
    if (yield* mayBeRemote(os, scratch, (yield* os.lstat(scratch)).dev)) {
      return no("the kernel answers it without asking what is behind the file system");
    }
    return no("this runtime can't do it in the background, or this system has no such call");
  }
  try {
    yield* os.syncFs(open);
    return YES;
  } finally {
    yield* os.closeFs(open);
  }
}

function* tryLocks(os: Os, scratch: string): Steps<ProbeResult> {
  if (!(yield* os.canLock())) return no(whyNoLocks());
  const path = inside(scratch, "lock");
  const first = yield* os.openLock(path);
  try {
    if (!(yield* os.tryLock(first))) return no("a lock that nobody holds is refused");
    const second = yield* os.openLock(path);
    try {
      return (yield* os.tryLock(second)) ? no("a second holder gets it as well") : YES;
    } finally {
      yield* os.close(second);
    }
  } finally {
    yield* os.close(first);
  }
}

/** The kind of the file system, and whether that makes it durable. */
function* findKind(os: Os, scratch: string): Steps<ProbeResult & { name: string | undefined }> {
  const type = yield* os.fsType(scratch);
  if (type === undefined) return { name: undefined, has: undefined, reason: whyNoFsType() };
  const kind = fileSystemOf(type);
  if (kind === undefined) {
    const reason = `its kind has the number 0x${
      (type >>> 0).toString(16)
    }, which is not known here`;
    return { name: undefined, has: undefined, reason };
  }
  return { name: kind.name, has: kind.durable, reason: kind.why };
}
