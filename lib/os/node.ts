/**
 * The binding for Bun and Node, on `node:fs` and plain file descriptors. The asynchronous form makes
 * at once the calls that are short whatever the disk does, and leaves the others to the thread pool.
 */

import type * as Fs from "node:fs";
import { INLINE_BYTES } from "./inline.ts";
import type { Calls, Handle, Stat } from "./port.ts";

type Callback<T> = (error: Error | null, value?: T) => void;

/** The calls of this binding, answered at once and later. */
export function nodeCalls(): { sync: Calls; async: Calls } {
  const fs = process.getBuiltinModule("node:fs");
  const windows = process.platform === "win32";
  const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } = fs.constants;
  const fd = (file: Handle): number => file as unknown as number;
  const handle = (fd: number): Handle => fd as unknown as Handle;

  const sync: Calls = {
    lstat: (path) => stat(fs.lstatSync(path), windows),
    fstat: (file) => stat(fs.fstatSync(fd(file)), windows),
    readlink: (path) => fs.readlinkSync(path),
    realpath: (path) => fs.realpathSync.native(path),
    create: (path, mode) => handle(fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL, mode)),
    open: (path) => handle(fs.openSync(path, O_RDONLY)),
    openDir: (path) => windows ? undefined : handle(fs.openSync(path, O_RDONLY)),
    read: (file, into) => fs.readSync(fd(file), into, 0, into.length, null),
    write: (file, bytes) => fs.writeSync(fd(file), bytes, 0, bytes.length, null),
    chmod: (file, _path, mode) => windows ? undefined : fs.fchmodSync(fd(file), mode),
    chown: (file, _path, uid, gid) => fs.fchownSync(fd(file), uid, gid),
    fsync: (file) => fs.fsyncSync(fd(file)),
    close: (file) => fs.closeSync(fd(file)),
    rename: (from, to) => fs.renameSync(from, to),
    link: (from, to) => fs.linkSync(from, to),
    unlink: (path) => fs.unlinkSync(path),
    mkdir: (path) => fs.mkdirSync(path),
    rmdir: (path) => fs.rmdirSync(path),
  };

  const async: Calls = {
    ...sync,
    create: (path, mode) =>
      later<number>((done) => fs.open(path, O_WRONLY | O_CREAT | O_EXCL, mode, done)).then(handle),
    read: (file, into) =>
      later((done) => fs.read(fd(file), into, 0, into.length, null, done as Callback<number>)),
    write: (file, bytes) =>
      bytes.length <= INLINE_BYTES
        ? sync.write(file, bytes)
        : later((done) => fs.write(fd(file), bytes, 0, bytes.length, null, done)),
    chmod: (file, path, mode) =>
      windows ? sync.chmod(file, path, mode) : later((done) => fs.fchmod(fd(file), mode, done)),
    chown: (file, _path, uid, gid) => later((done) => fs.fchown(fd(file), uid, gid, done)),
    fsync: (file) => later((done) => fs.fsync(fd(file), done)),
    rename: (from, to) => later((done) => fs.rename(from, to, done)),
    link: (from, to) => later((done) => fs.link(from, to, done)),
    unlink: (path) => later((done) => fs.unlink(path, done)),
    mkdir: (path) => later((done) => fs.mkdir(path, done)),
    rmdir: (path) => later((done) => fs.rmdir(path, done)),
  };

  return { sync, async };
}

/** What Node's permission model (`node --permission`) has not granted; Bun has no such model. */
export function nodeMissingFlags(dir: string): string[] {
  const permission = process.permission;
  if (permission === undefined) return [];
  return (["read", "write"] as const)
    .filter((kind) => !permission.has(`fs.${kind}`, dir))
    .map((kind) => `--allow-fs-${kind}=${dir}`);
}

function stat(found: Fs.Stats, windows: boolean): Stat {
  return {
    kind: found.isFile()
      ? "file"
      : found.isDirectory()
      ? "directory"
      : found.isSymbolicLink()
      ? "symlink"
      : "other",
    size: found.size,
    mode: windows ? 0o666 : found.mode & 0o7777,
    uid: found.uid,
    gid: found.gid,
    links: found.nlink,
  };
}

/** A callback of `node:fs` as a promise: cheaper than `node:fs/promises`, and on plain descriptors. */
function later<T>(start: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => error ? reject(error) : resolve(value as T));
  });
}
