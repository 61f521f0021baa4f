/**
 * What is on a model's disk, what was changed since it was synced, and what a power cut may make of it.
 *
 * A change that was not synced may be lost, or be on the disk before others that were made earlier:
 *
 * - a file's blocks one by one, and its size, so that it is empty, cut off, or full of zeros;
 * - modes, owners and times;
 * - entries of directories, one by one, but for those of the same name, and for renames in the same
 *   directory, unless both move something out of it, which stay in their order; and what is moved from one
 *   directory to another is never lost from both. The journals of ext4, xfs, btrfs and f2fs keep more than
 *   that: all of it in the order in which it was changed, but for what a sync of another file puts before.
 *
 * A file's sync does not keep its name, nor does a directory's sync keep what is in its directories.
 */

/** Bytes of a block, which is written whole or not at all: a disk's sector. */
export const BLOCK = 512;

/** What an inode number stands for. */
export interface Node {
  kind: "file" | "directory" | "symlink";
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  ctime: number;
  birth: number;
  size: number;
  /** A file's content; what is missing was never written. */
  blocks: Map<number, Uint8Array>;
  /** Where a link leads. */
  text: string;
  /** What is in a directory. */
  entries: Map<string, number>;
  /** Of a directory, the one it is in. */
  parent: number;
  links: number;
}

/** All nodes by inode number. */
export type Image = Map<number, Node>;

/** The inode number of the directory that all else is in. */
export const ROOT = 2;

/** What can be lost by itself. */
export type Change =
  & { time: number }
  & (
    | { type: "entries"; set: [dir: number, name: string, ino: number | undefined][] }
    | { type: "size"; ino: number; size: number }
    | { type: "block"; ino: number; index: number; bytes: Uint8Array }
    | {
      type: "attributes";
      ino: number;
      values: Partial<Pick<Node, "mode" | "uid" | "gid" | "mtime">>;
    }
  );

/** Makes a change. */
export function apply(image: Image, change: Change): void {
  const { time } = change;
  if (change.type === "entries") {
    for (const [dir, name] of change.set) {
      const old = image.get(dir)!.entries.get(name);
      if (old !== undefined) image.get(old)!.links--;
    }
    for (const [dir, name, ino] of change.set) {
      const node = image.get(dir)!;
      node.mtime = node.ctime = time;
      if (ino === undefined) node.entries.delete(name);
      else {
        node.entries.set(name, ino);
        Object.assign(image.get(ino)!, { ctime: time, parent: dir });
        image.get(ino)!.links++;
      }
    }
    return;
  }
  const node = image.get(change.ino)!;
  node.ctime = time;
  if (change.type === "size") Object.assign(node, { size: change.size, mtime: time });
  else if (change.type === "block") node.blocks.set(change.index, change.bytes);
  else Object.assign(node, change.values);
}

/** A copy that shares nothing that can be changed. */
export function copy(image: Image): Image {
  const copied: Image = new Map();
  for (const [ino, node] of image) {
    copied.set(ino, { ...node, blocks: new Map(node.blocks), entries: new Map(node.entries) });
  }
  return copied;
}

/** A file's bytes. */
export function bytesOf({ size, blocks }: Node): Uint8Array {
  const bytes = new Uint8Array(size);
  for (const [index, block] of blocks) {
    if (index * BLOCK < size) bytes.set(block.subarray(0, size - index * BLOCK), index * BLOCK);
  }
  return bytes;
}

/** The paths of an image, with their nodes. */
export function* walk(
  image: Image,
  dir: number = ROOT,
  path: string = "",
): Generator<[path: string, ino: number, node: Node]> {
  for (const [name, ino] of image.get(dir)!.entries) {
    const node = image.get(ino)!;
    yield [`${path}/${name}`, ino, node];
    if (node.kind === "directory") yield* walk(image, ino, `${path}/${name}`);
  }
}

/** A change that is not on the disk for certain. */
interface Pending {
  readonly change: Change;
  /** The earlier ones without which it can't be there, as far as they are pending. */
  readonly needs: readonly Pending[];
  /** Of a removal, the renames before it, in all directories. */
  readonly follows: readonly Pending[];
}

/** What is on the disk at a moment, and what may be. */
export interface Moment {
  image: Image;
  pending: readonly Pending[];
}

/** What has been changed, and what of it is on the disk. */
export class Journal {
  /** What is on the disk for certain. */
  readonly #image: Image;
  #pending: Pending[] = [];
  /** The moments at which the most may be lost: just before each sync that had something to do. */
  readonly #before: Moment[] = [];

  constructor(image: Image) {
    this.#image = copy(image);
  }

  /** A new node; nothing leads to it yet. */
  born(ino: number, node: Node): void {
    this.#image.set(ino, { ...node, blocks: new Map(), entries: new Map() });
  }

  /** Notes a change, before it is made in `live`. */
  add(change: Change, live: Image): void {
    const needed = this.#pending.filter((one) => needs(change, one.change, live));
    const follows = isRemoval(change) ? this.#pending.filter((one) => isRename(one.change)) : [];
    this.#pending.push({ change, needs: needed, follows });
  }

  /** Puts on the disk what was changed of an inode, or all. */
  sync(ino?: number): void {
    const done = new Set<Pending>();
    const take = (one: Pending): void => {
      done.add(one);
      one.needs.forEach(take);
    };
    for (const one of this.#pending) if (ino === undefined || isOf(one.change, ino)) take(one);
    if (done.size === 0) return;
    this.#before.push(this.#now());
    for (const one of this.#pending) if (done.has(one)) apply(this.#image, one.change);
    this.#pending = this.#pending.filter((one) => !done.has(one));
  }

  /**
   * The moments between which nothing new can be left by a power cut, the last of them now: whatever may
   * be left at another may be left at the next of these.
   */
  moments(): Moment[] {
    return [...this.#before, this.#now()];
  }

  #now(): Moment {
    return { image: copy(this.#image), pending: this.#pending };
  }
}

function isRename(change: Change): boolean {
  return change.type === "entries" && change.set.length > 1;
}

function isRemoval(change: Change): boolean {
  return change.type === "entries" && change.set.every(([, , ino]) => ino === undefined);
}

function isOf(change: Change, ino: number): boolean {
  return change.type === "entries" ? change.set.some(([dir]) => dir === ino) : change.ino === ino;
}

/** Whether a change can't be on the disk without an earlier one. */
function needs(change: Change, earlier: Change, live: Image): boolean {
  if (change.type !== "entries") {
    if (earlier.type === "entries" || change.ino !== earlier.ino) return false;
    // A block within a size that is not there yet is not there either.
    return change.type === "block" ? earlier.type === "size" : change.type === earlier.type;
  }
  if (earlier.type !== "entries") return false;
  const { set } = change;
  const isSame = earlier.set.some(([dir, name]) =>
    set.some(([its, of]) => its === dir && of === name)
  );
  if (isSame) return true;
  if (!isRename(change)) return false;
  const dirs = new Set(set.map(([dir]) => dir));
  const enters = (its: Change & { type: "entries" }, dir: number): boolean =>
    its.set.some(([of, , ino]) => of === dir && ino !== undefined);
  if (isRename(earlier)) {
    const shared = earlier.set.map(([dir]) => dir).filter((dir) => dirs.has(dir));
    return shared.some((dir) => enters(earlier, dir) || enters(change, dir));
  }
  // Where it moves to is there: the directories that are made to have it in them.
  const above = new Set<number>();
  if (dirs.size > 1) {
    for (let [dir, , ino] of set) {
      for (; ino !== undefined && dir !== ROOT; dir = live.get(dir)!.parent) above.add(dir);
    }
  }
  return earlier.set.length === 1 && above.has(earlier.set[0]![2] ?? ROOT);
}

/**
 * All that a power cut at a moment may leave. `ordered`: where nothing that is removed goes before what was
 * renamed earlier, in another directory.
 */
export function* everyCut({ image, pending }: Moment, ordered: boolean = false): Generator<Image> {
  const open: { from: number; left: Image; lost: readonly Pending[] }[] = [];
  open.push({ from: 0, left: image, lost: [] });
  for (let choice; (choice = open.pop()) !== undefined;) {
    const { left, lost } = choice;
    const one = pending[choice.from];
    if (one === undefined) {
      yield left;
      continue;
    }
    const from = choice.from + 1;
    open.push({ from, left, lost: [...lost, one] });
    if (isPossible(one, lost, ordered) && isSeen(left, one.change)) {
      open.push({ from, left: changed(left, one.change), lost });
    }
  }
}

/** One of them, by a source of numbers from 0 to 1. */
export function someCut(
  { image, pending }: Moment,
  random: () => number,
  ordered: boolean = false,
): Image {
  const lost: Pending[] = [];
  const share = random();
  const left = copy(image);
  for (const one of pending) {
    if (random() < share && isPossible(one, lost, ordered)) apply(left, one.change);
    else lost.push(one);
  }
  return left;
}

function isPossible(one: Pending, lost: readonly Pending[], ordered: boolean): boolean {
  return !one.needs.some((need) => lost.includes(need)) &&
    !(ordered && one.follows.some((before) => lost.includes(before)));
}

/** Whether a change makes a difference: what can't be got at, since its own place was lost, makes none. */
function isSeen(image: Image, change: Change): boolean {
  const inos = change.type === "entries" ? change.set.map(([dir]) => dir) : [change.ino];
  return inos.some((ino) => isLinked(image, ino));
}

function isLinked(image: Image, ino: number): boolean {
  if (ino === ROOT) return true;
  const { links, parent } = image.get(ino)!;
  return links > 1 || links === 1 && isLinked(image, parent);
}

/** An image with a change, which shares the nodes that are the same. */
function changed(image: Image, change: Change): Image {
  const copied = new Map(image);
  const inos = change.type === "entries"
    ? change.set.flatMap(([dir, name, ino]) => [dir, ino, image.get(dir)!.entries.get(name)])
    : [change.ino];
  for (const ino of inos) {
    const node = ino === undefined ? undefined : image.get(ino);
    if (node === undefined) continue;
    copied.set(ino!, { ...node, blocks: new Map(node.blocks), entries: new Map(node.entries) });
  }
  apply(copied, change);
  return copied;
}
