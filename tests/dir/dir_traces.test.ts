/** The calls that a persist makes, for each durability and swap; what is synced, and when. */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { syncSource } from "../../lib/stage/content.ts";
import { type DirOptions, dirSettings } from "../../lib/dir/dir_options.ts";
import { partSettings, transactionSettings } from "../../lib/transaction/transaction_options.ts";
import { systemCalls } from "../../lib/os/system.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import type { Durability } from "../../lib/core/options.ts";
import type { Os } from "../../lib/os/port.ts";
import { runSync, type Steps, waitFor } from "../../lib/core/steps.ts";
import { TransactionStage } from "../../lib/transaction/transaction_stage.ts";
import { persistDir, persistDirSync, UntornError } from "../../mod.ts";
import { assertEquals, assertRejects } from "../helpers/assert.ts";
import { mounted, noMount } from "../helpers/mount.ts";
import { watched } from "../helpers/ports.ts";
import { inTemp } from "../helpers/temp.ts";

/** The calls that change or sync something, with names in the place of paths and handles. */
function changes(dir: string, operation: (os: Os) => Steps<unknown>): string[] {
  const log: string[] = [];
  const handles = new Map<unknown, string>();
  const short = (path: unknown): string =>
    String(path).slice(dir.length + 1).replace(/-[0-9a-f]{12}/, "-T").replace(/\/$/, "") || ".";
  const silent = [
    "lstat",
    "fstat",
    "readdir",
    "realpath",
    "tryLock",
    "read",
    "canExchange",
    "canLock",
    "close",
  ];
  const port = watched(
    // Without syncfs, as without FFI: the syncs are seen one by one.
    { ...systemCalls().sync, openFs: () => waitFor(undefined) },
    ({ name, args }) => {
      if (silent.includes(name) || name.startsWith("open")) return;
      const [first, second] = args.filter((arg) => typeof arg === "string");
      const what = first === undefined ? handles.get(args[0]) : short(first);
      log.push([name, what, second && `> ${short(second)}`].filter(Boolean).join(" "));
    },
    ({ name, args }, answer) => {
      if (name === "create" || name.startsWith("open")) handles.set(answer, short(args[0]));
    },
  );
  runSync(operation(port));
  return log;
}

function plant(dir: string): void {
  mkdirSync(join(dir, "X/own"), { recursive: true });
  writeFileSync(join(dir, "X/own/file"), "own");
  writeFileSync(join(dir, "X/a"), "1");
  // The probe for exchanges is made once for a file system, and would be in the first trace only.
  persistDirSync(join(dir, "probe"), {});
  persistDirSync(join(dir, "probe"), {});
}

const stage = ["mkdir .staging-X", "create .staging-X/a", "write .staging-X/a"];
const more = ["mkdir .staging-X/sub", "createWhole .staging-X/sub/b"];
const carry = ["mkdir .staging-X/own", "link X/own/file > .staging-X/own/file"];
const files = ["fsync .staging-X/sub/b", "fsync .staging-X/a"];
const lock = ["write .lock-X"];
const claim = ["fsync .lock-X", "fsync ."];
const drain = [
  ...["unlink .trash-T/a", "unlink .trash-T/own/file", "rmdir .trash-T/own", "rmdir .trash-T"],
];

const traces: [string, DirOptions, string[]][] = [
  ["full, exchange", { swap: "exchange" }, [
    ...[...lock, ...stage, ...more, ...files, ...carry],
    ...["fsync .staging-X/sub", "chmod .staging-X/own", "utime .staging-X/own"],
    ...["fsync .staging-X/own", "fsync .staging-X", ...claim],
    ...["exchange .staging-X > X", "rename .staging-X > .trash-T", "fsync ."],
    ...[...drain, "unlink .lock-X"],
  ]],
  ["file, two renames", { swap: "rename", durability: "file" }, [
    ...[...lock, ...stage, ...more, ...files, ...carry],
    ...["fsync .staging-X/sub", "chmod .staging-X/own", "utime .staging-X/own"],
    ...["fsync .staging-X/own", "fsync .staging-X", ...claim],
    ...["rename X > .old-X", "rename .staging-X > X", "rename .old-X > .trash-T", "fsync ."],
    ...[...drain, "unlink .lock-X"],
  ]],
  ["none, exchange, no lock", { swap: "exchange", durability: "none", lock: false }, [
    ...[...stage, ...more, ...carry, "chmod .staging-X/own", "utime .staging-X/own"],
    ...["exchange .staging-X > X", "rename .staging-X > .trash-T", ...drain],
  ]],
];

const journal = ["mkdir .txn-T", "rename .staging-X > .txn-T/0", "create .txn-T/changes"];
const inPlace = ["rename .commit-T/0/a > X/a", "rename .commit-T/0/sub > X/sub", "utime X"];
const recorded = ["write .txn-T/changes"];

traces.push(
  ["full, in place", { swap: "journal" }, [
    ...[...lock, ...stage, ...more, ...files, "fsync .staging-X/sub", "fsync .staging-X"],
    ...[...journal, ...recorded, "fsync .txn-T/changes", "fsync .txn-T"],
    ...["rename .txn-T > .commit-T", "fsync .", ...inPlace, "fsync X"],
    ...["rename .commit-T > .trash-T", "fsync .", "removeTree .trash-T", "unlink .lock-X"],
  ]],
  ["none, in place", { swap: "journal", durability: "none" }, [
    ...[...lock, ...stage, ...more, ...journal, ...recorded, "rename .txn-T > .commit-T"],
    ...[...inPlace, "rename .commit-T > .trash-T", "removeTree .trash-T", "unlink .lock-X"],
  ]],
);

/** A file is replaced, a directory, a file removed. */
function* transact(os: Os, root: string, durability: Durability): Steps<void> {
  const settings = transactionSettings({ durability });
  const stage = new TransactionStage(os, root, settings);
  yield* stage.open();
  yield* stage.write("a", syncSource("2"), undefined);
  yield* stage.persist("own", partSettings({ carryOver: false }, settings), function* (dir) {
    yield* dir.write("b", syncSource("2"));
  });
  yield* stage.remove("c");
  yield* stage.commit();
}

test(
  "a transaction makes just these changes, in this order, and syncs what its durability says",
  inTemp((dir) => {
    const root = join(dir, "X");
    const staged = ["mkdir X/.txn-T", "create X/.txn-T/0", "write X/.txn-T/0"];
    const change = ["rename X/.commit-T/0 > X/a", "exchange X/.commit-T/1 > X/own"];
    const remove = ["rename X/c > X/.commit-T/2"];
    const end = ["rename X/.commit-T/1 > X/.trash-T", "unlink X/.trash-T/file", "rmdir X/.trash-T"];
    const last = ["unlink X/.lock-own", "rename X/.commit-T > X/.trash-T"];
    const synced: Record<Durability, (calls: string[]) => string[]> = {
      full: (calls) => calls,
      file: (calls) => calls,
      none: () => [],
    };
    for (const durability of ["full", "file", "none"] as const) {
      plant(dir);
      writeFileSync(join(root, "c"), "1");
      const sync = synced[durability];
      const expected = [
        ...["write .lock-X", ...staged, ...sync(["fsync X/.txn-T/0"])],
        ...["write X/.lock-own", "mkdir X/.txn-T/1", "createWhole X/.txn-T/1/b"],
        ...sync(["fsync X/.txn-T/1/b"]),
        ...sync(["fsync X/.txn-T/1", "fsync X/.lock-own", "fsync X"]),
        ...["create X/.txn-T/changes", "write X/.txn-T/changes"],
        ...sync(["fsync X/.txn-T/changes", "fsync X/.txn-T"]),
        ...["rename X/.txn-T > X/.commit-T", ...sync(["fsync X"])],
        ...[...change, ...remove, ...end, ...last, ...sync(["fsync X"])],
        ...["removeTree X/.trash-T", "unlink .lock-X"],
      ];
      assertEquals(changes(dir, (os) => transact(os, root, durability)), expected);
      rmSync(root, { recursive: true });
    }
  }),
);

for (const [name, options, expected] of traces) {
  test(
    `a persist with ${name} makes just these changes, in this order`,
    inTemp((dir) => {
      plant(dir);
      const entries = Object.entries({ a: "2", "sub/b": "2" }).values();
      const found = changes(
        dir,
        (os) => persist(os, join(dir, "X"), entries, syncSource, dirSettings(options)),
      );
      // In which order a directory lists its entries is the file system's affair.
      const sortRuns = (calls: string[]): string[] => {
        const own = (call: string): boolean =>
          /^(unlink .trash|rmdir .trash-T\/|fsync .staging-X\/|rename .commit-T\/0)/.test(call);
        return calls.map((call, i) =>
          own(call) && own(calls[i - 1] ?? "") ? "" : own(call) ? "…" : call
        )
          .filter(Boolean).concat(calls.filter(own).sort());
      };
      assertEquals(sortRuns(found), sortRuns(expected));
      assertEquals(readdirSync(dir).sort(), ["X", "probe"]);
    }),
  );
}

test(
  "a mount point is not replaced, and one within a directory is not left out",
  { skip: noMount },
  inTemp(async (dir) => {
    const x = join(dir, "X");
    await persistDir(x, { a: "1" });
    await mounted(join(x, "sub"), async () => {
      writeFileSync(join(x, "sub/file"), "there");
      const inside = await assertRejects(() => persistDir(x, { a: "2" }), UntornError, "EXDEV");
      assertEquals([inside.code, inside.path, inside.outcome], [
        ...["EXDEV", join(x, "sub"), "unchanged"],
      ]);
      const itself = await assertRejects(() => persistDir(join(x, "sub"), { a: "2" }), UntornError);
      assertEquals([itself.code, itself.outcome], ["EBUSY", "unchanged"]);
      assertEquals(readFileSync(join(x, "sub/file"), "utf8"), "there");
    });
    assertEquals(readdirSync(dir), ["X"]);
  }),
);
