/** Operations that a power cut is to interrupt, small enough that all it may leave can be looked at. */

import { writeFile } from "../../lib/file/atomic_write.ts";
import { syncSource } from "../../lib/stage/content.ts";
import {
  type DirOptions,
  dirSettings,
  removeSettings,
  rollbackSettings,
} from "../../lib/dir/dir_options.ts";
import { partSettings, transactionSettings } from "../../lib/transaction/transaction_options.ts";
import type { Durability } from "../../lib/core/options.ts";
import { type FileOptions, fileSettings, updateSettings } from "../../lib/file/file_options.ts";
import type { Os } from "../../lib/os/port.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import { remove } from "../../lib/dir/atomic_remove.ts";
import { rollBack } from "../../lib/dir/rollback.ts";
import type { Steps } from "../../lib/core/steps.ts";
import { TransactionStage } from "../../lib/transaction/transaction_stage.ts";
import { update } from "../../lib/file/update_file.ts";

/** An operation in `/d`, and what is there before it. */
export interface Scenario {
  name: string;
  /** Files by path, synced; a text that starts with an arrow is a link. */
  before: Record<string, string>;
  change: (os: Os, durability: Durability) => Steps<unknown>;
  /** An operation before it, whose last changes are not synced yet. */
  first?: (os: Os, durability: Durability) => Steps<unknown>;
  /** Makes what is not synced when the operation begins: what a power cut makes of that, it can't help. */
  prepare?: (os: Os) => Steps<unknown>;
  /** The paths of what may be there afterwards, or not. */
  mayStay?: RegExp;
  /** Whether made once more, it comes to the same. */
  repeatable: boolean;
  /** Whether it syncs files one by one, as where there is no FFI; else all of a file system. */
  oneByOne?: boolean;
}

const BLOCKS = 3;
const OLD = "old.".repeat(BLOCKS * 128 - 50);
const NEW = "new!".repeat(BLOCKS * 128 - 20);

function file(
  name: string,
  options: FileOptions = {},
  more: Partial<Scenario> = {},
  path = "/d/f",
): Scenario {
  return {
    name,
    before: { "/d/f": OLD },
    change: (os, durability) =>
      writeFile(os, path, syncSource(NEW), fileSettings({ ...options, durability })),
    repeatable: options.overwrite !== false,
    ...more,
  };
}

const ENTRIES: [string, string][] = [["a", "new"], ["new/b", "new"]];
const DIR = { "/d/X/a": "old", "/d/X/own": "own", "/d/X/sub/deep": "deep" };

function dir(
  name: string,
  options: DirOptions,
  more: Partial<Scenario> = {},
  path: string = "/d/X",
): Scenario {
  return {
    name,
    before: DIR,
    change: (os, durability) => {
      const settings = dirSettings({ ...options, durability });
      return persist(os, path, ENTRIES.values(), syncSource, settings);
    },
    repeatable: true,
    ...more,
  };
}

const NOTHING = { before: { "/d/g": "" } };
const CREATED = { ...NOTHING, mayStay: /^\/d\/p$/ };
const ONE_BY_ONE = { oneByOne: true };
/** As long as a name may be, so that the names beside it are shortened. */
const LONG = "X".repeat(255);
/** A version before that is being kept when the power is cut may be gone: docs/guarantees.md. */
const KEPT = /\/\.history-X/;
const HISTORY = { "/d/.history-X/1/a": "older" };

/** Writes of one file. */
export const files: Scenario[] = [
  file("a file is replaced"),
  file("a file is replaced, with a mode", { mode: 0o600 }),
  file("a file is created", {}, NOTHING),
  file("a file is created that must not exist", { overwrite: false }, NOTHING),
  file("a file is created in new directories", {}, { mayStay: /^\/d\/a(\/b)?$/ }, "/d/a/b/f"),
  file("a file is replaced that a link leads to", {}, {
    before: { "/d/f": OLD, "/d/link": "-> f" },
  }, "/d/link"),
  file("a file that has the content already is kept, and synced", { ifChanged: true }, {
    *prepare(os) {
      yield* os.unlink("/d/f");
      yield* os.createWhole("/d/f", 0o640, new TextEncoder().encode(NEW));
    },
  }),
  {
    name: "a file is updated under its lock",
    before: { "/d/f": OLD },
    change: (os, durability) =>
      update(os, "/d/f", () => NEW, syncSource, updateSettings({ durability })),
    repeatable: true,
  },
];

/** Persists of one directory, in all modes. */
export const dirs: Scenario[] = [
  dir("a directory is created", {}, CREATED, "/d/p/X"),
  dir("a directory is created, files synced one by one", {}, {
    ...CREATED,
    ...ONE_BY_ONE,
  }, "/d/p/X"),
  dir("a directory is exchanged", { swap: "exchange" }),
  dir("a directory is exchanged, files synced one by one", { swap: "exchange" }, ONE_BY_ONE),
  dir("a directory is renamed twice", { swap: "rename" }),
  dir("a directory is renamed twice, files synced one by one", { swap: "rename" }, ONE_BY_ONE),
  dir("a directory is renamed twice, for the second time", { swap: "rename" }, {
    before: { "/d/X/a": "old" },
    ...ONE_BY_ONE,
    first: (os, durability) => {
      const settings = dirSettings({ swap: "rename", durability });
      return persist(os, "/d/X", [["a", "mid"] as [string, string]].values(), syncSource, settings);
    },
  }),
  dir("a directory with a long name is renamed twice", { swap: "rename" }, {
    before: { [`/d/${LONG}/a`]: "old" },
    ...ONE_BY_ONE,
  }, `/d/${LONG}`),
  dir("a directory is persisted in place", { swap: "journal", mode: 0o700 }),
  dir("a directory is persisted in place, files synced one by one", {
    swap: "journal",
    carryOver: (path) => path !== "own",
  }, ONE_BY_ONE),
];

/** What else is done with directories. */
export const others: Scenario[] = [
  dir("a directory is exchanged, and the version before kept", {
    swap: "exchange",
    keep: 1,
  }, { mayStay: KEPT }),
  dir("a directory is renamed twice, and the version before kept", {
    swap: "rename",
    keep: 1,
  }, { mayStay: KEPT }),
  {
    name: "a directory is removed",
    before: DIR,
    change: (os, durability) => remove(os, "/d/X", removeSettings({ durability })),
    repeatable: true,
  },
  {
    name: "a file is removed that is gone already",
    before: { "/d/f": OLD },
    prepare: (os) => os.unlink("/d/f"),
    change: (os, durability) => remove(os, "/d/f", removeSettings({ durability })),
    repeatable: true,
  },
  {
    name: "a file is removed",
    before: { "/d/f": OLD },
    change: (os, durability) => remove(os, "/d/f", removeSettings({ durability })),
    repeatable: true,
  },
  ...(["exchange", "rename"] as const).map((swap): Scenario => ({
    name: `a directory is rolled back (${swap})`,
    before: { ...DIR, ...HISTORY },
    change: (os, durability) => rollBack(os, "/d/X", rollbackSettings({ swap, durability })),
    repeatable: false,
  })),
  ...[true, false].map((exchanges): Scenario => ({
    name: `a transaction of files and a directory (${exchanges ? "exchange" : "two renames"})`,
    before: { ...DIR, "/d/f": "old", "/d/gone": "old", "/d/moved": "moved" },
    change: (os, durability) => transact(exchanges ? os : withoutExchange(os), durability),
    mayStay: /^\/d\/deep$/,
    repeatable: false,
    oneByOne: exchanges,
  })),
];

/** A transaction whose changes are each in another directory. */
export const deep: Scenario = {
  name: "a transaction of files in directories",
  before: { "/d/one/f": "old", "/d/other/g": "old" },
  change: (os, durability) =>
    transaction(os, durability, function* (stage) {
      yield* stage.write("one/f", syncSource("new"), undefined);
      yield* stage.write("other/g", syncSource("new"), undefined);
    }),
  repeatable: true,
};

function transact(os: Os, durability: Durability): Steps<unknown> {
  const settings = transactionSettings({ durability });
  return transaction(os, durability, function* (stage) {
    yield* stage.write("f", syncSource("new"), undefined);
    yield* stage.write("deep/g", syncSource("new"), undefined);
    yield* stage.persist("X", partSettings({}, settings), function* (x) {
      for (const [path, text] of ENTRIES) yield* x.write(path, syncSource(text));
    });
    yield* stage.remove("gone");
    yield* stage.rename("moved", "deep/here");
  });
}

function* transaction(
  os: Os,
  durability: Durability,
  change: (stage: TransactionStage) => Steps<void>,
): Steps<unknown> {
  const stage = new TransactionStage(os, "/d", transactionSettings({ durability }));
  try {
    yield* stage.open();
    yield* change(stage);
    return yield* stage.commit();
  } catch (error) {
    throw yield* stage.fail(error);
  }
}

/** A port that has no exchange. */
export function withoutExchange(os: Os): Os {
  // deno-lint-ignore require-yield
  const no = function* (): Steps<boolean> {
    return false;
  };
  return { ...os, canExchange: no };
}
