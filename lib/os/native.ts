/**
 * Calls that no runtime offers, made through its FFI: exchanging two names, locking a file, syncing a whole
 * file system, starting a writeback, sharing blocks. All are optional: without FFI, or without permission for
 * it (which is queried, never requested), they are absent. The C library is opened on first use.
 */

import { isNotOffered } from "../core/errors.ts";
import { osError } from "./errno.ts";
import { fileSystemOf } from "./file_systems.ts";
import type { Calls, Handle, SyncCalls } from "./port.ts";
import { isDeno, isGranted } from "./runtime.ts";

/** The calls; those that are unavailable are absent. */
export interface Native {
  /** Exchanges two names atomically. Returns whether the system reported success. */
  exchange?: (one: string, other: string) => boolean;
  /** flock(2) on a descriptor, with LOCK_NB. Returns 0 or the errno. */
  tryFlock?: (fd: number, shared: boolean) => number;
  /** syncfs(2) on a descriptor. Returns 0 or less. */
  syncFs?: (fd: number) => number;
  /** {@link syncFs} in the background. */
  syncFsLater?: (fd: number) => Promise<number>;
  /** sync_file_range(2) with SYNC_FILE_RANGE_WRITE on a whole file. Returns 0 or the errno. */
  startWriteback?: (fd: number) => number;
  /** ioctl_ficlone(2): makes an empty file share another's blocks. */
  clone?: (from: string, to: string) => boolean;
  /** The type of a file system (statfs(2), `f_type`); nothing if the call fails. */
  fsType?: (path: string) => number | undefined;
  /** open(2) on a directory. Returns a descriptor, or less than 0. */
  openDir?: (path: string) => number;
  /** close(2); present whenever there is FFI. */
  close?: (fd: number) => number;
  /** fcntl(2), F_SETPIPE_SZ: sets a pipe's capacity in bytes. Returns less than 0 on failure. */
  growPipe?: (fd: number, bytes: number) => number;
}

type Argument = "int" | "unsigned" | "buffer" | "long";
type Arguments = (number | bigint | Uint8Array)[];
type Call = (...args: Arguments) => number;
type LaterCall = (...args: Arguments) => Promise<number>;

interface Library {
  /** Finds a function of the C library. */
  find: (name: string, args: Argument[]) => Call | undefined;
  /** Deno only: finds a function, to be run in the background. */
  findLater?: (name: string, args: Argument[]) => LaterCall | undefined;
  /** Bun and Node only: the errno of the last call. */
  errno?: (() => number) | undefined;
}

let loaded: Native | undefined;

/** The native calls, as far as they are available now: permission may be granted later. */
export function native(): Native {
  if (loaded !== undefined) return loaded;
  const libraryAt = isDeno() ? denoLibrary : nodeLoader();
  for (const path of libraryAt === undefined ? [] : libraryNames()) {
    const library = libraryAt!(path);
    const close = library?.find("close", ["int"]);
    if (close !== undefined) return loaded = { ...calls(library!, close), close };
  }
  return {};
}

/** The native calls, unless loading them would print Node's warning that FFI is experimental. */
function unwarned(): Native {
  return isDeno() || process.versions["bun"] !== undefined ? native() : loaded ?? {};
}

/** Sets a pipe's capacity in bytes, if possible. */
export function growPipe(fd: number, bytes: number): void {
  unwarned().growPipe?.(fd, bytes);
}

/**
 * Starts writing a file's dirty pages, if possible; the file must still be synced. Throws if this fails, as
 * the data may be lost then without a later sync reporting it.
 */
export function startWriteback(fd: number): void {
  const errno = unwarned().startWriteback?.(fd) ?? 0;
  if (errno === 0) return;
  const error = Object.assign(new Error("sync_file_range failed"), { errno: -errno });
  // ESPIPE: a directory.
  if (!isNotOffered(osError(error, "fsync", []), "ESPIPE")) throw error;
}

/** The port's calls that are native on every runtime. */
export function nativeCalls(): Pick<
  SyncCalls,
  "canExchange" | "exchange" | "openFs" | "syncFs" | "closeFs"
> {
  return {
    canExchange: () => native().exchange !== undefined,
    exchange: (one, other) => native().exchange?.(one, other) ?? false,
    openFs: (path) => native().syncFs === undefined ? undefined : openToSync(path),
    syncFs: (dir) => check(native().syncFs!(descriptor(dir))),
    closeFs: (dir) => void native().close!(descriptor(dir)),
  };
}

/** The calls that sync a file system in the background. */
export function syncFsLater(): Pick<Calls, "openFs" | "syncFs"> {
  return {
    openFs: (path) => native().syncFsLater === undefined ? undefined : openToSync(path),
    syncFs: (dir) => native().syncFsLater!(descriptor(dir)).then(check),
  };
}

/**
 * Nothing if the kernel passes no sync on: FUSE to its program (`fuse_sync_fs`, fs/fuse/inode.c), SMB to its
 * server.
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
  // After a call in the background, the errno is another thread's: only the failure itself is known.
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

function calls({ find, findLater, errno }: Library, close: Call): Native {
  const flock = find("flock", ["int", "int"]);
  const tryFlock: Native["tryFlock"] = flock && errno &&
    ((fd, shared) => flock(fd, LOCK_NB | (shared ? LOCK_SH : LOCK_EX)) === 0 ? 0 : errno());
  if (platform().os !== "linux") return { tryFlock, exchange: darwinExchange(find) };

  const open = find("open", ["buffer", "int"]);
  const ioctl = find("ioctl", ["int", "long", "int"]);
  const fcntl = find("fcntl", ["int", "int", "int"]);
  const start = find("sync_file_range", ["int", "long", "long", "unsigned"]);
  const clone = (from: string, to: string): boolean => {
    const source = open!(text(from), O_CLOEXEC);
    const copy = open!(text(to), O_WRONLY | O_CLOEXEC);
    try {
      return source >= 0 && copy >= 0 && ioctl!(copy, FICLONE, source) === 0;
    } finally {
      for (const fd of [source, copy]) if (fd >= 0) close(fd);
    }
  };
  return {
    tryFlock,
    exchange: linuxExchange(find),
    syncFs: find("syncfs", ["int"]),
    syncFsLater: findLater?.("syncfs", ["int"]),
    startWriteback: start && errno &&
      ((fd) => start(fd, 0n, 0n, SYNC_FILE_RANGE_WRITE) === 0 ? 0 : errno()),
    clone: open && ioctl && clone,
    fsType: linuxFsType(find),
    openDir: open && ((path) => open(text(path), O_CLOEXEC)),
    growPipe: fcntl && ((fd, bytes) => fcntl(fd, F_SETPIPE_SZ, bytes)),
  };
}

function linuxFsType(find: Library["find"]): Native["fsType"] {
  const statfs = find("statfs", ["buffer", "buffer"]);
  // `f_type` comes first and takes 8 bytes; the whole struct takes 120 (asm-generic/statfs.h, 64 bits).
  const answer = new BigUint64Array(32);
  const buffer = new Uint8Array(answer.buffer);
  return statfs &&
    ((path) => statfs(text(path), buffer) === 0 ? Number(answer[0]! & 0xffffffffn) : undefined);
}

function linuxExchange(find: Library["find"]): Native["exchange"] {
  const rename = find("renameat2", ["int", "buffer", "int", "buffer", "unsigned"]);
  if (rename !== undefined) {
    return (one, other) => rename(AT_FDCWD, text(one), AT_FDCWD, text(other), EXCHANGE) === 0;
  }
  // musl has no renameat2, but syscall(2); the numbers are those in asm/unistd.h.
  const { arch } = platform();
  const number = arch === "x64" ? 316n : arch === "arm64" ? 276n : undefined;
  const syscall = find("syscall", ["long", "long", "buffer", "long", "buffer", "long"]);
  if (number === undefined || syscall === undefined) return undefined;
  const at = BigInt(AT_FDCWD);
  return (one, other) => Number(syscall(number, at, text(one), at, text(other), 2n)) === 0;
}

/** Follows renamex_np(2); not tested on macOS. */
function darwinExchange(find: Library["find"]): Native["exchange"] {
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

/** The names to open the C library by. Permission may be granted for one that is a path, or for all. */
export function libraryNames(): string[] {
  const { os, arch } = platform();
  if (os === "darwin") return ["/usr/lib/libSystem.B.dylib"];
  if (os !== "linux") return [];
  const gnu = arch === "x64" ? "x86_64-linux-gnu" : "aarch64-linux-gnu";
  const musl = arch === "x64" ? "libc.musl-x86_64.so.1" : "libc.musl-aarch64.so.1";
  const dirs = [`/lib/${gnu}`, `/usr/lib/${gnu}`, "/lib64", "/usr/lib64", "/lib", "/usr/lib"];
  return ["libc.so.6", ...dirs.map((dir) => `${dir}/libc.so.6`), musl, `/lib/${musl}`];
}

function denoLibrary(path: string): Library | undefined {
  if (!isGranted({ name: "ffi" }) && !isGranted({ name: "ffi", path })) return undefined;
  const types = { int: "i32", unsigned: "u32", buffer: "buffer", long: "i64" } as const;
  const open = (symbol: string, args: Argument[], nonblocking: boolean): unknown => {
    const parameters = args.map((arg) => types[arg]);
    const result = args[0] === "long" ? "i64" : "i32";
    try {
      const symbols = { [symbol]: { parameters, result, nonblocking } } as const;
      return Deno.dlopen(path, symbols).symbols[symbol];
    } catch {
      // This library or this function is missing; another library may have it.
      return undefined;
    }
  };
  return {
    find: (symbol, args) => open(symbol, args, false) as Call | undefined,
    findLater: (symbol, args) => open(symbol, args, true) as LaterCall | undefined,
  };
}

/** `bun:ffi` or `node:ffi`, which differ in names only. */
interface ForeignModule {
  dlopen(path: string, symbols: object): { [of in "symbols" | "functions"]?: Record<string, Call> };
  read?: { i32(pointer: unknown, offset: number): number };
  getInt32?(pointer: unknown): number;
}

function nodeLoader(): ((path: string) => Library) | undefined {
  const load = (name: string): ForeignModule | undefined =>
    process.getBuiltinModule(name as "node:fs") as unknown as ForeignModule | undefined;
  const bun = load("bun:ffi");
  const ffi = bun ?? load("node:ffi");
  if (ffi === undefined) return undefined;
  const types = { int: "i32", unsigned: "u32", buffer: bun ? "ptr" : "pointer", long: "i64" };
  return (path) => {
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
    const location = open("__errno_location", [], true) ?? open("__error", [], true);
    const errno = location &&
      (() => ffi.read?.i32(location(), 0) ?? ffi.getInt32?.(location()) ?? 0);
    return { find: (name, args) => open(name, args), errno };
  };
}
