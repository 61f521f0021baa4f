/**
 * The binding for Deno, on `Deno.*`: `node:fs` would double the start-up time, and writes on the main
 * thread. The asynchronous form makes at once the calls that are short whatever the disk does, and
 * leaves the others to the thread pool.
 */

import { dirname, isAbsolute, sep } from "node:path";
import { OsError } from "../core/errors.ts";
import { listSync } from "./deno_read_dir.ts";
import { isSmall, whileQuick } from "./inline_calls.ts";
import { atOnceInMemory } from "./in_memory.ts";
import { native, syncFileSystem, syncFileSystemLater } from "./native.ts";
import type { Calls, Entry, Handle, Stat, SyncCalls } from "./port.ts";
import { shared } from "./shared_syncs.ts";

/** The calls of this binding, answered at once and later. */
export function denoCalls(): { sync: SyncCalls; async: Calls } {
  const windows = Deno.build.os === "windows";
  const file = (handle: Handle): Deno.FsFile => handle as unknown as Deno.FsFile;
  const handle = (file: Deno.FsFile): Handle => file as unknown as Handle;
  const creating = (mode: number): Deno.OpenOptions => ({
    write: true,
    createNew: true,
    mode,
  });

  // A mode that is given here is set in the end, whatever the umask is.
  const creatingWhole = (mode: number): Deno.WriteFileOptions =>
    mode === 0o666 ? { createNew: true } : { createNew: true, mode };

  const sync: SyncCalls = {
    lstat: (path) => stat(look(path), windows),
    fstat: (open) => stat(file(open).statSync(), windows),
    readlink: (path) => Deno.readLinkSync(path),
    // For a relative one, Deno asks for permission to read the working directory.
    realpath: (path) => Deno.realPathSync(absolute(path)),
    readdir: (path) => listSync(path),
    create: (path, mode) => handle(Deno.openSync(path, creating(mode))),
    createWhole: (path, mode, bytes) => Deno.writeFileSync(path, bytes, creatingWhole(mode)),
    open: (path) => handle(Deno.openSync(path)),
    openDir: (path) => windows ? undefined : handle(Deno.openSync(path)),
    read: (open, into) => file(open).readSync(into) ?? 0,
    write: (open, bytes) => file(open).writeSync(bytes),
    chmod: (open, path, mode) => {
      if (!windows) {
        onDescriptor(file(open), path, (fs, fd) => fs.fchmodSync(fd, mode));
      }
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
      // `Deno.copyFile` and its `node:fs` copy the bytes where blocks can't be shared, and don't tell.
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
      // Created exclusively or not at all: `create` alone would follow a link that somebody put there.
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
            // Its holder has removed it meanwhile; or it is a link that leads nowhere.
            if (isLink(path)) throw error;
          }
        }
      }
    },
    // From 2.7 on.
    canLock: () => "tryLockSync" in Deno.FsFile.prototype,
    tryLock: (open, shared) => file(open).tryLockSync(!shared),
    canExchange: () => native().exchange !== undefined,
    exchange: (one, other) => native().exchange?.(one, other) ?? false,
    ...syncFileSystem(),
    sleep: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  };

  const rename = whileQuick(Deno.renameSync, Deno.rename);
  const unlink = whileQuick<[string], void>(Deno.removeSync, Deno.remove);

  const async: Calls = {
    ...sync,
    readdir: (path) => list(path),
    create: whileQuick(
      sync.create,
      (path, mode) => Deno.open(path, creating(mode)).then(handle),
    ),
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
    // `Deno.remove` takes a file as well, also by a path with a slash where permissions are scoped.
    rmdir: (path) => process.getBuiltinModule("node:fs").promises.rmdir(path),
    removeTree: (path) => Deno.remove(path, { recursive: true }),
    ...syncFileSystemLater(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  };

  return { sync, async };
}

/** Where permissions are scoped, Deno takes the dot off a path, which says that a link is followed. */
function look(path: string): Deno.FileInfo {
  if (!path.endsWith(`${sep}.`)) return Deno.lstatSync(path);
  const found = Deno.statSync(path.slice(0, -1));
  if (!found.isDirectory) throw new OsError("ENOTDIR", "lstat", path);
  return found;
}

/** Whether the kind of a file system may be known; never prompts. Only Linux has such numbers. */
function mayStatFs(): boolean {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "statfs" });
  return Deno.build.os === "linux" && state === "granted";
}

/** The flags that are missing for reading and writing in a directory; never prompts. */
export function denoMissingFlags(
  dir: string | undefined,
  kinds: readonly ("read" | "write")[],
): string[] {
  return kinds
    .filter((name) => Deno.permissions.querySync({ name, path: dir }).state !== "granted")
    .map((name) => flag(name, dir === undefined ? [] : [grantable(dir)]));
}

/** A link is made only for those who may read and write anywhere; Deno would ask the user about that. */
function refuseUnlessAnywhere(): void {
  const flags = denoMissingFlags(undefined, ["read", "write"]);
  if (flags.length > 0) throw new Deno.errors.NotCapable(`Requires ${flags.join(" ")}`);
}

/** The flag for some paths or names, or for all there are. */
export function flag(kind: string, of: readonly string[]): string {
  return `--allow-${[kind, ...of.length === 0 ? [] : [of.join(",")]].join("=")}`;
}

/**
 * What a flag can name: a comma separates paths there, whatever is before it (denoland/deno#32010), so
 * that it must be a directory above.
 */
export function grantable(path: string): string {
  const [before, ...after] = path.split(",");
  return after.length === 0 ? path : dirname(`${before},`);
}

/**
 * `Deno.FsFile` can set neither mode nor owner, and `Deno.chmod` takes a path: whoever may write in
 * the directory could put a link there meanwhile, and have the mode or owner of any file changed. So
 * the path is opened again, and only what proves to be the very same file is touched.
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

/** Not by `resolve`: what .. means after a link, only the system can tell. */
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
