/**
 * The protocol of a transaction below a root R, under the lock of R:
 *
 *     bring committed ones of crashed processes to their end → make R/.txn-T → stage, sync all of it →
 *     rename it to R/.commit-T, sync R: the commit → make each change → sync → trash it
 *
 * Whatever fails before the commit leaves everything as it was; after it, all of it happens: what a
 * crash interrupts, the next transaction or a cleanup brings to its end.
 */

import { dirname } from "node:path";
import { BlockWriter, writeFully } from "./block_writer.ts";
import { cancel, type Source } from "./content.ts";
import type { RollbackSettings } from "./dir_options.ts";
import { syncDir } from "./dir_sync.ts";
import { describe, type Outcome, Refusal } from "./errors.ts";
import { acquireLock, type HeldLock, releaseLock } from "./lock.ts";
import { applyMetadata, ENTRY_RULES, type MetadataRules, modeWhileStaged } from "./metadata.ts";
import { committedName, newToken, transactionName } from "./names.ts";
import type { Durability } from "./options.ts";
import { caught, OsError } from "./os/errno.ts";
import type { Os, Stat } from "./os/port.ts";
import { inside, split } from "./paths.ts";
import { type Change, RECORD, toText } from "./record.ts";
import { applyAll, findTransactions, rollForward } from "./roll_forward.ts";
import type { Steps } from "./steps.ts";
import { locate, look } from "./target.ts";
import { type Claim, claim, trashClaimed, unclaim } from "./trash.ts";
import { canonicalPath, relativeTo } from "./within_root.ts";

/** The settings of a transaction. */
export type TransactionSettings = Omit<RollbackSettings, "swap">;

/** What a transaction has done. */
export interface TransactionResult {
  /** The root, as it was given. */
  path: string;
  /** What was changed, in the order of the calls; paths are relative to the root. */
  changes: { do: "write" | "remove" | "rename"; path: string; to?: string }[];
  /** What has been made sure of: what was asked for, or `"file"` where directories can't be synced. */
  durability: Durability;
  /** What went wrong after all was safely in place; empty if nothing did. */
  warnings: string[];
}

/** A transaction on its way: open, change, then commit or fail or discard. */
export class TransactionStage {
  readonly #os: Os;
  readonly #given: string;
  readonly #settings: TransactionSettings;
  /** The root without links. */
  #root = "";
  #dev = 0;
  #lock: HeldLock | undefined;
  /** The transaction's directory, as long as it is there, and its mark. */
  #dir: string | undefined;
  #claimed: Claim | undefined;
  #changes: Change[] = [];
  #outcome: Outcome = "unchanged";

  constructor(os: Os, given: string, settings: TransactionSettings) {
    this.#os = os;
    this.#given = given;
    this.#settings = settings;
  }

  /** Locks the root, and brings to an end what crashed there. */
  *open(): Steps<void> {
    const os = this.#os;
    const { lock, signal } = this.#settings;
    signal?.throwIfAborted();
    this.#root = yield* os.realpath(this.#given);
    const { kind, dev } = yield* os.lstat(this.#root);
    if (kind !== "directory") throw new OsError("ENOTDIR", "lstat", this.#root);
    this.#dev = dev;
    const { dir, name } = split(this.#root);
    if (lock && name === "") {
      throw new Refusal(
        "EINVAL",
        this.#root,
        "it has no directory above it for its lock (lock: false)",
      );
    }
    if (lock) this.#lock = yield* acquireLock(os, dir, name, this.#settings);
    yield* this.#recover();
    const staging = inside(this.#root, transactionName(newToken()));
    yield* os.mkdir(staging, 0o700);
    this.#dir = staging;
    this.#claimed = yield* claim(os, staging);
  }

  *#recover(): Steps<void> {
    const os = this.#os;
    const { wait, signal } = this.#settings;
    const deadline = performance.now() + wait;
    const { committed, staged } = yield* findTransactions(os, this.#root);
    for (const name of committed) {
      const path = inside(this.#root, name);
      while ((yield* rollForward(os, this.#root, path)) === "another's") {
        signal?.throwIfAborted();
        if (performance.now() > deadline) {
          throw new Refusal(
            "ERR_LOCKED",
            path,
            "another process is bringing a transaction to its end",
          );
        }
        yield* os.sleep(10);
      }
    }
    for (const name of staged) {
      const path = inside(this.#root, name);
      const claimed = yield* claim(os, path);
      if (claimed === undefined) continue;
      try {
        yield* trashClaimed(os, this.#root, path);
      } finally {
        yield* unclaim(os, claimed);
      }
    }
  }

  /** Stages a file. */
  *write(given: string, source: Source, mode: number | undefined): Steps<void> {
    const os = this.#os;
    const { signal, durability } = this.#settings;
    try {
      signal?.throwIfAborted();
      const { path, stat } = yield* this.#find(given, true);
      if (stat !== undefined && stat.kind !== "file") {
        const what = stat.kind === "directory" ? "a directory" : "a device, pipe or socket";
        throw new Refusal("EISDIR", this.#at(path), `${JSON.stringify(path)} is ${what}`);
      }
      yield* this.#makeAbove(path);
      const rules: MetadataRules = { ...ENTRY_RULES, mode };
      const staged = this.#next();
      const name = inside(this.#dir!, staged);
      const file = yield* os.create(name, modeWhileStaged(rules, stat));
      try {
        const sink = { write: (bytes: Uint8Array): Steps<void> => writeFully(os, file, bytes) };
        const writer = new BlockWriter(sink, { signal, onProgress: undefined });
        yield* writer.addAll(source);
        yield* writer.finish();
        yield* applyMetadata(os, file, name, rules, stat);
        if (durability !== "none") yield* os.fsync(file);
      } finally {
        yield* os.close(file);
      }
      this.#changes.push({ do: "write", path, staged });
    } catch (error) {
      yield* cancel(source, signal);
      throw error;
    }
  }

  /** Notes that a file or a tree is to be removed; false if there is none. */
  *remove(given: string): Steps<boolean> {
    const { path, stat } = yield* this.#find(given, false);
    if (stat === undefined) return false;
    this.#changes.push({ do: "remove", path, staged: this.#next() });
    return true;
  }

  /** Notes that a file or a tree is to be called something else. */
  *rename(given: string, givenTo: string): Steps<void> {
    const { path, stat } = yield* this.#find(given, false);
    if (stat === undefined) throw new OsError("ENOENT", "lstat", this.#at(path));
    const { path: to, stat: there } = yield* this.#find(givenTo, false, path);
    if (there !== undefined && (there.kind === "directory" || stat.kind === "directory")) {
      const why = `${JSON.stringify(to)} exists already; remove it first, in another transaction`;
      throw new Refusal("EEXIST", this.#at(to), why);
    }
    yield* this.#makeAbove(to);
    this.#changes.push({ do: "rename", path, to, ino: stat.ino });
  }

  /** Makes all changes, or none. */
  *commit(): Steps<TransactionResult> {
    const os = this.#os;
    const { durability, signal } = this.#settings;
    const changes = this.#changes.filter(({ do: kind }) => kind !== "make")
      .map(({ do: kind, path, ...rest }) => ({
        do: kind as "write",
        path,
        ..."to" in rest ? { to: rest.to } : {},
      }));
    const result: TransactionResult = { path: this.#given, changes, durability, warnings: [] };
    if (changes.length === 0) {
      yield* this.discard();
      return result;
    }
    const sync = durability !== "none";
    const record = yield* os.create(inside(this.#dir!, RECORD), 0o600);
    try {
      yield* writeFully(os, record, new TextEncoder().encode(toText(this.#changes)));
      if (sync) yield* os.fsync(record);
    } finally {
      yield* os.close(record);
    }
    if (sync) yield* syncDir(os, this.#dir!);
    signal?.throwIfAborted();
    const committed = inside(this.#root, committedName(newToken()));
    this.#outcome = "unknown";
    const error = yield* caught(os.rename(this.#dir!, committed));
    if (error !== undefined) {
      if ((yield* look(os, this.#dir!)) !== undefined) this.#outcome = "unchanged";
      throw error;
    }
    this.#dir = committed;
    this.#outcome = "replaced";
    if (sync && !(yield* syncDir(os, this.#root))) result.durability = "file";
    yield* applyAll(os, this.#root, committed, this.#changes, sync);
    const left = yield* caught(trashClaimed(os, this.#root, committed));
    if (left !== undefined) {
      result.warnings.push(`${JSON.stringify(committed)} could not be deleted (${left.code})`);
    }
    yield* unclaim(os, this.#claimed);
    const unlocked = this.#lock && (yield* caught(releaseLock(os, this.#lock)));
    if (unlocked !== undefined) {
      result.warnings.push(
        `the lock file ${JSON.stringify(this.#lock!.path)} could not be removed`,
      );
    }
    return result;
  }

  /** Removes everything that was staged, and gives the lock back whatever happens. */
  *discard(): Steps<void> {
    const [dir, claimed, lock] = [this.#dir, this.#claimed, this.#lock];
    this.#dir = this.#claimed = this.#lock = undefined;
    try {
      if (dir !== undefined) yield* trashClaimed(this.#os, this.#root, dir);
    } finally {
      try {
        yield* unclaim(this.#os, claimed);
      } finally {
        if (lock !== undefined) yield* releaseLock(this.#os, lock);
      }
    }
  }

  /** Undoes what was staged, and puts into the caller's words what went wrong. */
  *fail(error: unknown): Steps<unknown> {
    const path = this.#dir ?? this.#given;
    // What is committed stays, for whoever brings it to its end.
    if (this.#outcome !== "unchanged") this.#dir = undefined;
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

  #at(path: string): string {
    return inside(this.#root, path);
  }

  /** The number under which the next thing is staged. */
  #next(): string {
    return `${this.#changes.length}`;
  }

  /** Finds what a caller's path means, within the root; what another change is about is refused. */
  *#find(
    given: string,
    followSymlink: boolean,
    other?: string,
  ): Steps<{ path: string; stat: Stat | undefined }> {
    const lexical = relativeTo([this.#given, this.#root], given);
    const found = yield* locate(this.#os, this.#at(lexical), followSymlink);
    const path = yield* canonicalPath(this.#os, this.#root, this.#dev, found.path);
    const taken = this.#changes.flatMap((change) =>
      change.do === "make" ? [] : "to" in change ? [change.path, change.to] : [change.path]
    );
    for (const name of other === undefined ? taken : [...taken, other]) {
      if (name !== path && !name.startsWith(path + "/") && !path.startsWith(name + "/")) continue;
      throw new TypeError(
        `${JSON.stringify(given)} is named twice in one transaction, or in what else is changed`,
      );
    }
    const { stat } = found;
    if (stat !== undefined && stat.dev !== this.#dev) {
      throw new Refusal("EXDEV", found.path, "it is on another file system (EXDEV)");
    }
    return { path, stat };
  }

  /** Notes that the directory of a path is to be made, if it is missing. */
  *#makeAbove(path: string): Steps<void> {
    const above = dirname(path);
    if (above === "." || this.#changes.some((change) => change.path === above)) return;
    if ((yield* look(this.#os, this.#at(above))) === undefined) {
      this.#changes.push({ do: "make", path: above });
    }
  }
}
