/**
 * Every system call that Untorn makes, as one interface. A binding (`deno.ts`, `node.ts`) implements it
 * twice, synchronously and asynchronously; {@link port} turns either into steps. Every error of a binding is
 * thrown as an `OsError` with its errno name; an interrupted call is made again.
 */

import { lift, type Steps } from "../core/steps.ts";
import { amended } from "./errno.ts";

declare const opened: unique symbol;

/** An open file or directory of a binding. */
export type Handle = { readonly [opened]: true };

/** A kind of access that a runtime may have to permit. */
export type Access = "read" | "write";

/** The metadata of a file. */
export interface Stat {
  kind: "file" | "directory" | "symlink" | "other";
  /** In bytes. */
  size: number;
  /** The twelve permission bits; always 0o666 on Windows, which has none. */
  mode: number;
  /** Owner and group; 0 on Windows. */
  uid: number;
  gid: number;
  /** Number of names. */
  links: number;
  /** The file system, and the inode number on it. */
  dev: number;
  ino: number;
  /** When content and inode last changed, in ms since 1970, as precisely as is known. */
  mtime: number;
  ctime: number;
  /** When it was created, in whole ms since 1970; 0 if the file system doesn't record it. */
  birth: number;
}

/** Whether both are the same file. */
export function sameFile(one: Stat, other: Stat): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

/** An entry of a directory. */
export interface Entry {
  name: string;
  kind: Stat["kind"];
}

type Answer<T> = T | Promise<T>;

/** The calls of a binding. Paths are passed to the system as they are, never normalised. */
export interface Calls {
  /** Does not follow a link at the end of the path. */
  lstat(path: string): Answer<Stat>;
  fstat(file: Handle): Answer<Stat>;
  readlink(path: string): Answer<string>;
  /** Returns the canonical form of an existing path. */
  realpath(path: string): Answer<string>;
  /** Lists a directory; fails unless the listing is complete. */
  readdir(path: string): Answer<Entry[]>;
  /** Creates a file for writing; fails if the name exists, even as a link. */
  create(path: string, mode: number): Answer<Handle>;
  /** Creates a file with this content; fails if the name exists, even as a link. */
  createWhole(path: string, mode: number, bytes: Uint8Array): Answer<void>;
  /** Opens a file for reading. */
  open(path: string): Answer<Handle>;
  /** Opens a directory to sync it; returns nothing where that is impossible (Windows). */
  openDir(path: string): Answer<Handle | undefined>;
  /** Reads once; returns 0 at the end. */
  read(file: Handle, into: Uint8Array): Answer<number>;
  /** Writes once; may write only a part. */
  write(file: Handle, bytes: Uint8Array): Answer<number>;
  /** Sets the exact mode of this process's own file, open at `path` and readable by its owner. */
  chmod(file: Handle, path: string, mode: number): Answer<void>;
  /** Sets owner and group of this process's own file, open at `path` and readable by its owner. */
  chown(file: Handle, path: string, uid: number, gid: number): Answer<void>;
  /** Sets the time of modification, in ms since 1970. */
  utime(file: Handle, mtime: number): Answer<void>;
  /** Waits until data and metadata of a file or directory, open at `path`, are on the device. */
  fsync(file: Handle, path: string): Answer<void>;
  close(file: Handle): Answer<void>;
  /** `bytes`: an upper bound, if known, of the bytes to write, or to free of a file that is replaced. */
  rename(from: string, to: string, bytes?: number): Answer<void>;
  /** Gives a file a second name; fails if `to` exists. */
  link(from: string, to: string): Answer<void>;
  /** `bytes`: an upper bound, if known, of the bytes to free. */
  unlink(path: string, bytes?: number): Answer<void>;
  symlink(text: string, path: string): Answer<void>;
  /** Copies a file's content to a new file, sharing blocks if the file system can. */
  copy(from: string, to: string): Answer<void>;
  /**
   * Creates a file that shares all of another's blocks. Returns false if that is impossible, nothing if it is
   * unknown (Deno without FFI, whose copies fall back silently). On failure, the new file may exist.
   */
  clone(from: string, to: string): Answer<boolean | undefined>;
  /** Returns the type of the file system (statfs(2), `f_type`); nothing where that is unavailable. */
  fsType(path: string): Answer<number | undefined>;
  /** The umask applies to the mode. */
  mkdir(path: string, mode: number): Answer<void>;
  rmdir(path: string): Answer<void>;
  /** Removes a file, or a directory with its content. */
  removeTree(path: string): Answer<void>;
  /** Opens a file for locking; creates it if it is missing. */
  openLock(path: string): Answer<Handle>;
  /** Whether the runtime has kernel locks. */
  canLock(): Answer<boolean>;
  /**
   * Takes the kernel's lock until `file` is closed; false if it is held in a conflicting mode. Requires
   * `canLock()`.
   */
  tryLock(file: Handle, shared?: boolean): Answer<boolean>;
  /** Whether there is a call to exchange names; a file system may still not support it. */
  canExchange(): Answer<boolean>;
  /** Exchanges two directories atomically. Returns false, with nothing changed, if that is impossible. */
  exchange(one: string, other: string): Answer<boolean>;
  /** Opens a directory to sync all of its file system; returns nothing if that is impossible. */
  openFs(path: string): Answer<Handle | undefined>;
  /** Syncs that file system; also fails if a writeback has failed since it was opened. */
  syncFs(dir: Handle): Answer<void>;
  closeFs(dir: Handle): Answer<void>;
  sleep(ms: number): Answer<void>;
}

/** The calls of a synchronous binding. */
export type SyncCalls = {
  readonly [K in keyof Calls]: (...args: Parameters<Calls[K]>) => Awaited<ReturnType<Calls[K]>>;
};

/** The calls as steps, to be run with `yield*`. */
export type Os = {
  readonly [K in keyof Calls]: (
    ...args: Parameters<Calls[K]>
  ) => Steps<Awaited<ReturnType<Calls[K]>>>;
};

export function port(calls: Calls): Os {
  const lifted = Object.entries(calls).map(([name, call]) => [name, lift(call, amended(name))]);
  return Object.fromEntries(lifted) as Os;
}
