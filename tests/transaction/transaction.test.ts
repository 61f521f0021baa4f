/** What transactions change, together or not at all; what they refuse; what crashes leave of them. */

import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cleanUp } from "../../lib/recovery/cleanup.ts";
import { cleanupSettings } from "../../lib/recovery/cleanup_options.ts";
import { syncSource } from "../../lib/stage/content.ts";
import { dirSettings } from "../../lib/dir/dir_options.ts";
import { partSettings, transactionSettings } from "../../lib/transaction/transaction_options.ts";
import { EntrySource } from "../../lib/stage/entries.ts";
import { systemCalls } from "../../lib/os/system.ts";
import type { Os } from "../../lib/os/port.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import { runSync, type Steps } from "../../lib/core/steps.ts";
import { TransactionStage } from "../../lib/transaction/transaction_stage.ts";
import {
  atomicWriteSync,
  cleanupSync,
  historySync,
  inspectSync,
  lockSync,
  persistDirSync,
  type SyncDirEntries,
  transaction,
  type TransactionOptions,
  type TransactionResult,
  type TransactionSync,
  transactionSync,
  UntornError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "../helpers/assert.ts";
import { mounted, noMount } from "../helpers/mount.ts";
import { asyncForm, drivers, failing, killAfter, watched } from "../helpers/ports.ts";
import {
  hidden,
  programCommand,
  run as runProgram,
  runtime,
  start,
  until,
} from "../helpers/runtime.ts";
import { isLong, isMine } from "../helpers/share.ts";
import { inMemory, inTemp } from "../helpers/temp.ts";
import { type Tree, tree } from "../helpers/tree.ts";

type Run = (
  root: string,
  change: (tx: TransactionSync) => void,
  options?: TransactionOptions,
) => Promise<TransactionResult>;

const forms: [string, Run][] = [
  // The calls are made in their order, awaited or not.
  ["async", (root, change, options) => transaction(root, (tx) => change(tx as never), options)],
  // deno-lint-ignore require-await
  ["sync", async (root, change, options) => transactionSync(root, change, options)],
];

function plant(root: string): void {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, "dir/sub"), { recursive: true });
  mkdirSync(join(root, "site/own"), { recursive: true });
  for (const path of ["a", "b", "c", "dir/sub/d", "own", "site/index", "site/own/e"]) {
    writeFileSync(join(root, path), `old ${path}`);
  }
}

const OLD: Tree = {
  "a": "old a",
  "b": "old b",
  "c": "old c",
  "dir/": "",
  "dir/sub/": "",
  "dir/sub/d": "old dir/sub/d",
  "own": "old own",
  "site/": "",
  "site/index": "old site/index",
  "site/own/": "",
  "site/own/e": "old site/own/e",
};

/**
 * Files replaced, created in new directories and renamed, a tree and a file removed, a directory replaced
 * with what it carries over, and one created.
 */
const NEW: Tree = {
  "a": "new a",
  "moved": "old c",
  "new/": "",
  "new/dir/": "",
  "new/dir/f": "new f",
  "own": "old own",
  "site/": "",
  "site/css/": "",
  "site/css/main": "new main",
  "site/index": "new index",
  "site/own/": "",
  "site/own/e": "old site/own/e",
  "x/": "",
  "x/y/": "",
  "x/y/z": "new z",
};

function change(tx: TransactionSync): void {
  tx.write("a", "new a");
  tx.write("x/y/z", "new z");
  tx.remove("dir");
  tx.remove("b");
  tx.rename("c", "moved");
  tx.persistDir("site", SITE);
  tx.persistDir("new/dir", (stage) => stage.write("f", "new f"));
}

const SITE = { "index": "new index", "css/main": "new main" };

function* steps(os: Os, root: string, options?: TransactionOptions): Steps<unknown> {
  const settings = transactionSettings(options);
  const stage = new TransactionStage(os, root, settings);
  const persist = (path: string, entries: SyncDirEntries): Steps<void> => {
    const source = new EntrySource(entries, syncSource, undefined);
    const part = partSettings(undefined, settings);
    return stage.persist(path, part, (dir) => source.writeTo(dir));
  };
  try {
    yield* stage.open();
    yield* stage.write("a", syncSource("new a"), undefined);
    yield* stage.write("x/y/z", syncSource("new z"), undefined);
    yield* stage.remove("dir");
    yield* stage.remove("b");
    yield* stage.rename("c", "moved");
    yield* persist("site", SITE);
    yield* persist("new/dir", { f: "new f" });
    return yield* stage.commit();
  } catch (error) {
    throw yield* stage.fail(error);
  }
}

for (const [form, run] of forms) {
  test(
    `files are written and renamed, files and trees removed, and the result lists it (${form})`,
    inTemp(async (dir) => {
      const root = join(dir, "root");
      plant(root);
      chmodSync(join(root, "a"), 0o640);
      const result = await run(root, change);
      assertEquals(tree(root), NEW);
      assertEquals(statSync(join(root, "a")).mode & 0o777, 0o640);
      persistDirSync(join(dir, "other"), {});
      const { swap } = persistDirSync(join(dir, "other"), {});
      rmSync(join(dir, "other"), { recursive: true });
      assertEquals(result, {
        path: root,
        changes: [
          { do: "write", path: "a" },
          { do: "write", path: "x/y/z" },
          { do: "remove", path: "dir" },
          { do: "remove", path: "b" },
          { do: "rename", path: "c", to: "moved" },
          { do: "persist", path: "site", swap, written: 2, carried: 1, rescued: [] },
          {
            do: "persist",
            path: "new/dir",
            swap: "create",
            written: 1,
            carried: 0,
            rescued: [],
          },
        ],
        durability: "full",
        warnings: [],
      });
      assertEquals(readdirSync(dir), ["root"]);
    }),
  );

  test(
    `what the function throws, or is refused, changes nothing (${form})`,
    inTemp(async (dir) => {
      const root = join(dir, "root");
      plant(root);
      const cause = new RangeError("enough");
      const throwing = (tx: TransactionSync): void => {
        tx.write("a", "new");
        throw cause;
      };
      const error = await assertRejects(() => run(root, throwing), UntornError, "enough");
      assertEquals([error.code, error.outcome, error.cause], ["ERR_SOURCE", "unchanged", cause]);
      const refused: [string, (tx: TransactionSync) => void][] = [
        ["outside", (tx) => tx.write("../out", "")],
        ["outside", (tx) => tx.write(join(dir, "out"), "")],
        ['part ".."', (tx) => tx.write("dir/../../out", "")],
        ["empty", (tx) => tx.remove(root)],
        ["already changed", (tx) => (tx.write("a", "1"), tx.write("a", "2"))],
        ["already changed", (tx) => (tx.write("a", "1"), tx.remove("./a"))],
        ["already changed", (tx) => (tx.remove("dir"), tx.write("dir/sub/d", "2"))],
        ["already changed", (tx) => (tx.write("dir/sub/d", "2"), tx.rename("dir", "x"))],
        ["already changed", (tx) => tx.rename("a", "a")],
        ["a cleanup may remove", (tx) => tx.write(".staging-x", "")],
        ["mode", (tx) => tx.write("a", "1", { mode: -1 })],
        ["not JSON", (tx) => tx.writeJson("a", undefined)],
        ["content", (tx) => tx.write("a", 1 as never)],
        ["is a directory", (tx) => tx.write("dir", "1")],
        ["exists already", (tx) => tx.rename("a", "dir")],
        ["ENOENT", (tx) => tx.rename("missing", "x")],
      ];
      for (const [words, change] of refused) {
        const first = (tx: TransactionSync): void => {
          tx.write("own", "changed");
          change(tx);
        };
        await assertRejects(() => run(root, first), Error, words);
        assertEquals([tree(root), readdirSync(dir)], [OLD, ["root"]], words);
      }
    }),
  );

  test(
    `links stay, and lead to nothing outside the root (${form})`,
    inTemp(async (dir) => {
      const root = join(dir, "root");
      plant(root);
      mkdirSync(join(dir, "outside"));
      writeFileSync(join(dir, "outside/file"), "outside");
      symlinkSync("../outside/file", join(root, "to-file"));
      symlinkSync("../outside", join(root, "to-dir"));
      symlinkSync("dir/sub", join(root, "within"));
      for (const path of ["to-file", "to-dir/file", "to-dir/new"]) {
        await assertRejects(() => run(root, (tx) => tx.write(path, "")), UntornError, "outside");
      }
      await assertRejects(() => run(root, (tx) => tx.remove("to-dir/file")), UntornError);
      const twice = (tx: TransactionSync): void => {
        tx.write("within/d", "1");
        tx.write("dir/sub/d", "2");
      };
      await assertRejects(() => run(root, twice), TypeError, "already changed");
      await run(root, (tx) => {
        tx.write("within/d", "new");
        tx.remove("to-file");
      });
      const found = tree(root);
      assertEquals([found["dir/sub/d"], found["within"], found["to-file"]], [
        "new",
        "-> dir/sub",
        undefined,
      ]);
      assertEquals(readFileSync(join(dir, "outside/file"), "utf8"), "outside");
    }),
  );

  test(
    `an empty transaction, a missing root, a file as root, a lock that is held (${form})`,
    inTemp(async (dir) => {
      const root = join(dir, "root");
      await assertRejects(() => run(root, change), UntornError, "ENOENT");
      plant(root);
      assertEquals((await run(root, (tx) => tx.remove("missing"))).changes, []);
      await assertRejects(() => run(join(root, "a"), change), UntornError, "ENOTDIR");
      await assertRejects(async () => await run(root, 1 as never), TypeError, "function");
      const wrong = { swap: "auto" } as TransactionOptions;
      await assertRejects(async () => await run(root, change, wrong), TypeError, "swap");
      const held = lockSync(root);
      try {
        const error = await assertRejects(() => run(root, change, { wait: 0 }), UntornError);
        assertEquals([error.code, tree(root)], ["ERR_LOCKED", OLD]);
        await run(root, change, { lock: false, durability: "none" });
      } finally {
        held.release();
      }
      assertEquals(tree(root), NEW);
    }),
  );
}

test(
  "a synchronous transaction refuses an asynchronous function, an aborted one changes nothing",
  inTemp(async (dir) => {
    const root = join(dir, "root");
    plant(root);
    const later = (async () => {}) as unknown as () => void;
    assertThrows(() => transactionSync(root, later), TypeError, "asynchronous");
    const abort = new AbortController();
    const reason = new Error("enough");
    const never = transaction(root, async (tx) => {
      await tx.write("a", "new");
      await new Promise(() => {});
    }, { signal: abort.signal });
    setTimeout(() => abort.abort(reason), 20);
    assertEquals(await never.catch((error) => error), reason);
    // One that is aborted before the function is called, and what it then calls fails late.
    const early = new AbortController();
    const late = transaction(root, async (tx) => {
      early.abort(reason);
      await tx.write("a", "new");
    }, { signal: early.signal });
    assertEquals(await late.catch((error) => error), reason);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals([tree(root), readdirSync(dir)], [OLD, ["root"]]);
  }),
);

test(
  "what somebody makes or changes between commit and cleanup is newer, and stays",
  inTemp(async (dir) => {
    const root = join(dir, "root");
    plant(root);
    // Killed as the first change would be made.
    let seen = false;
    const os = systemCalls().sync;
    for (let k = 1; !seen; k++) {
      plant(root);
      await killAfter(k, os, (port) => steps(port, root));
      seen = readdirSync(root).some((name) => name.startsWith(".commit-"));
    }
    rmSync(join(root, "a"));
    mkdirSync(join(root, "a"));
    writeFileSync(join(root, "a/users"), "text");
    writeFileSync(join(root, "b"), "newer b");
    const before = tree(root);
    const told = inspectSync(root);
    assertEquals(tree(root), before);
    const { rolledForward, failed } = cleanupSync(root);
    assertEquals([rolledForward, failed], [told.rolledForward, []]);
    const { a: _, ...others } = NEW;
    assertEquals(rolledForward.length, 1);
    assertEquals(tree(root), { "a/": "", "a/users": "text", "b": "newer b", ...others });
  }),
);

for (const { form, os, run } of drivers) {
  test(
    `what appears in a directory while a transaction replaces it is rescued (${form})`,
    inTemp(async (dir) => {
      const root = join(dir, "root");
      plant(root);
      const late = watched(os(), ({ name, args }) => {
        if (name !== "rename" || !String(args[1]).includes(".commit-")) return;
        writeFileSync(join(root, "site/late"), "late");
      });
      const { changes } = await run(steps(late, root)) as TransactionResult;
      const { rescued } = changes.find(({ path }) => path === "site") as { rescued: string[] };
      assertEquals([rescued, tree(root)], [["late"], sorted({ ...NEW, "site/late": "late" })]);
    }),
  );
}

for (
  const [what, port] of [["exchange", (os: Os) => os], ["two renames", withoutExchange]] as const
) {
  test(
    `what is persisted and written after a kill, before any cleanup, is newer than the transaction (${what})`,
    inMemory(async (dir) => {
      const root = join(dir, "root");
      const site = join(root, "site");
      const ends = new Set<string>();
      for (let k = 1, killed = true; killed; k++) {
        if (!isMine(k)) continue;
        plant(root);
        const os = port(systemCalls().sync);
        killed = await killAfter(k, os, (os) => steps(os, root));
        persistDirSync(site, { index: "newest index" }, { durability: "none" });
        atomicWriteSync(join(root, "a"), "newest a", { durability: "none" });
        cleanupSync(root, { recursive: true });
        const newest = { "a": "newest a", "site/index": "newest index" };
        const end = JSON.stringify(tree(root));
        const expected = [OLD, NEW].map((tree) => JSON.stringify({ ...tree, ...newest }));
        assert(expected.includes(end), `killed after call ${k}: ${end}`);
        ends.add(end);
      }
      assertEquals(ends.size, 2);
    }),
  );
}

test(
  "versions that a transaction keeps, also one that a cleanup brings to its end",
  inTemp(async (dir) => {
    const x = join(dir, "root/X");
    const root = join(dir, "root");
    mkdirSync(root);
    const write = (text: string): unknown =>
      transactionSync(root, (tx) => tx.persistDir("X", { text }, { keep: 3 }));
    for (const text of ["1", "2", "3"]) write(text);
    assertEquals(historySync(x).map(({ version }) => version), [1, 2]);
    for (let k = 1, seen = false; !seen; k++) {
      await killAfter(k, systemCalls().sync, function* (os) {
        const settings = transactionSettings({});
        const stage = new TransactionStage(os, root, settings);
        yield* stage.open();
        yield* stage.persist("X", partSettings({ keep: 3 }, settings), function* (dir) {
          yield* dir.write("text", syncSource("4"));
        });
        yield* stage.commit();
      });
      seen = readdirSync(root).some((name) => name.startsWith(".commit-"));
      cleanupSync(root);
    }
    assertEquals(readFileSync(join(x, "text"), "utf8"), "4");
    assertEquals(historySync(x).map(({ path }) => readFileSync(join(path, "text"), "utf8")), [
      "1",
      "2",
      "3",
    ]);
  }),
);

function sorted(tree: Tree): Tree {
  return Object.fromEntries(Object.entries(tree).sort(([one], [other]) => one < other ? -1 : 1));
}

/** A port on a system that has no exchange. */
function withoutExchange(os: Os): Os {
  // deno-lint-ignore require-yield
  const no = function* (): Steps<boolean> {
    return false;
  };
  return { ...os, canExchange: no };
}

test(
  `whichever call of a transaction fails: all or nothing, also after a cleanup `,
  inMemory(async (dir) => {
    const root = join(dir, "root");
    const outcomes = new Set<string>();
    for (const code of ["EIO", "ENOSPC"]) {
      for (let k = 1, ended = false; !ended; k++) {
        if (!isMine(k)) continue;
        plant(root);
        let made = 0;
        const port = watched(failing(asyncForm.os(), code, k), () => made++);
        const result: unknown = await asyncForm.run(steps(port, root)).catch((error) => error);
        ended = made < k;
        const where = `${code} at call ${k}: ${result}`;
        if (result instanceof UntornError) {
          outcomes.add(result.outcome);
          if (result.outcome === "unchanged" && !result.message.includes("not be removed")) {
            assertEquals(tree(root), OLD, where);
          }
        } else if (result instanceof Error) throw result;
        else assertEquals({ ...tree(root), ...NEW }, tree(root), where);
        cleanupSync(root, { recursive: true });
        const after = result instanceof UntornError && result.outcome === "unchanged" ? OLD : NEW;
        // What could not be emptied was kept, and told.
        const told = result instanceof Error ? "" : (result as TransactionResult).warnings.join();
        const isKept = (path: string): boolean =>
          path.startsWith(".corrupt-") && told.includes(path.split("/")[0]!);
        const found = Object.entries(tree(root)).filter(([path]) => !isKept(path));
        assertEquals(Object.fromEntries(found), after, where);
      }
    }
    assertEquals([...outcomes].sort(), ["replaced", "unchanged"]);
  }),
);

for (const { form, os } of drivers) {
  test(
    `killed after any call, and the cleanup too: all or nothing, and nothing left (${form})`,
    inMemory(async (dir) => {
      const root = join(dir, "root");
      const ends = new Set<string>();
      let last = 0;
      for (let k = 1, killed = true; killed; k++) {
        if (!isMine(k)) continue;
        plant(root);
        killed = await killAfter(k, os(), (port) => steps(port, root));
        if (form === "sync") {
          // A cleanup that is killed after each of its calls, one after the other, on what is left.
          for (let j = 1, again = true; again && j < 120; j++) {
            const cleaning = (port: Os) =>
              cleanUp(port, root, cleanupSettings({ recursive: true }), true);
            again = await killAfter(j, os(), cleaning);
          }
        }
        const { failed, skipped } = cleanupSync(root, { recursive: true });
        assertEquals([failed, skipped], [[], []], `killed after call ${k}`);
        const end = JSON.stringify(tree(root));
        assert([OLD, NEW].some((tree) => JSON.stringify(tree) === end), `call ${k}: ${end}`);
        assertEquals(cleanupSync(root).removed, []);
        ends.add(end);
        last = k;
      }
      assertEquals(ends.size, 2);
      assert(last > 20, `only ${last} calls`);
    }),
  );
}

test(
  "after kill -9 at any moment a cleanup leaves all of a transaction or nothing",
  inTemp(async (dir) => {
    const [root, acks] = [join(dir, "root"), join(dir, "acks")];
    mkdirSync(root);
    let last = 0;
    const kills = isLong ? 100 : 6;
    for (let kill = 0; kill < kills; kill++) {
      writeFileSync(acks, "");
      const args = [root, `${last + 1}`, acks];
      const { child, ended } = start(programCommand("tests/fixtures/transactor.ts", args));
      try {
        await until(() => readFileSync(acks, "utf8") !== "");
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
      } finally {
        process.kill(child.pid!, "SIGKILL");
      }
      await ended;
      const { failed, skipped } = cleanupSync(root, { recursive: true });
      assertEquals([failed, skipped], [[], []]);
      const names = ["a", "b", "c/d", "c/e", "site/index", "site/css/main"];
      const versions = names.map((name) => readFileSync(join(root, name), "utf8"));
      const promised = Number(readFileSync(acks, "utf8").trim().split("\n").at(-1));
      last = Number(versions[0]);
      assertEquals([new Set(versions).size, last >= promised], [1, true], versions.join());
      const marks = readdirSync(root).filter((name) => name.startsWith("mark"));
      assertEquals(marks, [`mark${last}`]);
      assertEquals(hidden(root), []);
    }
    cleanupSync(dir);
    assertEquals(readdirSync(dir).sort(), ["acks", "root"]);
  }),
);

test(
  "transactions of 4 processes on one root come one after the other",
  inTemp(async (dir) => {
    const root = join(dir, "root");
    mkdirSync(root);
    const command = programCommand("tests/fixtures/adder.ts", [root, "25"]);
    const ended = await Promise.all([1, 2, 3, 4].map(() => runProgram(command)));
    assertEquals(ended.map(({ stdout, code }) => [stdout, code]), ended.map(() => ["", 0]));
    assertEquals(tree(root), { count: "100", "site/": "", "site/count": "100" });
    assertEquals(readdirSync(dir), ["root"]);
  }),
);

test(
  "the files of a large transaction are synced together, where that can be had",
  inTemp((dir) => {
    const calls: string[] = [];
    const noted = watched(systemCalls().sync, ({ name, args }) => {
      if (/fsync|Fs$/i.test(name)) calls.push(name);
      if (name === "rename" && String(args[1]).includes(".commit-")) calls.push("commit");
    });
    runSync((function* (os: Os): Steps<void> {
      const stage = new TransactionStage(os, dir, transactionSettings({ lock: false }));
      yield* stage.open();
      for (let i = 0; i < 30; i++) yield* stage.write(`file${i}`, syncSource("1"), undefined);
      yield* stage.commit();
    })(noted));
    const together = calls.includes("syncFs");
    const files = together ? Array(8).fill("fsync") : Array(30).fill("fsync");
    const all = together ? ["openFs", "syncFs", "closeFs"] : ["openFs"];
    // Then the record and the transaction's directory; after the commit, the root twice.
    const rest = ["fsync", "fsync", "commit", "fsync", "fsync"];
    const expected = [...files, ...all, ...rest].sort();
    assertEquals([...calls].sort(), expected);
    assertEquals(calls.slice(-5), rest);
    assert(together || runtime === "node" || process.platform !== "linux", "there is no syncfs");
  }),
);

test(
  "a committed transaction that another user may have planted is refused, and stays",
  { skip: process.getuid?.() === 0 ? false : "it takes root to give files away" },
  inTemp(async (dir) => {
    const root = join(dir, "root");
    let commit: string | undefined;
    for (let k = 1; commit === undefined; k++) {
      plant(root);
      await killAfter(k, systemCalls().sync, (port) => steps(port, root));
      commit = readdirSync(root).find((name) => name.startsWith(".commit-"));
    }
    chownSync(join(root, commit), 1234, 1234);
    const before = tree(root);
    const { failed, rolledForward } = cleanupSync(root);
    assertEquals([failed.length, rolledForward, tree(root)], [1, [], before]);
    assertMatch(failed[0]!.reason, /belongs to another user/);
    await assertRejects(
      async () => await transaction(root, () => {}),
      UntornError,
      "belongs to another user",
    );
    // Its owner's root is his to change.
    chownSync(root, 1234, 1234);
    assertEquals(cleanupSync(root, { recursive: true }).failed, []);
    assertEquals(tree(root), NEW);
  }),
);

test(
  "what is on another file system is refused before anything is staged",
  { skip: noMount },
  inTemp(async (dir) => {
    const root = join(dir, "root");
    plant(root);
    await mounted(join(root, "dir/mount"), async () => {
      writeFileSync(join(root, "dir/mount/file"), "there");
      const before = tree(root);
      const refused: [string, (tx: TransactionSync) => void][] = [
        ["another file system", (tx) => tx.write("dir/mount/file", "")],
        ["another file system", (tx) => tx.write("dir/mount/new", "")],
        ["another file system", (tx) => tx.remove("dir/mount/file")],
        ["another file system", (tx) => tx.rename("a", "dir/mount/a")],
        ["another file system", (tx) => tx.persistDir("dir/mount", {})],
        ["another file system", (tx) => tx.persistDir("dir", {})],
        ["mount point", (tx) => tx.remove("dir")],
      ];
      for (const [words, change] of refused) {
        const both = (tx: TransactionSync): void => {
          tx.write("own", "changed");
          change(tx);
        };
        await assertRejects(async () => await transactionSync(root, both), UntornError, words);
        assertEquals(tree(root), before, `${change}`);
      }
    });
  }),
);

for (const swap of ["rename", "journal"] as const) {
  test(
    `a directory that a transaction removes or renames stays away, though a persist of it was cut off (${swap})`,
    inTemp(async (dir) => {
      const os = systemCalls().sync;
      for (const change of ["remove", "rename"] as const) {
        let kills = 0;
        for (let k = 1;; k++) {
          const root = join(dir, `${change}${k}`);
          mkdirSync(join(root, "X"), { recursive: true });
          const settings = dirSettings({ swap, durability: "none" });
          const entries = [["a", "1"] as [string, string]].values();
          const killed = await killAfter(
            k,
            os,
            (os) => persist(os, join(root, "X"), entries, syncSource, settings),
          );
          if (!killed) break;
          kills++;
          transactionSync(
            root,
            (tx) => change === "remove" ? tx.remove("X") : tx.rename("X", "Y"),
            { durability: "none" },
          );
          cleanupSync(root);
          assertEquals(
            readdirSync(root),
            change === "remove" ? [] : ["Y"],
            `killed after call ${k}`,
          );
        }
        assert(kills > 5, `only ${kills} kills`);
      }
    }),
  );
}
