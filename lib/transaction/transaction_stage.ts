/**
 * The protocol of a transaction below a root R, under the lock of R:
 *
 *     bring committed ones of crashed processes to their end → make R/.txn-T → stage, sync all of it →
 *     rename it to R/.commit-T, sync R: the commit → make each change → sync → trash it
 *
 * Whatever fails before the commit leaves everything as it was; after it, all of it happens: what a
 * crash interrupts, the next transaction or a cleanup brings to its end.
 */

import { BlockWriter } from "../stage/block_writer.ts";
import { writeFully } from "../fs/io.ts";
import { Changes } from "./changes.ts";
import { commitAll } from "../journal/commit.ts";
import { cancel, type Source } from "../stage/content.ts";
import type { DirSettings } from "../dir/dir_options.ts";
import type { TransactionResult, TransactionSettings } from "./transaction_options.ts";
import { DirStage } from "../dir/dir_stage.ts";
import { describe } from "../fs/failure.ts";
import { caught, OsError, type Outcome, Refusal } from "../core/errors.ts";
import { HeldTargets } from "./locked_targets.ts";
import { acquireLock, type HeldLock, releaseLock } from "../lock/lock_file.ts";
import { applyMetadata, ENTRY_RULES, type MetadataRules, modeWhileStaged } from "../fs/metadata.ts";
import { committedName, recognise, transactionName } from "../core/names.ts";
import type { Handle, Os } from "../os/port.ts";
import { inside, split } from "../core/paths.ts";
import type { Change } from "../journal/record.ts";
import { finishCommitted } from "../journal/roll_forward.ts";
import type { Steps } from "../core/steps.ts";
import { type Claim, claim, makeClaimed, unclaim } from "../fs/claim.ts";
import { refuseMounts, trashClaimed } from "../fs/trash.ts";

/** So many files are synced one by one: to sync all of a file system waits for others' files too. */
const SYNCED = 8;

type DirChange = Change & { do: "swap" };

/** A transaction on its way: open, change, then commit or fail or discard. */
export class TransactionStage {
  readonly #os: Os;
  readonly #given: string;
  readonly #settings: TransactionSettings;
  #changes: Changes | undefined;
  #dirs = new Map<DirChange, DirStage>();
  #lock: HeldLock | undefined;
  readonly #held: HeldTargets;
  /** The transaction's directory, as long as it is there, and its mark. */
  #dir: string | undefined;
  #claimed: Claim | undefined;
  #synced = 0;
  #wholeFs: Handle | undefined;
  #outcome: Outcome = "unchanged";

  constructor(os: Os, given: string, settings: TransactionSettings) {
    this.#os = os;
    this.#given = given;
    this.#settings = settings;
    this.#held = new HeldTargets(os, settings);
  }

  /** Locks the root, and brings to an end what crashed there. */
  *open(): Steps<void> {
    const os = this.#os;
    const { lock, signal } = this.#settings;
    signal?.throwIfAborted();
    const root = yield* os.realpath(this.#given);
    const { kind, dev } = yield* os.lstat(root);
    if (kind !== "directory") throw new OsError("ENOTDIR", "lstat", root);
    this.#changes = new Changes(os, this.#given, root, dev);
    const { dir, name } = split(root);
    if (lock && name === "") {
      const why = "it has no directory above it for its lock (lock: false)";
      throw new Refusal("EINVAL", root, why);
    }
    if (lock) this.#lock = yield* acquireLock(os, dir, name, this.#settings);
    yield* this.#recover(root);
    ({ path: this.#dir, claimed: this.#claimed } = yield* makeClaimed(os, root, transactionName));
  }

  *#recover(root: string): Steps<void> {
    const os = this.#os;
    for (const { name, kind } of yield* os.readdir(root)) {
      if (kind !== "directory" || recognise(name, kind)?.kind !== "transaction") continue;
      const path = inside(root, name);
      if (name.startsWith(".commit-")) yield* finishCommitted(os, root, path, this.#settings);
      // What can't be removed is in nobody's way.
      else yield* caught(this.#trash(root, path));
    }
  }

  /** Removes what was never committed, unless it is being staged just now. */
  *#trash(root: string, path: string): Steps<void> {
    const claimed = yield* claim(this.#os, path);
    if (claimed?.handle === undefined) return yield* unclaim(this.#os, claimed);
    try {
      yield* trashClaimed(this.#os, root, path);
    } finally {
      yield* unclaim(this.#os, claimed);
    }
  }

  /** Stages a file. */
  *write(given: string, source: Source, mode: number | undefined): Steps<void> {
    const os = this.#os;
    const { signal, durability } = this.#settings;
    const changes = this.#changes!;
    try {
      signal?.throwIfAborted();
      const { path, stat } = yield* changes.find(given, true);
      if (stat !== undefined && stat.kind !== "file") {
        const what = stat.kind === "directory" ? "a directory" : "a device, pipe or socket";
        throw new Refusal("EISDIR", changes.at(path), `${JSON.stringify(path)} is ${what}`);
      }
      yield* changes.makeAbove(path);
      const rules: MetadataRules = { ...ENTRY_RULES, mode };
      const staged = changes.next;
      const name = inside(this.#dir!, staged);
      const file = yield* os.create(name, modeWhileStaged(rules, stat));
      try {
        const sink = { write: (bytes: Uint8Array): Steps<void> => writeFully(os, file, bytes) };
        const writer = new BlockWriter(sink, { signal, onProgress: undefined });
        yield* writer.writeAll(source);
        yield* applyMetadata(os, file, name, rules, stat);
        if (durability !== "none") yield* this.#sync(file, name);
      } finally {
        yield* os.close(file);
      }
      changes.add({ do: "write", path, staged, before: null });
    } catch (error) {
      yield* cancel(source, signal);
      throw error;
    }
  }

  /** A few files are synced one by one; all others together, when they are committed. */
  *#sync(file: Handle, path: string): Steps<void> {
    if (this.#synced++ === SYNCED) this.#wholeFs = yield* this.#os.openFs(this.#dir!);
    if (this.#wholeFs === undefined) yield* this.#os.fsync(file, path);
  }

  *#closeFs(): Steps<void> {
    const wholeFs = this.#wholeFs;
    this.#wholeFs = undefined;
    if (wholeFs !== undefined) yield* this.#os.closeFs(wholeFs);
  }

  /** Stages a directory, which `fill` fills; it is locked until the end. */
  *persist(
    given: string,
    settings: DirSettings,
    fill: (stage: DirStage) => Steps<void>,
  ): Steps<void> {
    const changes = this.#changes!;
    const { path } = yield* changes.find(given, true);
    yield* changes.makeAbove(path);
    const staged = changes.next;
    const part = { name: staged, staged: this.#dir!, committed: this.#committed };
    const stage = new DirStage(this.#os, changes.at(path), settings, part);
    const change: DirChange = { do: "swap", path, staged, ino: 0, before: null };
    changes.add(change);
    this.#dirs.set(change, stage);
    yield* stage.open();
    yield* fill(stage);
  }

  /** Notes that a file or a tree is to be removed; false if there is none. */
  *remove(given: string): Steps<boolean> {
    const changes = this.#changes!;
    const { path, stat: found } = yield* changes.find(given, false);
    const stat = yield* this.#held.hold(changes.at(path), found, this.#committed);
    if (stat === undefined) return false;
    if (stat.kind === "directory") yield* refuseMounts(this.#os, changes.at(path));
    changes.add({ do: "remove", path, staged: changes.next, before: null });
    return true;
  }

  /** Notes that a file or a tree is to be called something else. */
  *rename(given: string, givenTo: string): Steps<void> {
    const changes = this.#changes!;
    const { path, stat: found } = yield* changes.find(given, false);
    const stat = yield* this.#held.hold(changes.at(path), found, this.#committed);
    if (stat === undefined) throw new OsError("ENOENT", "lstat", changes.at(path));
    const { path: to, stat: foundThere } = yield* changes.find(givenTo, false, path);
    const there = yield* this.#held.hold(changes.at(to), foundThere, this.#committed);
    if (there !== undefined && (there.kind === "directory" || stat.kind === "directory")) {
      const why = `${JSON.stringify(to)} exists already; remove it first, in another transaction`;
      throw new Refusal("EEXIST", changes.at(to), why);
    }
    yield* changes.makeAbove(to);
    const { ino, birth } = stat;
    changes.add({ do: "rename", path, to, moved: { ino, birth }, before: null });
  }

  /** Where the transaction's directory is as soon as it is committed: under the same digits. */
  get #committed(): string {
    return inside(this.#changes!.root, committedName(this.#dir!.slice(-12)));
  }

  /** Makes all changes, or none. */
  *commit(): Steps<TransactionResult> {
    const os = this.#os;
    const { durability, signal } = this.#settings;
    const { root, list } = this.#changes!;
    const result: TransactionResult = {
      path: this.#given,
      changes: [],
      durability,
      warnings: this.#held.warnings,
    };
    signal?.throwIfAborted();
    if (list.length === 0) {
      yield* this.discard();
      return result;
    }
    const staged = this.#dir!;
    for (const [change, stage] of this.#dirs) {
      Object.assign(change, yield* stage.handOver());
    }
    if (this.#wholeFs !== undefined) yield* os.syncFs(this.#wholeFs);
    yield* this.#closeFs();
    const committed = this.#committed;
    const commit = {
      root,
      staged,
      committed,
      changes: list,
      sync: durability !== "none",
      signal,
    };
    const durable = yield* commitAll(os, commit, (outcome) => {
      this.#outcome = outcome;
      if (outcome === "replaced") this.#dir = committed;
    });
    if (durability === "full" && !durable) result.durability = "file";
    for (const change of list) yield* this.#tell(change, durable, result);
    const warn = (what: string): unknown => result.warnings.push(`${what}: a cleanup tries again`);
    const left = yield* caught(trashClaimed(os, root, committed, commit.sync));
    if (left !== undefined) {
      warn(`${JSON.stringify(committed)} could not be deleted (${left.code})`);
    }
    yield* unclaim(os, this.#claimed);
    for (const error of [yield* this.#held.release(), yield* this.#unlock()]) {
      if (error !== undefined) warn(`a lock file could not be removed (${error.message})`);
    }
    return result;
  }

  *#unlock(): Steps<OsError | undefined> {
    const lock = this.#lock;
    this.#lock = undefined;
    return lock && (yield* caught(releaseLock(this.#os, lock)));
  }

  *#tell(change: Change, durable: boolean, result: TransactionResult): Steps<void> {
    const { path } = change;
    if (change.do === "write" || change.do === "remove") {
      result.changes.push({ do: change.do, path });
    } else if (change.do === "rename") {
      result.changes.push({ do: "rename", path, to: change.to });
    } else if (change.do === "swap") {
      const { swap, written, carried, rescued, warnings } = yield* this.#dirs.get(change)!
        .swapped(durable);
      result.changes.push({ do: "persist", path, swap, written, carried, rescued });
      result.warnings.push(...warnings);
    }
  }

  /** Removes everything that was staged, and gives the locks back whatever happens. */
  *discard(): Steps<void> {
    const [dir, claimed] = [this.#dir, this.#claimed];
    const dirs = [...this.#dirs.values()];
    this.#dir = this.#claimed = undefined;
    this.#dirs.clear();
    const isCommitted = this.#outcome !== "unchanged";
    let error = yield* caught(this.#closeFs());
    for (const stage of dirs) {
      error ??= yield* caught(isCommitted ? stage.leave() : stage.discard());
    }
    // What is committed stays, for whoever brings it to its end.
    if (dir !== undefined && !isCommitted) {
      error ??= yield* caught(trashClaimed(this.#os, this.#changes!.root, dir));
    }
    error ??= yield* caught(unclaim(this.#os, claimed));
    const unlocked = [yield* this.#held.release(), yield* this.#unlock()];
    error ??= unlocked.find((error) => error !== undefined);
    if (error !== undefined) throw error;
  }

  /** Undoes what was staged, and puts into the caller's words what went wrong. */
  *fail(error: unknown): Steps<unknown> {
    const path = this.#dir ?? this.#given;
    const raw = yield* caught(this.discard());
    return describe(error, {
      operation: "change",
      target: this.#given,
      outcome: this.#outcome,
      existed: true,
      path,
      leftover: raw?.path,
    });
  }
}
