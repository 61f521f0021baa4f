/**
 * A disk in memory under the OS port: it answers as Linux does (`model_disk.test.ts` compares them, call
 * by call), and can be asked what a power cut would leave.
 */

import { type Calls, type Handle, type Os, port, type Stat } from "../../lib/os/port.ts";
import { OsError } from "../../lib/core/errors.ts";
import {
  apply,
  BLOCK,
  bytesOf,
  type Change,
  copy,
  type Image,
  Journal,
  type Moment,
  type Node,
  ROOT,
} from "./image.ts";

/** Something open. */
interface Open {
  ino: number;
  at: number;
}

/** What a path leads to: the directory and the name, and what has it. */
interface Found {
  dir: number;
  name: string;
  ino: number | undefined;
}

/** A disk with a directory, at first empty. */
export class ModelDisk {
  readonly #live: Image;
  readonly #journal: Journal;
  readonly #locks = new Map<number, Map<Open, "shared" | "exclusive">>();
  #next: number;
  #time: number;
  #changes = 0;
  /** Its calls, as a binding answers them. */
  readonly calls: Calls = this.#calls();
  /** Its calls, as operations use them. */
  readonly os: Os = port(this.calls);

  /** A disk on which this is, all of it synced. */
  constructor(image: Image = new Map([[ROOT, newNode("directory", 0o755, 0)]])) {
    this.#live = reachable(image);
    this.#journal = new Journal(this.#live);
    this.#next = Math.max(...this.#live.keys()) + 1;
    this.#time = Math.max(Date.now(), ...[...this.#live.values()].map(({ ctime }) => ctime + 1));
  }

  /** What is on it as seen by whoever reads it now. */
  get image(): Image {
    return this.#live;
  }

  /** How many changes were made on it. */
  get changes(): number {
    return this.#changes;
  }

  /** The moments at which a power cut may leave the most. */
  moments(): Moment[] {
    return this.#journal.moments();
  }

  #change(change: DistributiveOmit<Change, "time">): void {
    const timed = { ...change, time: this.#time++ } as Change;
    this.#changes++;
    this.#journal.add(timed, this.#live);
    apply(this.#live, timed);
  }

  #born(kind: Node["kind"], mode: number, text: string = ""): number {
    const ino = this.#next++;
    const node = { ...newNode(kind, mode & MODES_MASK[kind], this.#time), text };
    this.#live.set(ino, node);
    this.#journal.born(ino, node);
    return ino;
  }

  /** Follows a path; `at` tells what went wrong. */
  #find(path: string, follow: boolean, depth: number = 0): Found {
    if (depth > 40) throw fault("ELOOP", path);
    let dir = ROOT;
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    let found: Found = { dir, name: "", ino: ROOT };
    for (const [i, name] of parts.entries()) {
      if (this.#live.get(dir)!.kind !== "directory") throw fault("ENOTDIR", path);
      // No character is more than three bytes: to count them takes long.
      if (name.length > 85 && new TextEncoder().encode(name).length > 255) {
        throw fault("ENAMETOOLONG", path);
      }
      const last = i === parts.length - 1;
      const ino = name === ".."
        ? this.#live.get(dir)!.parent
        : this.#live.get(dir)!.entries.get(name);
      found = { dir, name, ino };
      const node = ino === undefined ? undefined : this.#live.get(ino)!;
      if (node?.kind === "symlink" && (!last || follow || path.endsWith("/"))) {
        const base = node.text.startsWith("/") ? "" : this.#pathOf(dir);
        found = this.#find(`${base}/${node.text}`, true, depth + 1);
      }
      if (last) break;
      if (found.ino === undefined) throw fault("ENOENT", path);
      dir = found.ino;
    }
    if (
      path.endsWith("/") && found.ino !== undefined &&
      this.#live.get(found.ino)!.kind !== "directory"
    ) {
      throw fault("ENOTDIR", path);
    }
    return found;
  }

  #pathOf(dir: number): string {
    let path = "";
    for (let ino = dir; ino !== ROOT;) {
      const { parent } = this.#live.get(ino)!;
      const [name] = [...this.#live.get(parent)!.entries].find(([, its]) => its === ino)!;
      path = `/${name}${path}`;
      ino = parent;
    }
    return path;
  }

  #there(path: string, follow: boolean = false): { ino: number; node: Node } {
    const { ino } = this.#find(path, follow);
    if (ino === undefined) throw fault("ENOENT", path);
    return { ino, node: this.#live.get(ino)! };
  }

  #free(path: string): Found {
    const found = this.#find(path, false);
    if (found.ino !== undefined) throw fault("EEXIST", path);
    if (this.#live.get(found.dir)!.links === 0) throw fault("ENOENT", path);
    return found;
  }

  #enter({ dir, name }: Found, ino: number | undefined): void {
    this.#change({ type: "entries", set: [[dir, name, ino]] });
  }

  #stat(ino: number): Stat {
    const { kind, mode, uid, gid, mtime, ctime, birth, links, ...node } = this.#live.get(ino)!;
    const size = kind === "symlink" ? new TextEncoder().encode(node.text).length : node.size;
    return { kind, size, mode, uid, gid, links, dev: DEVICE, ino, mtime, ctime, birth };
  }

  #write(open: Open, bytes: Uint8Array): number {
    const { ino } = open;
    const content = this.#live.get(ino)!;
    const end = open.at + bytes.length;
    for (let at = open.at; at < end;) {
      const index = Math.floor(at / BLOCK);
      const to = Math.min(end, (index + 1) * BLOCK);
      if (to > content.size) this.#change({ type: "size", ino, size: to });
      const block = new Uint8Array(BLOCK);
      block.set(content.blocks.get(index) ?? []);
      block.set(bytes.subarray(at - open.at, to - open.at), at % BLOCK);
      this.#change({ type: "block", ino, index, bytes: block });
      at = to;
    }
    open.at = end;
    return bytes.length;
  }

  #rename(from: string, to: string): void {
    const source = this.#find(from, false);
    const target = this.#find(to, false);
    if (source.ino === undefined) throw fault("ENOENT", from);
    const moved = this.#live.get(source.ino)!;
    if (moved.kind === "directory") this.#refuseWithin(target.dir, source.ino, to);
    if (target.ino !== undefined) {
      if (this.#isWithin(source.dir, target.ino)) throw fault("ENOTEMPTY", to);
      if (target.ino === source.ino) return;
      const there = this.#live.get(target.ino)!;
      if (there.kind === "directory" && moved.kind !== "directory") throw fault("EISDIR", to);
      if (there.kind !== "directory" && moved.kind === "directory") throw fault("ENOTDIR", to);
      if (there.entries.size > 0) throw fault("ENOTEMPTY", to);
    }
    this.#change({
      type: "entries",
      set: [[source.dir, source.name, undefined], [target.dir, target.name, source.ino]],
    });
  }

  #exchange(one: string, other: string): boolean {
    const [a, b] = [this.#find(one, false), this.#find(other, false)];
    if (a.ino === undefined || b.ino === undefined) throw fault("ENOENT", one);
    if (a.ino === b.ino) return true;
    this.#refuseWithin(b.dir, a.ino, one);
    this.#refuseWithin(a.dir, b.ino, other);
    this.#change({ type: "entries", set: [[a.dir, a.name, b.ino], [b.dir, b.name, a.ino]] });
    return true;
  }

  #refuseWithin(dir: number, moved: number, path: string): void {
    if (this.#isWithin(dir, moved)) throw fault("EINVAL", path);
  }

  #isWithin(dir: number, above: number): boolean {
    for (let ino = dir; ino !== ROOT; ino = this.#live.get(ino)!.parent) {
      if (ino === above) return true;
    }
    return false;
  }

  #removeTree(path: string): void {
    const { node } = this.#there(path);
    if (node.kind !== "directory") return this.#unlink(path);
    for (const name of [...node.entries.keys()]) this.#removeTree(`${path}/${name}`);
    this.#rmdir(path);
  }

  #unlink(path: string): void {
    const { node } = this.#there(path);
    if (node.kind === "directory") throw fault("EISDIR", path);
    this.#enter(this.#find(path, false), undefined);
  }

  #rmdir(path: string): void {
    const { node } = this.#there(path);
    if (node.kind !== "directory") throw fault("ENOTDIR", path);
    if (node.entries.size > 0) throw fault("ENOTEMPTY", path);
    this.#enter(this.#find(path, false), undefined);
  }

  /** flock(2): the lock is that of what was opened, and one of each kind replaces the other. */
  #tryLock(open: Open, shared: boolean): boolean {
    const holders = this.#locks.get(open.ino) ?? new Map();
    const others = [...holders].filter(([holder]) => holder !== open);
    if (others.some(([, kind]) => !shared || kind === "exclusive")) return false;
    this.#locks.set(open.ino, holders.set(open, shared ? "shared" : "exclusive"));
    return true;
  }

  #calls(): Calls {
    const opened = (handle: Handle): Open => handle as unknown as Open;
    const handle = (ino: number): Handle => ({ ino, at: 0 }) as unknown as Handle;
    const create = (path: string, mode: number): Handle => {
      const place = this.#free(path);
      const ino = this.#born("file", mode);
      this.#enter(place, ino);
      return handle(ino);
    };
    return {
      lstat: (path) => this.#stat(this.#there(path).ino),
      fstat: (file) => this.#stat(opened(file).ino),
      readlink: (path) => {
        const { node } = this.#there(path);
        if (node.kind !== "symlink") throw fault("EINVAL", path);
        return node.text;
      },
      realpath: (path) => {
        const { dir, name, ino } = this.#find(path, true);
        if (ino === undefined) throw fault("ENOENT", path);
        if (this.#live.get(ino)!.kind === "directory") return this.#pathOf(ino) || "/";
        return `${this.#pathOf(dir)}/${name}`;
      },
      readdir: (path) => {
        const { node } = this.#there(path, true);
        if (node.kind !== "directory") throw fault("ENOTDIR", path);
        return [...node.entries].map(([name, ino]) => ({ name, kind: this.#live.get(ino)!.kind }));
      },
      create,
      createWhole: (path, mode, bytes) => void this.#write(opened(create(path, mode)), bytes),
      open: (path) => handle(this.#there(path, true).ino),
      openDir: (path) => handle(this.#there(path, true).ino),
      read: (file, into) => {
        const open = opened(file);
        const node = this.#live.get(open.ino)!;
        if (node.kind === "directory") throw fault("EISDIR", "");
        const bytes = bytesOf(node).subarray(open.at, open.at + into.length);
        into.set(bytes);
        open.at += bytes.length;
        return bytes.length;
      },
      write: (file, bytes) => this.#write(opened(file), bytes),
      chmod: (file, _path, mode) =>
        this.#change({ type: "attributes", ino: opened(file).ino, values: { mode } }),
      chown: (file, _path, uid, gid) =>
        this.#change({ type: "attributes", ino: opened(file).ino, values: { uid, gid } }),
      utime: (file, mtime) =>
        this.#change({ type: "attributes", ino: opened(file).ino, values: { mtime } }),
      fsync: (file) => this.#journal.sync(opened(file).ino),
      close: (file) => void this.#locks.get(opened(file).ino)?.delete(opened(file)),
      rename: (from, to) => this.#rename(from, to),
      link: (from, to) => {
        const { ino, node } = this.#there(from);
        const place = this.#free(to);
        if (node.kind === "directory") throw fault("EPERM", from);
        this.#enter(place, ino);
      },
      unlink: (path) => this.#unlink(path),
      symlink: (text, path) => {
        const place = this.#free(path);
        this.#enter(place, this.#born("symlink", 0o777, text));
      },
      copy: (from, to) => {
        const { node } = this.#there(from, true);
        this.#write(opened(create(to, node.mode)), bytesOf(node));
      },
      mkdir: (path, mode) => {
        const place = this.#free(path);
        const ino = this.#born("directory", mode);
        this.#enter(place, ino);
      },
      rmdir: (path) => this.#rmdir(path),
      removeTree: (path) => this.#removeTree(path),
      openLock: (path) => {
        const { ino } = this.#find(path, false);
        if (ino === undefined) return create(path, 0o666);
        if (this.#live.get(ino)!.kind === "symlink") throw fault("ELOOP", path);
        if (this.#live.get(ino)!.kind === "directory") throw fault("EISDIR", path);
        return handle(ino);
      },
      canLock: () => true,
      tryLock: (file, shared) => this.#tryLock(opened(file), shared === true),
      canExchange: () => true,
      exchange: (one, other) => {
        try {
          return this.#exchange(one, other);
        } catch (error) {
          if (error instanceof OsError) return false;
          throw error;
        }
      },
      openFs: (path) => handle(this.#there(path, true).ino),
      syncFs: () => this.#journal.sync(),
      closeFs: () => {},
      clone: () => undefined,
      fsType: () => undefined,
      sleep: () => {},
    };
  }
}

/** Models are all on one device, of which nothing else is. */
const DEVICE = 0x6d6f64656c;

/** What umask leaves of a mode. */
const MODES_MASK = { file: 0o7755, directory: 0o7755, symlink: 0o777 };

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

function fault(code: string, path: string): OsError {
  return new OsError(code, "model", path);
}

function newNode(kind: Node["kind"], mode: number, time: number): Node {
  return {
    kind,
    mode,
    uid: 0,
    gid: 0,
    mtime: time,
    ctime: time,
    birth: time,
    size: 0,
    blocks: new Map(),
    text: "",
    entries: new Map(),
    parent: ROOT,
    links: 0,
  };
}

/** What can be got at, as whoever mounts the disk next finds it. */
function reachable(image: Image): Image {
  const found: Image = new Map();
  const left = [ROOT];
  for (const ino of left) {
    const node = image.get(ino)!;
    found.set(ino, { ...node, links: ino === ROOT ? 1 : 0 });
    if (node.kind === "directory") left.push(...node.entries.values());
  }
  const all = copy(found);
  for (const node of found.values()) {
    for (const ino of node.entries.values()) all.get(ino)!.links++;
  }
  return all;
}
