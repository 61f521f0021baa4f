/**
 * The protocol of a transaction below a root R, under the lock of R:
 *
 *     complete abandoned ones → make R/.txn-T → stage and sync all of it →
 *     rename it to R/.commit-T, sync R: the commit → make each change → sync → trash it
 *
 *     new ──open──▶ open ──commit──▶ committed
 *                    └──discard, fail──▶ discarded
 *
 * A failure before the commit leaves everything as it was. After it, all of it happens: an abandoned transaction
 * is completed by the next one, or by a cleanup.
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
import { DirStage, type SealedDir } from "../dir/dir_stage.ts";
import type { DirSettings } from "../dir/dir_options.ts";
import { finish, type Swapped } from "../dir/publish.ts";
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
import { acquireLock, type HeldLock, releaseLock } from "../lock/lock_file.ts";
import type { Handle, Os } from "../os/port.ts";
import { BlockWriter } from "../stage/block_writer.ts";
import { cancel, type Source } from "../stage/content.ts";
import type { Stage } from "../stage/lifecycle.ts";
import { Changes, type DirChange, type PlannedChange } from "./changes.ts";
import { LockedTargets } from "./locked_targets.ts";
import type { TransactionResult, TransactionSettings } from "./transaction_options.ts";

/** Up to this number, files are synced one by one: a sync of the file system waits for others' files, too. */
const SYNCED = 8;

/** A transaction on its way: open, change, then commit or fail or discard. */
export class TransactionStage implements Stage<TransactionResult> {
  readonly #os: Os;
  readonly #given: string;
  readonly #settings: TransactionSettings;
  readonly #targets: LockedTargets;
  #changes: Changes | undefined;
  #lock: HeldLock | undefined;
  /** The transaction's directory, as it is staged, and its mark. */
  #dir: string | undefined;
  #claimed: Claim | undefined;
  #synced = 0;
  #wholeFs: Handle | undefined;

  constructor(os: Os, given: string, settings: TransactionSettings) {
    this.#os = os;
    this.#given = given;
    this.#settings = settings;
    this.#targets = new LockedTargets(os, settings);
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
      const why = "it has no directory above it for its lock (lock: false)";
      throw new RefusedError("EINVAL", root, why);
    }
    if (lock) this.#lock = yield* acquireLock(os, dir, name, this.#settings);
    yield* completeAbandoned(os, root, this.#settings);
    ({ path: this.#dir, claimed: this.#claimed } = yield* makeClaimed(os, root, transactionName));
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
        throw new RefusedError("EISDIR", changes.at(path), `${JSON.stringify(path)} is ${what}`);
      }
      const group = groupFor(yield* changes.makeAbove(path));
      const staged = changes.next;
      const sync = durability !== "none" && !(yield* this.#isSyncedLater());
      const file = { rules: { ...ENTRY_RULES, mode, group }, old: stat, sync };
      yield* fillFile(
        os,
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

  /** A few files are synced one by one; all others together, when they are committed. */
  *#isSyncedLater(): Steps<boolean> {
    if (this.#synced++ === SYNCED) this.#wholeFs = yield* this.#os.openFs(this.#dir!);
    return this.#wholeFs !== undefined;
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
    changes.add({ do: "persist", path, staged, stage });
    yield* stage.open();
    yield* fill(stage);
  }

  /** Notes that a file or a tree is to be removed; false if there is none. */
  *remove(given: string): Steps<boolean> {
    const changes = this.#changes!;
    const { path, stat: found } = yield* changes.find(given, false);
    const stat = yield* this.#targets.lock(changes.at(path), found, this.#committed);
    if (stat === undefined) return false;
    if (stat.kind === "directory") yield* refuseMounts(this.#os, changes.at(path));
    changes.add({ do: "remove", path, staged: changes.next });
    return true;
  }

  /** Notes that a file or a tree is to get another name. */
  *rename(given: string, givenTo: string): Steps<void> {
    const changes = this.#changes!;
    const { path, stat: found } = yield* changes.find(given, false);
    const stat = yield* this.#targets.lock(changes.at(path), found, this.#committed);
    if (stat === undefined) throw new OsError("ENOENT", "lstat", changes.at(path));
    const { path: to, stat: foundThere } = yield* changes.find(givenTo, false, path);
    const there = yield* this.#targets.lock(changes.at(to), foundThere, this.#committed);
    if (there !== undefined && (there.kind === "directory" || stat.kind === "directory")) {
      const why = `${JSON.stringify(to)} exists already; remove it first, in another transaction`;
      throw new RefusedError("EEXIST", changes.at(to), why);
    }
    yield* changes.makeAbove(to);
    const { ino, birth } = stat;
    changes.add({ do: "rename", path, to, moved: { ino, birth } });
  }

  /** The transaction's directory after the commit, under the same digits. */
  get #committed(): string {
    return inside(this.#changes!.root, committedName(this.#dir!.slice(-12)));
  }

  /** Makes all changes, or none. */
  *commit(): Steps<TransactionResult> {
    const os = this.#os;
    const { durability, signal } = this.#settings;
    const { root, list } = this.#changes!;
    const { warnings } = this.#targets;
    const result: TransactionResult = { path: this.#given, changes: [], durability, warnings };
    signal?.throwIfAborted();
    if (list.length === 0) {
      yield* this.discard();
      return result;
    }
    const sealed = new Map<DirChange, SealedDir>();
    const changes: PendingChange[] = [];
    for (const change of list) changes.push(yield* this.#seal(change, sealed));
    if (this.#wholeFs !== undefined) yield* os.syncFs(this.#wholeFs);
    yield* this.#closeFs();
    const committed = this.#committed;
    const sync = durability !== "none";
    const durable = yield* commitAll(os, {
      ...{ root, staged: this.#dir!, committed, changes, sync, signal },
    });
    if (durability === "full" && !durable) result.durability = "file";
    yield* afterReplacing(this.#finish(sealed, durable, result));
    return result;
  }

  /** Completes a staged directory, of which the record says what it replaces. */
  *#seal(change: PlannedChange, sealed: Map<DirChange, SealedDir>): Steps<PendingChange> {
    if (change.do !== "persist") return change;
    const { path, staged, stage } = change;
    const dir = yield* stage.seal();
    sealed.set(change, dir);
    const { ino } = yield* this.#os.lstat(dir.paths.staging);
    return { do: "swap", path, staged, ino, before: fingerprint(dir.target.stat) };
  }

  /** Retires previous versions, removes the transaction's directory, and gives the locks back. */
  *#finish(
    sealed: ReadonlyMap<DirChange, SealedDir>,
    durable: boolean,
    result: TransactionResult,
  ): Steps<void> {
    const committed = this.#committed;
    for (const change of this.#changes!.list) {
      const { path } = change;
      if (change.do === "write" || change.do === "remove") {
        result.changes.push({ do: change.do, path });
      } else if (change.do === "rename") result.changes.push({ do: "rename", path, to: change.to });
      else if (change.do === "persist") {
        yield* this.#finishDir(change, sealed.get(change)!, durable, result);
      }
    }
    const sync = this.#settings.durability !== "none";
    const warn = (what: string): unknown => result.warnings.push(`${what}: a cleanup tries again`);
    const left = yield* catchOsError(trashClaimed(this.#os, this.#changes!.root, committed, sync));
    if (left !== undefined) {
      warn(`${JSON.stringify(committed)} could not be deleted (${left.code})`);
    }
    yield* unclaim(this.#os, this.#claimed);
    for (const error of [yield* this.#targets.release(), yield* this.#unlock()]) {
      if (error !== undefined) warn(`a lock file could not be removed (${error.message})`);
    }
  }

  *#finishDir(
    { path, staged, stage }: DirChange,
    sealed: SealedDir,
    durable: boolean,
    result: TransactionResult,
  ): Steps<void> {
    const os = this.#os;
    const staging = inside(this.#committed, staged);
    const old = previousPath(staging);
    const isRenamed = (yield* lstatOrUndefined(os, old)) !== undefined;
    const isExchanged = !isRenamed && (yield* lstatOrUndefined(os, staging)) !== undefined;
    const swapped: Swapped = {
      swap: isExchanged ? "exchange" : isRenamed ? "rename" : "create",
      durable,
    };
    const now = { ...sealed, paths: { ...sealed.paths, staging, old } };
    const { warnings, swap, written, carried, rescued } = yield* finish(
      os,
      path,
      now,
      swapped,
      stage.settings,
    );
    yield* stage.close(warnings);
    result.changes.push({ do: "persist", path, swap, written, carried, rescued });
    result.warnings.push(...stage.warnings, ...warnings);
  }

  *#unlock(): Steps<OsError | undefined> {
    const lock = this.#lock;
    this.#lock = undefined;
    return lock && (yield* catchOsError(releaseLock(this.#os, lock)));
  }

  /** Removes everything that was staged, and gives the locks back whatever happens. */
  *discard(): Steps<void> {
    const error = yield* this.#end(false);
    if (error !== undefined) throw error;
  }

  /** The same; a committed transaction stays, to be completed by a recovery. Returns the first error. */
  *#end(isCommitted: boolean): Steps<OsError | undefined> {
    const [dir, claimed] = [this.#dir, this.#claimed];
    this.#dir = this.#claimed = undefined;
    const stages =
      this.#changes?.list.flatMap((change) => change.do === "persist" ? [change.stage] : []) ?? [];
    if (isCommitted) { for (const stage of stages) stage.leave(); }
    const steps: Steps<unknown>[] = [this.#closeFs(), ...stages.map((stage) => stage.discard())];
    if (dir !== undefined && !isCommitted) {
      steps.push(trashClaimed(this.#os, this.#changes!.root, dir));
    }
    const error = yield* catchOsErrors([...steps, unclaim(this.#os, claimed)]);
    const unlocked = [yield* this.#targets.release(), yield* this.#unlock()];
    return error ?? unlocked.find((error) => error !== undefined);
  }

  *fail(error: unknown): Steps<unknown> {
    const isCommitted = outcomeOf(error) !== "unchanged";
    const path = this.#dir === undefined ? this.#given : isCommitted ? this.#committed : this.#dir;
    const left = yield* this.#end(isCommitted);
    return describeFailure(error, "change", this.#given, {
      ...{ existed: true, path, leftover: left?.path },
    });
  }
}
