/**
 * The protocol of a transaction below a root R, under the lock of R:
 *
 *     complete abandoned transactions → make R/.txn-T → stage and sync all of it →
 *     rename it to R/.commit-T, sync R: the commit → make each change → sync → trash R/.commit-T
 *
 *     new ──open──▶ open ──commit──▶ committed
 *                    └──discard, fail──▶ discarded
 *
 * A failure before the commit leaves everything as it was. After the commit, all changes will be made: the next
 * transaction, or a cleanup, completes an abandoned one.
 */

import {
  afterReplacing,
  catchOsError,
  catchOsErrors,
  OsError,
  outcomeOf,
  RefusedError,
} from "../core/errors.ts";
import { committedName, transactionName } from "../core/names.ts";
import { inside, split } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Handle, Os, Stat } from "../os/port.ts";
import { type Claim, makeClaimed, unclaim } from "../fs/claim.ts";
import { describeFailure } from "../fs/failure.ts";
import { ENTRY_RULES, groupFor } from "../fs/metadata.ts";
import { fillFile } from "../fs/new_file.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import { refuseMounts, trashClaimed } from "../fs/trash.ts";
import { previousPath } from "../journal/apply.ts";
import { commitAll } from "../journal/commit.ts";
import { fingerprint, type PendingChange } from "../journal/record.ts";
import { completeAbandoned } from "../journal/roll_forward.ts";
import { BlockWriter } from "../stage/block_writer.ts";
import { cancel, type Source } from "../stage/content.ts";
import type { Stage } from "../stage/lifecycle.ts";
import { acquireLock, type HeldLock, releaseLock } from "../lock/lock_file.ts";
import type { DirSettings, PersistResult } from "../dir/dir_options.ts";
import { DirStage, type SealedDir } from "../dir/dir_stage.ts";
import { finish } from "../dir/publish.ts";
import { Changes, type DirChange, type PlannedChange } from "./changes.ts";
import { lockTarget } from "./lock_target.ts";
import type { TransactionResult, TransactionSettings } from "./transaction_options.ts";

/** Number of files that are synced one by one: a sync of the file system waits for other processes' files, too. */
const SYNCED = 8;

/** A transaction: open it, plan changes, then commit or discard it, or fail. */
export class TransactionStage implements Stage<TransactionResult> {
  readonly #os: Os;
  readonly #given: string;
  readonly #settings: TransactionSettings;
  readonly #warnings: string[] = [];
  /** Locks of targets, and of the root, which is the last. */
  readonly #locks: HeldLock[] = [];
  readonly #sealed = new Map<DirChange, SealedDir>();
  #changes: Changes | undefined;
  /** The transaction's directory before the commit, and the mark on it. */
  #dir: string | undefined;
  #claimed: Claim | undefined;
  #synced = 0;
  #wholeFs: Handle | undefined;

  constructor(os: Os, given: string, settings: TransactionSettings) {
    this.#os = os;
    this.#given = given;
    this.#settings = settings;
  }

  /** Locks the root, and completes abandoned transactions there. */
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
      const why = "no directory above it can hold its lock; go without one (lock: false)";
      throw new RefusedError("EINVAL", root, why);
    }
    if (lock) this.#locks.push(yield* acquireLock(os, dir, name, this.#settings));
    yield* completeAbandoned(os, root, this.#settings);
    ({ path: this.#dir, claimed: this.#claimed } = yield* makeClaimed(os, root, transactionName));
  }

  /** Stages a file. */
  *write(given: string, source: Source, mode: number | undefined): Steps<void> {
    const { signal, durability } = this.#settings;
    const changes = this.#changes!;
    try {
      signal?.throwIfAborted();
      const { path, stat } = yield* changes.find(given, true);
      if (stat !== undefined && stat.kind !== "file") {
        const what = stat.kind === "directory" ? "a directory" : "a device, pipe or socket";
        throw new RefusedError("EISDIR", changes.at(path), `${JSON.stringify(path)} is ${what}`);
      }
      const group = groupFor(yield* changes.makeAbove(path));
      const staged = changes.next;
      const sync = durability !== "none" && !(yield* this.#isSyncedLater());
      const file = { rules: { ...ENTRY_RULES, mode, group }, old: stat, sync };
      yield* fillFile(
        this.#os,
        inside(this.#dir!, staged),
        file,
        (file) => new BlockWriter(file, { signal, onProgress: undefined }).writeAll(source),
      );
      changes.add({ do: "write", path, staged });
    } catch (error) {
      yield* cancel(source, signal);
      throw error;
    }
  }

  /** Syncs a few files one by one, and all others together at the commit. */
  *#isSyncedLater(): Steps<boolean> {
    if (this.#synced++ === SYNCED) this.#wholeFs = yield* this.#os.openFs(this.#dir!);
    return this.#wholeFs !== undefined;
  }

  *#closeFs(): Steps<void> {
    const wholeFs = this.#wholeFs;
    this.#wholeFs = undefined;
    if (wholeFs !== undefined) yield* this.#os.closeFs(wholeFs);
  }

  /** Stages a directory, which `fill` fills; it is locked until the transaction ends. */
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
    changes.add({ do: "persist", path, staged, stage });
    yield* stage.open();
    yield* fill(stage);
  }

  /** Plans the removal of a file or a tree; returns false if there is none. */
  *remove(given: string): Steps<boolean> {
    const changes = this.#changes!;
    const { path, stat } = yield* this.#findAndLock(given);
    if (stat === undefined) return false;
    if (stat.kind === "directory") yield* refuseMounts(this.#os, changes.at(path));
    changes.add({ do: "remove", path, staged: changes.next });
    return true;
  }

  /** Plans the renaming of a file or a tree. */
  *rename(given: string, givenTo: string): Steps<void> {
    const changes = this.#changes!;
    const { path, stat } = yield* this.#findAndLock(given);
    if (stat === undefined) throw new OsError("ENOENT", "lstat", changes.at(path));
    const { path: to, stat: there } = yield* this.#findAndLock(givenTo, path);
    if (there !== undefined && (there.kind === "directory" || stat.kind === "directory")) {
      const why = `${JSON.stringify(to)} exists already; remove it first, in another transaction`;
      throw new RefusedError("EEXIST", changes.at(to), why);
    }
    yield* changes.makeAbove(to);
    const { ino, birth } = stat;
    changes.add({ do: "rename", path, to, moved: { ino, birth } });
  }

  /** Resolves a path other than `other`; locks and recovers the directory there. */
  *#findAndLock(
    given: string,
    other?: string,
  ): Steps<{ path: string; stat: Stat | undefined }> {
    const { path, stat: found } = yield* this.#changes!.find(given, false, other);
    const whole = this.#changes!.at(path);
    const target = yield* lockTarget(this.#os, whole, found, this.#settings, this.#committed);
    if (target.lock !== undefined) this.#locks.splice(-1, 0, target.lock);
    this.#warnings.push(...target.warnings);
    return { path, stat: target.live };
  }

  /** The transaction's directory after the commit, under the same digits. */
  get #committed(): string {
    return inside(this.#changes!.root, committedName(this.#dir!.slice(-12)));
  }

  /** Makes all changes, or none. */
  *commit(): Steps<TransactionResult> {
    const { durability, signal } = this.#settings;
    const { root, list } = this.#changes!;
    const warnings = this.#warnings;
    const result: TransactionResult = { path: this.#given, changes: [], durability, warnings };
    signal?.throwIfAborted();
    if (list.length === 0) {
      yield* this.discard();
      return result;
    }
    const changes: PendingChange[] = [];
    for (const change of list) changes.push(yield* this.#seal(change));
    if (this.#wholeFs !== undefined) yield* this.#os.syncFs(this.#wholeFs);
    yield* this.#closeFs();
    const [staged, committed, sync] = [this.#dir!, this.#committed, durability !== "none"];
    const commit = { root, staged, committed, changes, sync, signal };
    const isDurable = yield* commitAll(this.#os, commit);
    if (durability === "full" && !isDurable) result.durability = "file";
    yield* afterReplacing(this.#finish(isDurable, result));
    return result;
  }

  /** Completes a staged directory, whose record says which version it replaces. */
  *#seal(change: PlannedChange): Steps<PendingChange> {
    if (change.do !== "persist") return change;
    const { path, staged, stage } = change;
    const sealed = yield* stage.seal();
    this.#sealed.set(change, sealed);
    const { ino } = yield* this.#os.lstat(sealed.paths.staging);
    return { do: "swap", path, staged, ino, before: fingerprint(sealed.target.stat) };
  }

  /** Retires previous versions, removes the transaction's directory, and releases the locks. */
  *#finish(durable: boolean, { changes, warnings }: TransactionResult): Steps<void> {
    const os = this.#os;
    for (const change of this.#changes!.list) {
      const { path } = change;
      if (change.do === "write" || change.do === "remove") changes.push({ do: change.do, path });
      else if (change.do === "rename") changes.push({ do: "rename", path, to: change.to });
      else if (change.do === "persist") {
        const result = yield* this.#finishDir(change, durable);
        const { swap, written, carried, rescued } = result;
        changes.push({ do: "persist", path, swap, written, carried, rescued });
        warnings.push(...change.stage.warnings, ...result.warnings);
      }
    }
    const warn = (path: string, { code }: OsError): unknown =>
      warnings.push(
        `${JSON.stringify(path)} could not be removed (${code}): a cleanup tries again`,
      );
    const committed = this.#committed;
    const sync = this.#settings.durability !== "none";
    const left = yield* catchOsError(trashClaimed(os, this.#changes!.root, committed, sync));
    if (left !== undefined) warn(committed, left);
    yield* unclaim(os, this.#claimed);
    for (const lock of this.#locks.splice(0)) {
      const error = yield* catchOsError(releaseLock(os, lock));
      if (error !== undefined) warn(lock.path, error);
    }
  }

  /** Retires the previous version of a directory, which the swap left in the transaction's directory. */
  *#finishDir(change: DirChange, durable: boolean): Steps<PersistResult> {
    const os = this.#os;
    const { path, staged, stage } = change;
    const sealed = this.#sealed.get(change)!;
    const staging = inside(this.#committed, staged);
    const old = previousPath(staging);
    const isRenamed = (yield* lstatOrUndefined(os, old)) !== undefined;
    const isExchanged = !isRenamed && (yield* lstatOrUndefined(os, staging)) !== undefined;
    const swap = isExchanged ? "exchange" : isRenamed ? "rename" : "create";
    const now = { ...sealed, paths: { ...sealed.paths, staging, old } };
    const result = yield* finish(os, path, now, { swap, durable }, stage.settings);
    yield* stage.close(result.warnings);
    return result;
  }

  /** Removes everything that was staged, and releases the locks even if that fails. */
  *discard(): Steps<void> {
    const error = yield* this.#end(false);
    if (error !== undefined) throw error;
  }

  *fail(error: unknown): Steps<unknown> {
    const isCommitted = outcomeOf(error) !== "unchanged";
    const path = this.#dir === undefined ? this.#given : isCommitted ? this.#committed : this.#dir;
    const leftover = (yield* this.#end(isCommitted))?.path;
    return describeFailure(error, "change", this.#given, { existed: true, path, leftover });
  }

  /** Discards the stage; a committed transaction is left to recovery. Returns the first error. */
  #end(isCommitted: boolean): Steps<OsError | undefined> {
    const os = this.#os;
    const [dir, claimed] = [this.#dir, this.#claimed];
    this.#dir = this.#claimed = undefined;
    const planned = this.#changes?.list ?? [];
    const stages = planned.flatMap((change) => change.do === "persist" ? [change.stage] : []);
    if (isCommitted) { for (const stage of stages) stage.leave(); }
    return catchOsErrors([
      this.#closeFs(),
      ...stages.map((stage) => stage.discard()),
      ...dir === undefined || isCommitted ? [] : [trashClaimed(os, this.#changes!.root, dir)],
      unclaim(os, claimed),
      ...this.#locks.splice(0).map((lock) => releaseLock(os, lock)),
    ]);
  }
}
