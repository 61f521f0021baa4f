/** persistDir() with the swap "journal": what stays untouched, what crashes and faults leave, what is refused. */

import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cleanUp } from "../../lib/recovery/cleanup.ts";
import { cleanupSettings } from "../../lib/recovery/cleanup_options.ts";
import { syncSource } from "../../lib/stage/content.ts";
import { dirSettings } from "../../lib/dir/dir_options.ts";
import { journalName } from "../../lib/core/names.ts";
import { systemCalls } from "../../lib/os/system.ts";
import type { Os } from "../../lib/os/port.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import type { Steps } from "../../lib/core/steps.ts";
import {
  atomicRemoveSync,
  cleanupSync,
  type DirOptions,
  persistDir,
  persistDirSync,
  readStable,
  type SyncDirEntries,
  UntornError,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { asyncForm, drivers, failing, killAfter, watched } from "../helpers/ports.ts";
import { isMine } from "../helpers/share.ts";
import { inMemory, inTemp } from "../helpers/temp.ts";
import { type Tree, tree } from "../helpers/tree.ts";

const JOURNAL: DirOptions = { swap: "journal", durability: "none" };

function plant(x: string): void {
  rmSync(x, { recursive: true, force: true });
  mkdirSync(join(x, "sub"), { recursive: true });
  mkdirSync(join(x, "own/dir"), { recursive: true });
  for (const path of ["a", "sub/b", "own/dir/c", "own/d"]) {
    writeFileSync(join(x, path), `old ${path}`);
  }
}

const OLD: Tree = {
  "a": "old a",
  "own/": "",
  "own/d": "old own/d",
  "own/dir/": "",
  "own/dir/c": "old own/dir/c",
  "sub/": "",
  "sub/b": "old sub/b",
};

const ENTRIES = { "a": "new a", "sub/b": "new b", "more/deep/e": "new e" };

/** With what is in `own/dir` left out. */
const OPTIONS: DirOptions = { swap: "journal", carryOver: (path) => path !== "own/dir" };

const NEW: Tree = {
  "a": "new a",
  "more/": "",
  "more/deep/": "",
  "more/deep/e": "new e",
  "own/": "",
  "own/d": "old own/d",
  "sub/": "",
  "sub/b": "new b",
};

function steps(os: Os, x: string): Steps<unknown> {
  return persist(os, x, Object.entries(ENTRIES).values(), syncSource, dirSettings(OPTIONS));
}

const forms: [
  string,
  (dir: string, entries: SyncDirEntries, options: DirOptions) => ReturnType<typeof persistDir>,
][] = [
  ["async", persistDir],
  // deno-lint-ignore require-await
  ["sync", async (dir, entries, options) => persistDirSync(dir, entries, options)],
];

for (const [form, run] of forms) {
  test(
    `the directory keeps its inode, carried files are not touched, the others are replaced (${form})`,
    inTemp(async (dir) => {
      const x = join(dir, "X");
      plant(x);
      symlinkSync("nowhere", join(x, "own/link"));
      chmodSync(join(x, "a"), 0o640);
      const paths = ["", "sub", "own", "own/d", "own/link"];
      // With the time of the last change of the inode: a link to it, for a moment, would show.
      const stats = (): unknown[] =>
        paths.map((path) => {
          const { ino, mode, mtimeMs, ctimeMs, nlink } = lstatSync(join(x, path));
          return path === "" || path === "sub" ? [ino, mode] : [ino, mode, mtimeMs, ctimeMs, nlink];
        });
      const before = stats();
      const result = await run(x, ENTRIES, { ...OPTIONS, carryOver: true });
      assertEquals(stats(), before);
      assertEquals(result, {
        path: x,
        swap: "journal",
        written: 3,
        carried: 0,
        rescued: [],
        durability: "full",
        warnings: [],
      });
      const expected: Tree = { ...OLD, ...NEW, "own/link": "-> nowhere" };
      assertEquals(tree(x), sorted(expected));
      assertEquals(statSync(join(x, "a")).mode & 0o777, 0o640);
      assertEquals(readdirSync(dir), ["X"]);
    }),
  );

  test(
    `what is not wanted goes, what is written once stays, kinds and the mode change (${form})`,
    inTemp(async (dir) => {
      const x = join(dir, "X");
      plant(x);
      // A name of Untorn's own, in a directory of the user's.
      mkdirSync(join(x, ".staging-y"));
      const entries = { "a/now/a/dir": "1", "sub": "now a file", "own/d": "not taken" };
      await assertRejects(() => run(x, entries, JOURNAL), UntornError, "remove it");
      const options: DirOptions = {
        ...JOURNAL,
        carryOver: false,
        writeOnce: ["own/d"],
        mode: 0o750,
      };
      const { ino } = statSync(x);
      const { swap, written } = await run(x, entries, options);
      assertEquals([swap, written, statSync(x).ino, statSync(x).mode & 0o7777], [
        "journal",
        2,
        ino,
        0o750,
      ]);
      assertEquals(tree(x), {
        "a/": "",
        "a/now/": "",
        "a/now/a/": "",
        "a/now/a/dir": "1",
        "own/": "",
        "own/d": "old own/d",
        "sub": "now a file",
      });
      assertEquals(readdirSync(dir), ["X"]);
    }),
  );

  test(
    `a missing directory is created, versions can't be kept, an abort changes nothing (${form})`,
    inTemp(async (dir) => {
      const x = join(dir, "deep/X");
      assertEquals((await run(x, { a: "1" }, JOURNAL)).swap, "create");
      const keep = { ...JOURNAL, keep: 1 };
      await assertRejects(async () => await run(x, { a: "2" }, keep), RangeError, "keep");
      const signal = AbortSignal.abort(new Error("enough"));
      await assertRejects(() => run(x, { a: "2" }, { ...JOURNAL, signal }), Error, "enough");
      assertEquals([tree(x), readdirSync(join(dir, "deep"))], [{ a: "1" }, ["X"]]);
    }),
  );
}

function sorted(tree: Tree): Tree {
  return Object.fromEntries(Object.entries(tree).sort(([one], [other]) => one < other ? -1 : 1));
}

test(
  "100 persists: a process that works in the directory, and one that watches it, go on",
  inTemp(async (dir) => {
    const x = join(dir, "X");
    plant(x);
    const { ino } = statSync(x);
    const seen = new Set<string>();
    const watcher = watch(x, (_, name) => void seen.add(String(name)));
    const home = process.cwd();
    process.chdir(x);
    try {
      for (let i = 1; i <= 100; i++) {
        await persistDir(x, { [`file${i}`]: "1", a: `${i}` }, JOURNAL);
        assertEquals(readFileSync("a", "utf8"), `${i}`);
      }
      assertEquals(statSync(".").ino, ino);
      const deadline = Date.now() + 10_000;
      while (!(seen.has("file1") && seen.has("file100")) && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    } finally {
      process.chdir(home);
      watcher.close();
    }
    assert(seen.has("file1") && seen.has("file100"), [...seen].join());
  }),
);

test(
  "readStable() waits as long as a persist in place is under way",
  inTemp(async (dir) => {
    const x = join(dir, "X");
    plant(x);
    mkdirSync(join(dir, journalName("X")));
    let reads = 0;
    const reading = readStable(x, () => ++reads);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assertEquals(reads, 0);
    rmSync(join(dir, journalName("X")), { recursive: true });
    assertEquals(await reading, 1);
  }),
);

test(
  `whichever call of a persist in place fails: all or nothing, after a cleanup `,
  inMemory(async (dir) => {
    const x = join(dir, "X");
    const outcomes = new Set<string>();
    for (const code of ["EIO", "ENOSPC"]) {
      for (let k = 1, ended = false; !ended; k++) {
        if (!isMine(k)) continue;
        plant(x);
        let made = 0;
        const port = watched(failing(asyncForm.os(), code, k), () => made++);
        const result: unknown = await asyncForm.run(steps(port, x)).catch((error) => error);
        ended = made < k;
        const where = `${code} at call ${k}: ${result}`;
        if (result instanceof Error && !(result instanceof UntornError)) throw result;
        const failed = result instanceof UntornError ? result.outcome : "";
        outcomes.add(failed);
        if (failed === "unchanged") assertEquals(tree(x), OLD, where);
        cleanupSync(dir);
        assertEquals(tree(x), failed === "unchanged" ? OLD : NEW, where);
        assertEquals(readdirSync(dir), ["X"], where);
      }
    }
    assertEquals([...outcomes].sort(), ["", "replaced", "unchanged"]);
  }),
);

for (const { form, os } of drivers) {
  test(
    `killed after any call, and the cleanup too: all or nothing, and nothing left (${form})`,
    inMemory(async (dir) => {
      const x = join(dir, "X");
      const ends = new Set<string>();
      let last = 0;
      for (let k = 1, killed = true; killed; k++, last++) {
        if (!isMine(k)) continue;
        plant(x);
        const { ino } = statSync(x);
        killed = await killAfter(k, os(), (port) => steps(port, x));
        if (form === "sync") {
          for (let j = 1, again = true; again && j < 60; j++) {
            const cleaning = (port: Os) => cleanUp(port, dir, cleanupSettings({}), true);
            again = await killAfter(j, os(), cleaning);
          }
        }
        const { failed, skipped } = cleanupSync(dir);
        assertEquals(
          [failed, skipped, readdirSync(dir)],
          [[], [], ["X"]],
          `killed after call ${k}`,
        );
        const end = JSON.stringify(tree(x));
        assert([OLD, NEW].some((tree) => JSON.stringify(tree) === end), `call ${k}: ${end}`);
        assertEquals(statSync(x).ino, ino);
        ends.add(end);
      }
      assertEquals(ends.size, 2);
      assert(last > 10, `only ${last} calls`);
    }),
  );
}

for (
  const [what, next] of [
    ["persist", (x: string) => void persistDirSync(x, { a: "newest" }, { durability: "none" })],
    ["persist in place", (x: string) => void persistDirSync(x, { a: "newest" }, JOURNAL)],
    ["removal", (x: string) => void atomicRemoveSync(x, { durability: "none" })],
  ] as const
) {
  test(
    `a ${what} after a kill brings what was committed to its end first`,
    inMemory(async (dir) => {
      const x = join(dir, "X");
      const ends = new Set<string>();
      for (let k = 1, killed = true; killed; k++) {
        plant(x);
        killed = await killAfter(k, systemCalls().sync, (port) => steps(port, x));
        next(x);
        if (what !== "removal") {
          const { a, ...others } = tree(x);
          assertEquals(a, "newest", `killed after call ${k}`);
          ends.add(JSON.stringify(others));
        }
        // What was being deleted is a cleanup's.
        cleanupSync(dir);
        assertEquals(readdirSync(dir), what === "removal" ? [] : ["X"], `killed after call ${k}`);
      }
      const expected = [OLD, NEW].map(({ a: _, ...others }) => JSON.stringify(others));
      if (what !== "removal") assertEquals([...ends].sort(), expected.sort());
    }),
  );
}
