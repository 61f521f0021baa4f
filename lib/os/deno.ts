/**
 * The binding for Deno, on `Deno.*`: `node:fs` would double the start-up time, and writes on the main thread.
 * The asynchronous form makes calls at once if they are always short, the others in the thread pool.
 */

import { dirname, isAbsolute, sep } from "node:path";
import { OsError } from "../core/errors.ts";
import { listSync } from "./deno_read_dir.ts";
import { isSmall, whileQuick } from "./inline_calls.ts";
import { atOnceInMemory } from "./in_memory.ts";
import { native, nativeCalls, syncFsLater } from "./native.ts";
import type { Access, Calls, Entry, Handle, Stat, SyncCalls } from "./port.ts";
import { isGranted } from "./runtime.ts";
import { shared } from "./shared_syncs.ts";

export function denoCalls(): { sync: SyncCalls; async: Calls } {
  const windows = Deno.build.os === "windows";
  const file = (handle: Handle): Deno.FsFile => handle as unknown as Deno.FsFile;
  const handle = (file: Deno.FsFile): Handle => file as unknown as Handle;
  const creating = (mode: number): Deno.OpenOptions => ({ write: true, createNew: true, mode });

  // If a mode is given, Deno finally sets exactly that mode, ignoring the umask.
  const creatingWhole = (mode: number): Deno.WriteFileOptions =>
    mode === 0o666 ? { createNew: true } : { createNew: true, mode };

  const sync: SyncCalls = {
    lstat: (path) => stat(look(path), windows),
    fstat: (open) => stat(file(open).statSync(), windows),
    readlink: (path) => Deno.readLinkSync(path),
    // For a relative path, Deno needs permission to read the working directory.
    realpath: (path) => Deno.realPathSync(absolute(path)),
    readdir: listSync,
    create: (path, mode) => handle(Deno.openSync(path, creating(mode))),
    createWhole: (path, mode, bytes) => Deno.writeFileSync(path, bytes, creatingWhole(mode)),
    open: (path) => handle(Deno.openSync(path)),
    openDir: (path) => windows ? undefined : handle(Deno.openSync(path)),
    read: (open, into) => file(open).readSync(into) ?? 0,
    write: (open, bytes) => file(open).writeSync(bytes),
    chmod: (open, path, mode) => {
      if (!windows) onDescriptor(file(open), path, (fs, fd) => fs.fchmodSync(fd, mode));
    },
    chown: (open, path, uid, gid) =>
      onDescriptor(file(open), path, (fs, fd) => fs.fchownSync(fd, uid, gid)),
    utime: (open, mtime) => file(open).utimeSync(new Date(), new Date(mtime)),
    fsync: (open) => file(open).syncSync(),
    close: (open) => file(open).close(),
    rename: (from, to) => Deno.renameSync(from, to),
    link: (from, to) => Deno.linkSync(from, to),
    unlink: (path) => Deno.removeSync(path),
    symlink: (text, path) => {
      refuseUnlessAnywhere();
      Deno.symlinkSync(text, path);
    },
    copy: (from, to) => Deno.copyFileSync(from, to),
    clone: (from, to) => {
      // `Deno.copyFile` and Deno's `node:fs` fall back to copying bytes without reporting it.
      const { clone } = native();
      if (clone === undefined) return undefined;
      Deno.openSync(to, creating(0o600)).close();
      return clone(from, to);
    },
    fsType: (path) =>
      native().fsType?.(path) ??
        (mayStatFs() ? process.getBuiltinModule("node:fs").statfsSync(path).type : undefined),
    mkdir: (path, mode) => Deno.mkdirSync(path, { mode }),
    rmdir: (path) => process.getBuiltinModule("node:fs").rmdirSync(path),
    removeTree: (path) => Deno.removeSync(path, { recursive: true }),
    openLock: (path) => {
      // Created exclusively or not at all: with `create` alone, a planted link would be followed.
      const options = { read: true, write: true };
      for (;;) {
        try {
          return handle(Deno.openSync(path, { ...options, createNew: true }));
        } catch (error) {
          if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
          try {
            return handle(Deno.openSync(path, options));
          } catch (second) {
            if (!(second instanceof Deno.errors.NotFound)) throw second;
            // The file was removed meanwhile by its holder; or it is a dangling link.
            if (isLink(path)) throw error;
          }
        }
      }
    },
    // From 2.7 on.
    canLock: () => "tryLockSync" in Deno.FsFile.prototype,
    tryLock: (open, shared) => file(open).tryLockSync(!shared),
    ...nativeCalls(),
    sleep: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  };

  const rename = whileQuick(Deno.renameSync, Deno.rename);
  const unlink = whileQuick<[string], void>(Deno.removeSync, Deno.remove);

  const async: Calls = {
    ...sync,
    readdir: list,
    create: whileQuick(sync.create, (path, mode) => Deno.open(path, creating(mode)).then(handle)),
    createWhole: whileQuick(
      sync.createWhole,
      (path, mode, bytes) => Deno.writeFile(path, bytes, creatingWhole(mode)),
    ),
    read: (open, into) => file(open).read(into).then((count) => count ?? 0),
    write: (open, bytes) =>
      isSmall(bytes.length) ? sync.write(open, bytes) : file(open).write(bytes),
    fsync: atOnceInMemory(sync, shared(sync, (open) => file(open).sync())),
    rename: (from, to, bytes) => isSmall(bytes) ? rename(from, to) : Deno.rename(from, to),
    link: whileQuick(sync.link, (from, to) => Deno.link(from, to)),
    unlink: (path, bytes) => isSmall(bytes) ? unlink(path) : Deno.remove(path),
    symlink: (text, path) => {
      refuseUnlessAnywhere();
      return Deno.symlink(text, path);
    },
    copy: (from, to) => Deno.copyFile(from, to),
    mkdir: (path, mode) => Deno.mkdir(path, { mode }),
    // `Deno.remove` removes a file, too, and with scoped permissions even by a path that ends in a slash.
    rmdir: (path) => process.getBuiltinModule("node:fs").promises.rmdir(path),
    removeTree: (path) => Deno.remove(path, { recursive: true }),
    ...syncFsLater(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  };

  return { sync, async };
}

/** lstat(2). A final dot makes the system follow a link, but with scoped permissions Deno strips it. */
function look(path: string): Deno.FileInfo {
  if (!path.endsWith(`${sep}.`)) return Deno.lstatSync(path);
  const found = Deno.statSync(path.slice(0, -1));
  if (!found.isDirectory) throw new OsError("ENOTDIR", "lstat", path);
  return found;
}

/** Whether statfs(2) may be called. Only Linux has numbers of file system types. */
function mayStatFs(): boolean {
  return Deno.build.os === "linux" && isGranted({ name: "sys", kind: "statfs" });
}

/** The flags that are missing for access to a directory, or to any path. */
export function denoMissingFlags(dir: string | undefined, kinds: readonly Access[]): string[] {
  return kinds.filter((name) => !isGranted({ name, path: dir }))
    .map((name) => flag(name, dir === undefined ? [] : [grantable(dir)]));
}

/** Deno creates links only with permission to read and write anywhere, for which it would prompt. */
function refuseUnlessAnywhere(): void {
  const flags = denoMissingFlags(undefined, ["read", "write"]);
  if (flags.length > 0) throw new Deno.errors.NotCapable(`Requires ${flags.join(" ")}`);
}

/** The flag for some paths or names, or for all if none is given. */
export function flag(kind: string, of: readonly string[]): string {
  return `--allow-${[kind, ...of.length === 0 ? [] : [of.join(",")]].join("=")}`;
}

/** The path to name in a flag; of one with a comma, which separates paths (denoland/deno#32010), a parent. */
export function grantable(path: string): string {
  const [before, ...after] = path.split(",");
  return after.length === 0 ? path : dirname(`${before},`);
}

/**
 * Runs fchmod(2) or fchown(2), which `Deno.FsFile` lacks. `Deno.chmod` takes a path, where another user who
 * may write to the directory could plant a link to have any file changed. So the path is opened again, and
 * changed only if it is still the same file.
 */
function onDescriptor(
  own: Deno.FsFile,
  path: string,
  act: (fs: typeof import("node:fs"), fd: number) => void,
): void {
  const fs = process.getBuiltinModule("node:fs");
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;
  const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const [ours, theirs] = [own.statSync(), fs.fstatSync(fd)];
    if (ours.ino !== theirs.ino || ours.dev !== theirs.dev) {
      throw new OsError("ESTALE", "open", path);
    }
    act(fs, fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** An absolute path, not normalised as by `resolve`: only the system can follow .. after a link. */
function absolute(path: string): string {
  return isAbsolute(path) ? path : Deno.cwd() + sep + path;
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function list(path: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const found of Deno.readDir(path)) {
    entries.push({ name: found.name, kind: kindOf(found) });
  }
  return entries;
}

function stat(found: Deno.FileInfo, windows: boolean): Stat {
  return {
    kind: kindOf(found),
    size: found.size,
    mode: windows ? 0o666 : found.mode! & 0o7777,
    uid: found.uid ?? 0,
    gid: found.gid ?? 0,
    links: found.nlink ?? 1,
    dev: found.dev,
    ino: found.ino ?? 0,
    mtime: found.mtime?.getTime() ?? 0,
    ctime: found.ctime?.getTime() ?? 0,
    birth: found.birthtime?.getTime() ?? 0,
  };
}

function kindOf(found: Deno.FileInfo | Deno.DirEntry): Stat["kind"] {
  if (found.isFile) return "file";
  if (found.isDirectory) return "directory";
  return found.isSymlink ? "symlink" : "other";
}
