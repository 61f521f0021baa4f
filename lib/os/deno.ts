/**
 * The binding for Deno, on `Deno.*`: `node:fs` would double the start-up time, and writes on the main
 * thread. The asynchronous form makes at once the calls that are short whatever the disk does, and
 * leaves the others to the thread pool.
 */

import { OsError } from "./errno.ts";
import { INLINE_BYTES } from "./inline.ts";
import type { Calls, Handle, Stat } from "./port.ts";

/** The calls of this binding, answered at once and later. */
export function denoCalls(): { sync: Calls; async: Calls } {
  const windows = Deno.build.os === "windows";
  const file = (handle: Handle): Deno.FsFile => handle as unknown as Deno.FsFile;
  const handle = (file: Deno.FsFile): Handle => file as unknown as Handle;
  const creating = (mode: number): Deno.OpenOptions => ({
    write: true,
    createNew: true,
    mode,
  });

  const sync: Calls = {
    lstat: (path) => stat(Deno.lstatSync(path), windows),
    fstat: (open) => stat(file(open).statSync(), windows),
    readlink: (path) => Deno.readLinkSync(path),
    realpath: (path) => Deno.realPathSync(path),
    create: (path, mode) => handle(Deno.openSync(path, creating(mode))),
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
    fsync: (open) => file(open).syncSync(),
    close: (open) => file(open).close(),
    rename: (from, to) => Deno.renameSync(from, to),
    link: (from, to) => Deno.linkSync(from, to),
    unlink: (path) => Deno.removeSync(path),
    mkdir: (path) => Deno.mkdirSync(path),
    rmdir: (path) => Deno.removeSync(path),
  };

  const async: Calls = {
    ...sync,
    create: (path, mode) => Deno.open(path, creating(mode)).then(handle),
    read: (open, into) => file(open).read(into).then((count) => count ?? 0),
    write: (open, bytes) =>
      bytes.length <= INLINE_BYTES ? sync.write(open, bytes) : file(open).write(bytes),
    fsync: (open) => file(open).sync(),
    rename: (from, to) => Deno.rename(from, to),
    link: (from, to) => Deno.link(from, to),
    unlink: (path) => Deno.remove(path),
    mkdir: (path) => Deno.mkdir(path),
    rmdir: (path) => Deno.remove(path),
  };

  return { sync, async };
}

/** The flags that are missing for reading and writing in a directory; never prompts. */
export function denoMissingFlags(dir: string): string[] {
  return (["read", "write"] as const)
    .filter((name) => Deno.permissions.querySync({ name, path: dir }).state !== "granted")
    .map((name) => `--allow-${name}=${dir.replaceAll(",", ",,")}`);
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

function stat(found: Deno.FileInfo, windows: boolean): Stat {
  return {
    kind: found.isFile
      ? "file"
      : found.isDirectory
      ? "directory"
      : found.isSymlink
      ? "symlink"
      : "other",
    size: found.size,
    mode: windows ? 0o666 : found.mode! & 0o7777,
    uid: found.uid ?? 0,
    gid: found.gid ?? 0,
    links: found.nlink ?? 1,
  };
}
