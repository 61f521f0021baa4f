/**
 * Every system call that Untorn makes, as one interface. A binding (`deno.ts`, `node.ts`) answers it
 * twice, at once and later; {@link port} makes steps of either. Whatever a binding throws is an
 * `OsError` with its errno name, an interrupted call has been made again, and no error is dropped.
 */

import { amended } from "./errno.ts";
import { lift, type Steps } from "../core/steps.ts";

declare const opened: unique symbol;

/** An open file or directory of a binding. */
export type Handle = { readonly [opened]: true };

/** What a file is, as far as Untorn asks. */
export interface Stat {
  kind: "file" | "directory" | "symlink" | "other";
  /** In bytes. */
  size: number;
  /** The twelve permission bits. On Windows, which has none of them, always 0o666. */
  mode: number;
  /** Owner and group; 0 on Windows. */
  uid: number;
  gid: number;
  /** How many names it has. */
  links: number;
  /** Which file system it is on, and which file it is there. */
  dev: number;
  ino: number;
  /** When its content and its inode were changed last, in ms since 1970, as exactly as is known. */
  mtime: number;
  ctime: number;
  /** When it was made, in whole ms since 1970; 0 where the file system does not know. */
  birth: number;
}

/** Whether two looks were at the same file. */
export function sameFile(one: Stat, other: Stat): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

/** An entry of a directory. */
export interface Entry {
  name: string;
  kind: Stat["kind"];
}

type Answer<T> = T | Promise<T>;

/** The calls of a binding. Paths are handed to the system as they are, never normalised. */
export interface Calls {
  /** Looks at a path without following a link at its end. */
  lstat(path: string): Answer<Stat>;
  /** Looks at an open file. */
  fstat(file: Handle): Answer<Stat>;
  /** Reads a symbolic link. */
  readlink(path: string): Answer<string>;
  /** The canonical form of a path that exists. */
  realpath(path: string): Answer<string>;
  /** The entries of a directory, all of them; a listing that breaks off fails. */
  readdir(path: string): Answer<Entry[]>;
  /** Creates a file for writing; fails if anything, a link included, has that name. */
  create(path: string, mode: number): Answer<Handle>;
  /** Creates a file with this content; fails if anything, a link included, has that name. */
  createWhole(path: string, mode: number, bytes: Uint8Array): Answer<void>;
  /** Opens a file for reading. */
  open(path: string): Answer<Handle>;
  /** Opens a directory to sync it; nothing where a system has no such thing (Windows). */
  openDir(path: string): Answer<Handle | undefined>;
  /** Reads once; 0 is the end. */
  read(file: Handle, into: Uint8Array): Answer<number>;
  /** Writes once; may write less than it was given. */
  write(file: Handle, bytes: Uint8Array): Answer<number>;
  /** Sets the mode of an own open file, whose owner may read it, under `path`, exactly. */
  chmod(file: Handle, path: string, mode: number): Answer<void>;
  /** Sets owner and group of an own open file, whose owner may read it, under `path`. */
  chown(file: Handle, path: string, uid: number, gid: number): Answer<void>;
  /** Sets the time of modification of what is open, in ms since 1970. */
  utime(file: Handle, mtime: number): Answer<void>;
  /** Waits until data and metadata of a file or directory, opened at that path, are on the device. */
  fsync(file: Handle, path: string): Answer<void>;
  close(file: Handle): Answer<void>;
  /**
   * Gives a file or directory another name. `bytes`: how many may have to be written, or be freed of what
   * had that name, where that is known.
   */
  rename(from: string, to: string, bytes?: number): Answer<void>;
  /** Makes a second name for a file; fails if `to` exists. */
  link(from: string, to: string): Answer<void>;
  /** Removes a name. `bytes`: how many may have to be freed, where that is known. */
  unlink(path: string, bytes?: number): Answer<void>;
  symlink(text: string, path: string): Answer<void>;
  /** Copies a file's content to a new file, sharing it where the file system can. */
  copy(from: string, to: string): Answer<void>;
  /**
   * Makes a new file that shares all of a file's blocks; false where that can't be had, nothing where it
   * can't be told (Deno without FFI, whose copies fall back silently). Whether it fails or is refused,
   * the new file may be there.
   */
  clone(from: string, to: string): Answer<boolean | undefined>;
  /** The number of the file system's kind (statfs(2), `f_type`); nothing where it may not be known. */
  fsType(path: string): Answer<number | undefined>;
  /** Makes a directory; the umask takes from its mode. */
  mkdir(path: string, mode: number): Answer<void>;
  rmdir(path: string): Answer<void>;
  /** Removes a file or a directory with all that is in it. */
  removeTree(path: string): Answer<void>;
  /** Opens a file for locking, creating it if it is missing. */
  openLock(path: string): Answer<Handle>;
  /** Whether the runtime has kernel locks. */
  canLock(): Answer<boolean>;
  /**
   * Takes the kernel's lock on an open file or directory, until it is closed; false if another holds
   * it. Those who share it keep out only who does not. Only where `canLock()`.
   */
  tryLock(file: Handle, shared?: boolean): Answer<boolean>;
  /** Whether names can be exchanged at all; not yet whether a file system does it. */
  canExchange(): Answer<boolean>;
  /** Swaps two directories in one step; false where that can't be had, and nothing has changed. */
  exchange(one: string, other: string): Answer<boolean>;
  /** Opens a directory to sync all of its file system later; nothing where that can't be had. */
  openFs(path: string): Answer<Handle | undefined>;
  /** Syncs that file system; fails as well if writing back has failed since it was opened. */
  syncFs(dir: Handle): Answer<void>;
  closeFs(dir: Handle): Answer<void>;
  /** Waits so many milliseconds. */
  sleep(ms: number): Answer<void>;
}

/** The calls of a binding that answers at once. */
export type SyncCalls = {
  readonly [K in keyof Calls]: (...args: Parameters<Calls[K]>) => Awaited<ReturnType<Calls[K]>>;
};

/** The same calls as steps, to be run with `yield*`. */
export type Os = {
  readonly [K in keyof Calls]: (
    ...args: Parameters<Calls[K]>
  ) => Steps<Awaited<ReturnType<Calls[K]>>>;
};

/** A binding's calls as the operations use them. */
export function port(calls: Calls): Os {
  const lifted = Object.entries(calls).map(([name, call]) => [name, lift(call, amended(name))]);
  return Object.fromEntries(lifted) as Os;
}
