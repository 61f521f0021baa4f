/**
 * The few calls that no runtime has, through its FFI: to exchange two names, to lock a file, to sync a
 * whole file system, to begin a sync, to share a file's blocks. All of it is optional: where FFI is not there or
 * not permitted (which is looked up, never asked for), the functions are absent. Nothing is opened before the first use.
 */

import { isNotOffered } from "../core/errors.ts";
import { osError } from "./errno.ts";
import { fileSystemOf } from "./file_systems.ts";
import type { Calls, Handle, SyncCalls } from "./port.ts";
import { isDeno } from "./runtime.ts";

/** What could be had; absent functions could not. */
export interface Native {
  /** Exchanges two names in one step. True if the system says that it did. */
  exchange?: (one: string, other: string) => boolean;
  /** flock(2) on a descriptor, not waiting. 0 or the errno. */
  tryFlock?: (fd: number, shared: boolean) => number;
  /** syncfs(2) on a descriptor. 0 or less. */
  syncFs?: (fd: number) => number;
  /** The same, in the background. */
  syncFsLater?: (fd: number) => Promise<number>;
  /** sync_file_range(2) of all of a file, with nothing waited for. 0 or the errno. */
  startWriteback?: (fd: number) => number;
  /** ioctl_ficlone(2): makes an empty file share a file's blocks. */
  clone?: (from: string, to: string) => boolean;
  /** The number of a file system's kind (statfs(2), `f_type`); nothing if it can't be told. */
  fsType?: (path: string) => number | undefined;
  /** A descriptor of a directory for `syncFs`, or less than 0; and its end. */
  openDir?: (path: string) => number;
  close?: (fd: number) => number;
  /** F_SETPIPE_SZ, fcntl(2): lets a pipe hold so many bytes. 0 or more if it does. */
  growPipe?: (fd: number, bytes: number) => number;
}

type Argument = "int" | "unsigned" | "buffer" | "long";
type Value = number | bigint | Uint8Array;
type Call = (...args: Value[]) => number;

/** Finds a function of the C library; nothing if it has none of that name. */
type Finder = (name: string, args: Argument[]) => Call | undefined;

type LaterCall = (...args: Value[]) => Promise<number>;

interface Library {
  find: Finder;
  /** Deno only: a function that runs in the background. */
  findLater?: (name: string, args: Argument[]) => LaterCall | undefined;
  /** Not Deno: the errno of the last call. */
  errno?: () => number;
}

let loaded: Native | undefined;

/** The native calls, as far as they can be had now: permission may come later. */
export function native(): Native {
  if (loaded !== undefined) return loaded;
  const library = isDeno() ? denoLibrary() : nodeLibrary();
  return library === undefined ? {} : loaded = calls(library);
}

/** The same, as far as they can be had without Node's warning that FFI is experimental. */
function unwarned(): Native {
  return isDeno() || process.versions["bun"] !== undefined ? native() : loaded ?? {};
}

/** Lets a pipe hold so many bytes, where that can be had. */
export function growPipe(fd: number, bytes: number): void {
  unwarned().growPipe?.(fd, bytes);
}

/**
 * Has the system begin to write what a file has in memory, where that can be had; it is still to be synced. If that
 * fails, what was to be written may be gone, and a sync may not know of it.
 */
export function startWriteback(fd: number): void {
  const errno = unwarned().startWriteback?.(fd) ?? 0;
  if (errno === 0) return;
  const error = Object.assign(new Error("sync_file_range failed"), { errno: -errno });
  // ESPIPE: a directory.
  if (!isNotOffered(osError(error, "fsync", []), "ESPIPE")) throw error;
}

/** The port's calls that sync a whole file system, at once. */
export function syncFileSystem(): Pick<SyncCalls, "openFs" | "syncFs" | "closeFs"> {
  return {
    openFs: (path) => native().syncFs === undefined ? undefined : openToSync(path),
    syncFs: (dir) => check(native().syncFs!(descriptor(dir))),
    closeFs: (dir) => void native().close!(descriptor(dir)),
  };
}

/** The same, synced in the background. */
export function syncFileSystemLater(): Pick<Calls, "openFs" | "syncFs" | "closeFs"> {
  return {
    ...syncFileSystem(),
    openFs: (path) => native().syncFsLater === undefined ? undefined : openToSync(path),
    syncFs: (dir) => native().syncFsLater!(descriptor(dir)).then(check),
  };
}

/**
 * Not where the kernel does not pass it on: FUSE answers without asking its program (`fuse_sync_fs`, fs/fuse/inode.c),
 * SMB without asking its server.
 */
function openToSync(path: string): Handle | undefined {
  const type = native().fsType?.(path);
  if (type !== undefined && fileSystemOf(type)?.isShared) return undefined;
  const opened = native().openDir?.(path) ?? -1;
  return opened < 0 ? undefined : opened as unknown as Handle;
}

function descriptor(dir: Handle): number {
  return dir as unknown as number;
}

function check(result: number): void {
  // The errno of a call in the background is another thread's: runtime and kernel say no more.
  if (result !== 0) throw Object.assign(new Error("syncfs failed"), { code: "EIO" });
}

const AT_FDCWD = -100;
/** RENAME_EXCHANGE (linux/fs.h) and RENAME_SWAP (macOS, renamex_np(2)) are the same number. */
const EXCHANGE = 2;
/** sys/file.h, on Linux and macOS. */
const [LOCK_SH, LOCK_EX, LOCK_NB] = [1, 2, 4] as const;
const [O_WRONLY, O_CLOEXEC] = [1, 0o2000000] as const;
/** linux/fcntl.h, and linux/fs.h. */
const [F_SETPIPE_SZ, SYNC_FILE_RANGE_WRITE] = [1031, 2] as const;
/** linux/fs.h: _IOW(0x94, 9, int). */
const FICLONE = 0x40049409n;

function calls({ find, findLater, errno }: Library): Native {
  const { os, arch } = platform();
  const flock = find("flock", ["int", "int"]);
  const linux = os === "linux";
  const open = linux ? find("open", ["buffer", "int"]) : undefined;
  return {
    exchange: linux ? linuxExchange(find, arch) : darwinExchange(find),
    tryFlock: flock && errno &&
      ((fd, shared) => flock(fd, LOCK_NB | (shared ? LOCK_SH : LOCK_EX)) === 0 ? 0 : errno()),
    syncFs: linux ? find("syncfs", ["int"]) : undefined,
    syncFsLater: linux ? findLater?.("syncfs", ["int"]) : undefined,
    openDir: open && ((path) => open(text(path), O_CLOEXEC)),
    close: find("close", ["int"]),
    fsType: linux ? linuxFsType(find) : undefined,
    growPipe: linux ? linuxGrowPipe(find) : undefined,
    startWriteback: linux && errno ? linuxStartWriteback(find, errno) : undefined,
    clone: open && linuxClone(find, (path, flags) => open(text(path), flags | O_CLOEXEC)),
  } as Native;
}

function linuxFsType(find: Finder): Native["fsType"] {
  const statfs = find("statfs", ["buffer", "buffer"]);
  // `f_type` comes first, in 8 bytes; all of it takes 120 (asm-generic/statfs.h, 64 bits).
  const answer = new BigUint64Array(32);
  const buffer = new Uint8Array(answer.buffer);
  return statfs && ((path) => {
    if (statfs(text(path), buffer) !== 0) return undefined;
    return Number(answer[0]! & 0xffffffffn);
  });
}

function linuxGrowPipe(find: Finder): Native["growPipe"] {
  const fcntl = find("fcntl", ["int", "int", "int"]);
  return fcntl && ((fd, bytes) => fcntl(fd, F_SETPIPE_SZ, bytes));
}

function linuxStartWriteback(find: Finder, errno: () => number): Native["startWriteback"] {
  const start = find("sync_file_range", ["int", "long", "long", "unsigned"]);
  return start && ((fd) => start(fd, 0n, 0n, SYNC_FILE_RANGE_WRITE) === 0 ? 0 : errno());
}

function linuxClone(find: Finder, open: (path: string, flags: number) => number): Native["clone"] {
  const ioctl = find("ioctl", ["int", "long", "int"]);
  const close = find("close", ["int"]);
  if (ioctl === undefined || close === undefined) return undefined;
  return (from, to) => {
    const source = open(from, 0);
    const copy = open(to, O_WRONLY);
    try {
      return source >= 0 && copy >= 0 && ioctl(copy, FICLONE, source) === 0;
    } finally {
      for (const fd of [source, copy]) if (fd >= 0) close(fd);
    }
  };
}

function linuxExchange(find: Finder, arch: string): Native["exchange"] {
  const rename = find("renameat2", ["int", "buffer", "int", "buffer", "unsigned"]);
  if (rename !== undefined) {
    return (one, other) => rename(AT_FDCWD, text(one), AT_FDCWD, text(other), EXCHANGE) === 0;
  }
  // musl has no renameat2, but syscall(2); its numbers stand in asm/unistd.h.
  const number = arch === "x64" ? 316n : arch === "arm64" ? 276n : undefined;
  const syscall = find("syscall", ["long", "long", "buffer", "long", "buffer", "long"]);
  if (number === undefined || syscall === undefined) return undefined;
  const at = BigInt(AT_FDCWD);
  return (one, other) => Number(syscall(number, at, text(one), at, text(other), 2n)) === 0;
}

/** Not run on macOS; after renamex_np(2). */
function darwinExchange(find: Finder): Native["exchange"] {
  const rename = find("renamex_np", ["buffer", "buffer", "unsigned"]);
  return rename && ((one, other) => rename(text(one), text(other), EXCHANGE) === 0);
}

const encoder = new TextEncoder();

function text(path: string): Uint8Array {
  return encoder.encode(path + "\0");
}

function platform(): { os: string; arch: string } {
  if (!isDeno()) return { os: process.platform, arch: process.arch };
  return { os: Deno.build.os, arch: Deno.build.arch === "x86_64" ? "x64" : "arm64" };
}

/** Where the C library may be: a grant is for one of these paths. */
export function libraryPaths(): string[] {
  return candidates().filter((name) => name.startsWith("/"));
}

/** The names it may be found by; one without a directory takes a grant for all. */
function candidates(): string[] {
  const { os, arch } = platform();
  if (os === "darwin") return ["/usr/lib/libSystem.B.dylib"];
  if (os !== "linux") return [];
  const gnu = arch === "x64" ? "x86_64-linux-gnu" : "aarch64-linux-gnu";
  const musl = arch === "x64" ? "libc.musl-x86_64.so.1" : "libc.musl-aarch64.so.1";
  const dirs = [`/lib/${gnu}`, `/usr/lib/${gnu}`, "/lib64", "/usr/lib64", "/lib", "/usr/lib"];
  return ["libc.so.6", ...dirs.map((dir) => `${dir}/libc.so.6`), musl, `/lib/${musl}`];
}

function denoLibrary(): Library | undefined {
  const types = { int: "i32", unsigned: "u32", buffer: "buffer", long: "i64" } as const;
  const declare = (args: Argument[], nonblocking: boolean): Deno.ForeignFunction => ({
    parameters: args.map((arg) => types[arg]),
    result: args[0] === "long" ? "i64" : "i32",
    nonblocking,
  });
  for (const path of candidates()) {
    const name = "ffi";
    const all = Deno.permissions.querySync({ name }).state === "granted";
    if (!all && Deno.permissions.querySync({ name, path }).state !== "granted") continue;
    const open = (symbol: string, args: Argument[], later: boolean): unknown => {
      try {
        return Deno.dlopen(path, { [symbol]: declare(args, later) }).symbols[symbol];
      } catch {
        // This library or this function is not there: another may be.
        return undefined;
      }
    };
    if (open("close", ["int"], false) === undefined) continue;
    return {
      find: (symbol, args) => open(symbol, args, false) as Call | undefined,
      findLater: (symbol, args) => open(symbol, args, true) as LaterCall | undefined,
    };
  }
  return undefined;
}

interface ForeignModule {
  dlopen(
    path: string,
    symbols: object,
  ): { symbols?: Record<string, Call>; functions?: Record<string, Call> };
  read?: { i32(pointer: unknown, offset: number): number };
  getInt32?(pointer: unknown): number;
}

/** `bun:ffi`, or `node:ffi` where Node has it; they differ in words only. */
function nodeLibrary(): Library | undefined {
  const bun = process.getBuiltinModule("bun:ffi" as "node:fs") as unknown as
    | ForeignModule
    | undefined;
  const ffi = bun ?? process.getBuiltinModule("node:ffi" as "node:fs") as unknown as typeof bun;
  if (ffi === undefined) return undefined;
  const types = { int: "i32", unsigned: "u32", buffer: bun ? "ptr" : "pointer", long: "i64" };
  for (const path of candidates()) {
    const open = (name: string, args: Argument[], pointer = false): Call | undefined => {
      const result = pointer ? types.buffer : args[0] === "long" ? "i64" : "i32";
      const list = args.map((arg) => types[arg]);
      const shape = bun ? { args: list, returns: result } : { arguments: list, return: result };
      try {
        const { symbols, functions } = ffi.dlopen(path, { [name]: shape });
        return (symbols ?? functions)?.[name];
      } catch {
        return undefined;
      }
    };
    if (open("close", ["int"]) === undefined) continue;
    const location = open("__errno_location", [], true) ?? open("__error", [], true);
    const errno = location &&
      (() => ffi.read?.i32(location(), 0) ?? ffi.getInt32?.(location()) ?? 0);
    return { find: (name, args) => open(name, args), errno };
  }
  return undefined;
}
