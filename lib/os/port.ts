/**
 * Every system call that Untorn makes, as one interface. A binding (`deno.ts`, `node.ts`) answers it
 * twice, at once and later; {@link port} makes steps of either. Whatever a binding throws is an
 * `OsError` with its errno name, an interrupted call has been made again, and no error is dropped.
 */

import { guard } from "./errno.ts";
import { lift, type Steps } from "../steps.ts";

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
  /** Creates a file for writing; fails if anything, a link included, has that name. */
  create(path: string, mode: number): Answer<Handle>;
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
  /** Waits until data and metadata of a file or directory are on the device. */
  fsync(file: Handle): Answer<void>;
  close(file: Handle): Answer<void>;
  rename(from: string, to: string): Answer<void>;
  /** Makes a second name for a file; fails if `to` exists. */
  link(from: string, to: string): Answer<void>;
  unlink(path: string): Answer<void>;
  mkdir(path: string): Answer<void>;
  rmdir(path: string): Answer<void>;
}

/** The same calls as steps, to be run with `yield*`. */
export type Os = {
  readonly [K in keyof Calls]: (
    ...args: Parameters<Calls[K]>
  ) => Steps<Awaited<ReturnType<Calls[K]>>>;
};

/** A binding's calls as the operations use them. */
export function port(calls: Calls): Os {
  const lifted = Object.entries(calls).map((
    [name, call],
  ) => [name, lift(guard(name, call))]);
  return Object.fromEntries(lifted) as Os;
}
