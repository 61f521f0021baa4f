/** persistDir(), stageDir() and their synchronous forms: what is in the directory afterwards. */

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type DirEntries,
  type DirOptions,
  lock,
  persistDir,
  persistDirSync,
  type PersistResult,
  stageDir,
  type SyncDirEntries,
  UntornError,
} from "../../mod.ts";
import { systemCalls } from "../../lib/os/system.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { strace } from "../helpers/strace.ts";
import { programCommand, run, runtime } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

type Persist = (dir: string, entries: DirEntries, options?: DirOptions) => Promise<PersistResult>;

const forms: [string, Persist][] = [
  ["persistDir()", persistDir],
  [
    "persistDirSync()",
    async (...[dir, entries, options]) =>
      await persistDirSync(dir, entries as SyncDirEntries, options),
  ],
];

/** Runs a body with a path for X, alone in its directory; X must be alone afterwards too. */
function withX(body: (x: string, dir: string) => Promise<void>): () => Promise<void> {
  return inTemp(async (temp) => {
    const dir = join(temp, "dir");
    mkdirSync(dir);
    await body(join(dir, "X"), dir);
    assertEquals(readdirSync(dir).filter((name) => name.startsWith(".")), []);
  });
}

const all = (dir: string): string[] => (readdirSync(dir, { recursive: true }) as string[]).sort();
const text = (path: string): string => readFileSync(path, "utf8");

for (const [form, persist] of forms) {
  test(
    `${form} creates a directory with its entries and says what it did`,
    withX(async (x, dir) => {
      const result = await persist(join(x, "deep/er/"), {
        "a": "1",
        "sub/b": new Uint8Array([50]),
      });
      assertEquals(result, {
        path: join(x, "deep/er/"),
        swap: "create",
        written: 2,
        carried: 0,
        rescued: [],
        durability: "full",
        warnings: [],
      });
      assertEquals(all(dir), [
        "X",
        "X/deep",
        "X/deep/er",
        ..."a sub sub/b".split(" ")
          .map((path) => `X/deep/er/${path}`),
      ]);
      assertEquals(text(join(x, "deep/er/sub/b")), "2");
    }),
  );

  for (const swap of ["auto", "rename"] as const) {
    test(
      `${form} with swap "${swap}" carries over what it does not manage, as it is`,
      withX(async (x) => {
        await persist(x, { "a": "1", "sub/b": "1" });
        const at = (path: string): string => join(x, path);
        const long = "ü".repeat(127) + "x";
        mkdirSync(at("dir/deep"), { recursive: true });
        mkdirSync(at("empty"));
        writeFileSync(at("dir/deep/own"), "own");
        writeFileSync(at("sub/own"), "own");
        writeFileSync(at(long), "long");
        symlinkSync("nowhere", at("dangling"));
        symlinkSync("../a", at("dir/link"));
        chmodSync(at("dir/deep/own"), 0o640);
        utimesSync(at("dir/deep/own"), 1000, 1000);
        chmodSync(at("dir/deep"), 0o750);
        utimesSync(at("dir/deep"), 2000, 2000);
        chmodSync(at("empty"), 0o711);
        chmodSync(at("sub"), 0o700);
        chmodSync(at("a"), 0o600);
        chmodSync(x, 0o751);
        const inode = statSync(at("dir/deep/own")).ino;

        const result = await persist(x, { "a": "2", "sub/b": "2", "new": "2" }, { swap });
        assertEquals([result.written, result.carried, result.warnings], [3, 5, []]);
        assertEquals(
          all(x),
          [
            ...["a", "dangling", "dir", "dir/deep", "dir/deep/own", "dir/link", "empty"],
            ...["new", "sub", "sub/b", "sub/own", long],
          ].sort(),
        );
        for (const path of ["a", "sub/b", "new"]) assertEquals(text(at(path)), "2");
        const own = statSync(at("dir/deep/own"));
        assertEquals([own.ino, own.mode & 0o7777, own.mtimeMs], [inode, 0o640, 1_000_000]);
        const deep = statSync(at("dir/deep"));
        assertEquals([deep.mode & 0o7777, deep.mtimeMs], [0o750, 2_000_000]);
        assertEquals(
          ["empty", "sub", "a", "."].map((path) => (statSync(at(path)).mode & 0o7777).toString(8)),
          ["711", "700", "600", "751"],
        );
        assertEquals([readlinkSync(at("dangling")), readlinkSync(at("dir/link"))], [
          "nowhere",
          "../a",
        ]);
      }),
    );
  }

  test(
    `${form} leaves out what carryOver refuses, whole directories too`,
    withX(async (x) => {
      await persist(x, { "a": "1", "dir/b": "1", "dir/c": "1", "keep": "1" });
      const wanted = (path: string): boolean => path !== "dir";
      await persist(x, { "a": "2" }, { carryOver: wanted });
      assertEquals(all(x), ["a", "keep"]);
      await persist(x, { "b": "3" }, { carryOver: false });
      assertEquals(all(x), ["b"]);
    }),
  );

  test(
    `${form} leaves a user's edits of a write-once entry, with any carry-over`,
    withX(async (x) => {
      const entries = { "conf/base.json": "default", "data": "1" };
      const options = { writeOnce: ["conf/base.json"] };
      await persist(x, entries, options);
      assertEquals(text(join(x, "conf/base.json")), "default");
      writeFileSync(join(x, "conf/base.json"), "edited");
      for (const carryOver of [true, false]) {
        await persist(x, { ...entries, data: "2" }, { ...options, carryOver });
        assertEquals([text(join(x, "conf/base.json")), text(join(x, "data"))], ["edited", "2"]);
      }
    }),
  );

  test(
    `${form} keeps as many versions as it is told, each for itself`,
    inTemp(async (dir) => {
      const x = join(dir, "X");
      const history = join(dir, ".history-X");
      for (const swap of ["auto", "rename"] as const) {
        await persist(x, { a: "0" });
        writeFileSync(join(x, "own"), "0");
        for (let i = 1; i <= 4; i++) {
          const result = await persist(x, { a: `${i}` }, { keep: 2, swap });
          assertEquals([result.carried, result.warnings, result.rescued], [1, [], []]);
          // An edit in place, which a hard link would carry into the version before.
          writeFileSync(join(x, "own"), `${i}`);
        }
        const kept = readdirSync(history).sort();
        assertEquals(kept, ["3", "4"]);
        assertEquals(
          kept.map((n) => [text(join(history, n, "a")), text(join(history, n, "own"))]),
          [
            ...[["2", "2"], ["3", "3"]],
          ],
        );
        assertEquals([text(join(x, "a")), text(join(x, "own"))], ["4", "4"]);
        await persist(x, { a: "5" }, { keep: 1 });
        assertEquals(readdirSync(history), ["5"]);
        assertEquals(readdirSync(dir).sort(), [".history-X", "X"]);
        rmSync(history, { recursive: true });
        rmSync(x, { recursive: true });
      }
      for (const keep of [-1, 1.5, "2"]) {
        await assertRejects(() => persist(x, {}, { keep: keep as number }), RangeError);
      }
    }),
  );

  test(
    `${form} sets an explicit mode exactly`,
    withX(async (x) => {
      for (const mode of [0o777, 0o700, 0o2775]) {
        await persist(x, { a: "1" }, { mode });
        assertEquals(statSync(x).mode & 0o7777, mode);
      }
    }),
  );

  test(
    `${form} replaces what a link leads to, and keeps the link`,
    withX(async (x, dir) => {
      symlinkSync("X", join(dir, "link"));
      await persist(join(dir, "link"), { a: "1" });
      await persist(join(dir, "link"), { a: "2" });
      assertEquals([text(join(x, "a")), readlinkSync(join(dir, "link"))], ["2", "X"]);
    }),
  );

  test(
    `${form} takes names of 255 bytes for the directory itself`,
    withX(async (_, dir) => {
      const x = join(dir, "n".repeat(255));
      for (const content of ["1", "2"]) {
        for (const swap of ["auto", "rename"] as const) {
          await persist(x, { a: content }, { swap });
          assertEquals(text(join(x, "a")), content);
        }
      }
    }),
  );

  test(
    `${form} fails early, and touches nothing, when something is in the way`,
    withX(async (x, dir) => {
      await persist(x, { a: "1" });
      for (const name of [".staging-X", ".old-X", ".lock-X"]) {
        const path = join(dir, name);
        writeFileSync(path, "a user's");
        const error = await assertRejects(() => persist(x, { a: "2" }), UntornError, name);
        assertEquals([error.code, error.outcome], ["EEXIST", "unchanged"]);
        assertEquals([text(path), text(join(x, "a"))], ["a user's", "1"]);
        assertEquals(readdirSync(dir).sort(), [name, "X"]);
        rmSync(path);
      }
      writeFileSync(join(dir, "file"), "");
      const error = await assertRejects(() => persist(join(dir, "file"), { a: "1" }), UntornError);
      assertEquals(error.code, "ENOTDIR");
      for (const path of ["/", ".", "..", `${x}/.`]) {
        assertEquals((await assertRejects(() => persist(path, {}), UntornError)).code, "EINVAL");
      }
    }),
  );

  test(
    `${form} refuses bad entries, and keeps the version there is`,
    withX(async (x) => {
      await persist(x, { a: "1", "dir/own": "1" });
      const names = ["", "/a", "a/", "a//b", "..", "a/../../b", "./a", "a\0b", "\ud800"];
      const reserved = [".staging-a", "a/.lock-b", ".trash-0123456789ab", ".f.0123456789ab.tmp"];
      for (const name of [...names, ...reserved]) {
        await assertRejects(() => persist(x, { [name]: "2" }), TypeError, "can't be called");
        await assertRejects(() => persist(x, new Map([[name, "2"]])), TypeError, "can't be called");
      }
      await assertRejects(() => persist(x, { a: "2", "a/b": "2" }), TypeError, "collide");
      for (const pairs of [[["b", "2"], ["b", "3"]], [["b", "2"], ["b/c", "3"]]]) {
        await assertRejects(() => persist(x, pairs as [string, string][]), UntornError, "collides");
      }
      // A file where the present version has a directory with things in it, and the other way round.
      await assertRejects(() => persist(x, { dir: "2" }), UntornError, "is a directory");
      await assertRejects(() => persist(x, { "a/b": "2" }), UntornError, "is a file");
      await assertRejects(() => persist(x, { a: 7 as unknown as string }), TypeError);
      await assertRejects(() => persist(x, 7 as unknown as DirEntries), TypeError);
      await assertRejects(() => persist(x, [7] as unknown as DirEntries), TypeError, "pair");
      for (const options of [{ swap: "best" }, { wait: -1 }, { durability: "most" }]) {
        await assertRejects(() => persist(x, {}, options as DirOptions), RangeError);
      }
      for (const options of [{ keepAll: true }, { carryOver: "yes" }, { writeOnce: ["../a"] }]) {
        await assertRejects(() => persist(x, {}, options as unknown as DirOptions), TypeError);
      }
      assertEquals([all(x), text(join(x, "a"))], [["a", "dir", "dir/own"], "1"]);
    }),
  );

  test(
    `${form} keeps the version there is when a source fails`,
    withX(async (x) => {
      await persist(x, { a: "1" });
      function* broken(): Generator<string> {
        yield "half";
        throw new Error("the source broke");
      }
      function* brokenEntries(): Generator<[string, string]> {
        yield ["a", "2"];
        throw new Error("the entries broke");
      }
      for (const entries of [{ a: "2", b: broken() }, brokenEntries()]) {
        const error = await assertRejects(() => persist(x, entries), UntornError, "broke");
        assertEquals([error.code, error.outcome], ["ERR_SOURCE", "unchanged"]);
      }
      assertEquals([all(x), text(join(x, "a"))], [["a"], "1"]);
    }),
  );

  test(
    `${form} with swap "exchange" fails where that can't be had, before anything is touched`,
    { skip: runtime === "deno" ? false : "only Deno can forbid FFI" },
    withX(async (x) => {
      const program = programCommand("tests/fixtures/persist.ts", [form, x], [
        `--allow-read=${join(x, "..")}`,
        `--allow-write=${join(x, "..")}`,
      ]);
      await persist(x, { a: "1" });
      assertEquals(
        JSON.parse((await run([...program, "exchange"])).stdout).code,
        "ERR_UNSUPPORTED",
      );
      assertEquals(text(join(x, "a")), "1");
      assertEquals(JSON.parse((await run([...program, "auto"])).stdout).swap, "rename");
      assertEquals(text(join(x, "a")), "written");
    }),
  );
}

const noAttributes = spawnSync("python3", ["-c", "import os; os.setxattr"]).status === 0
  ? false
  : "there is no python3 here to set attributes with";

test(
  "persistDir() keeps extended attributes of what it carries over",
  { skip: noAttributes },
  withX(async (x) => {
    await persistDir(x, { a: "1" });
    writeFileSync(join(x, "own"), "");
    const python = (code: string): string =>
      String(spawnSync("python3", ["-c", `import os, sys; ${code}`, join(x, "own")]).stdout);
    python("os.setxattr(sys.argv[1], 'user.untorn', b'kept')");
    await persistDir(x, { a: "2" });
    assertEquals(python("print(os.getxattr(sys.argv[1], 'user.untorn').decode())"), "kept\n");
  }),
);

test(
  "persistDir() fails with the path of a name that is not UTF-8",
  withX(async (x) => {
    await persistDir(x, { a: "1" });
    // By a shell, since Deno takes no path as bytes.
    spawnSync("sh", ["-c", 'echo data > "$1/bad-$(printf "\\377")"', "sh", x]);
    for (
      const persist of [
        persistDir,
        async (...args: Parameters<typeof persistDirSync>) => await persistDirSync(...args),
      ]
    ) {
      const error = await assertRejects(() => persist(x, { a: "2" }), UntornError, "not UTF-8");
      assert(error.path.includes("bad-"), error.path);
      assertEquals([error.outcome, text(join(x, "a"))], ["unchanged", "1"]);
    }
  }),
);

test(
  "a listing that breaks off fails, and is never a short list",
  { skip: strace.missing },
  inTemp(async (temp) => {
    const [dir, log] = [join(temp, "dir"), join(temp, "log")];
    mkdirSync(dir);
    for (let i = 0; i < 2000; i++) writeFileSync(join(dir, `a-name-that-takes-some-room-${i}`), "");
    for (const form of ["sync", "async"]) {
      const program = programCommand("tests/fixtures/list.ts", [form, dir]);
      assertEquals((await run(program)).stdout, "2000\n");
      let broken = "";
      do {
        const options = ["-P", dir, "-e", "trace=getdents64"];
        const inject = ["-e", "inject=getdents64:error=EIO:when=2+"];
        const command = ["strace", "-f", "-qq", "-o", log, ...options, ...inject, ...program];
        broken = (await run(command)).stdout;
        // Calls are counted for each thread, and Deno may read on in another.
      } while (!readFileSync(log, "utf8").includes("INJECTED"));
      assertEquals(broken, "EIO\n");
    }
  }),
);

test(
  "persistDir() takes async iterables and streams, and a function that fills the stage",
  withX(async (x) => {
    async function* entries(): AsyncGenerator<[string, Blob | ReadableStream]> {
      yield ["a", new Blob(["1"])];
      await Promise.resolve();
      yield ["sub/b", new Blob(["2"]).stream()];
    }
    assertEquals((await persistDir(x, entries())).written, 2);
    assertEquals(text(join(x, "sub/b")), "2");
    const { written } = await persistDir(x, async (stage) => {
      await stage.write("c", "3");
      mkdirSync(join(stage.path, "by"));
      writeFileSync(join(stage.path, "by/hand"), "4");
    });
    assertEquals([written, all(x)], [2, ["a", "by", "by/hand", "c", "sub", "sub/b"]]);
    const failing = persistDir(x, (stage) => {
      writeFileSync(join(stage.path, "half"), "");
      throw new Error("the build broke");
    });
    const error = await assertRejects(() => failing, UntornError, "the build broke");
    assertEquals([error.code, existsSync(join(x, "half"))], ["ERR_SOURCE", false]);
    persistDirSync(x, (stage) => stage.write("a", "sync"), { carryOver: false });
    assertEquals([all(x), text(join(x, "a"))], [["a"], "sync"]);
  }),
);

test(
  "stageDir() holds the lock until its end, and a second persist waits or fails",
  withX(async (x, dir) => {
    const staged = await stageDir(x);
    await staged.write("a", "first");
    const locked = await assertRejects(() => persistDir(x, { a: "2" }, { wait: 0 }), UntornError);
    assertEquals([locked.code, locked.outcome], ["ERR_LOCKED", "unchanged"]);
    assert(locked.message.includes(`process ${process.pid}`), locked.message);
    assertEquals(readdirSync(dir).sort(), [".lock-X", ".staging-X"]);
    const second = persistDir(x, { b: "second" });
    await new Promise((resolve) => setTimeout(resolve, 30));
    assertEquals((await staged.commit()).swap, "create");
    assertEquals((await second).carried, 1);
    assertEquals(all(x), ["a", "b"]);
    const third = await stageDir(x);
    await third[Symbol.asyncDispose]();
    await assertRejects(() => third.commit(), TypeError, "discarded");
    const held = await lock(x);
    await held.release();
  }),
);

test(
  "persistDir() ends with its signal, while it waits for a lock too",
  withX(async (x) => {
    await persistDir(x, { a: "1" });
    const held = await lock(x);
    const abort = new AbortController();
    const waiting = persistDir(x, { a: "2" }, { signal: abort.signal, wait: Infinity });
    setTimeout(() => abort.abort(new Error("enough")), 30);
    await assertRejects(() => waiting, Error, "enough");
    await held.release();
    assertEquals([all(x), text(join(x, "a"))], [["a"], "1"]);
  }),
);

test(
  "an entry that its owner may not read is synced as it is written",
  withX(async (x) => {
    await persistDir(x, { a: "1" });
    chmodSync(join(x, "a"), 0o200);
    const { persist } = await import("../../lib/dir/persist_dir.ts");
    const { dirSettings } = await import("../../lib/dir/dir_options.ts");
    const { syncSource } = await import("../../lib/stage/content.ts");
    const { runSync, waitFor } = await import("../../lib/core/steps.ts");
    const { watched } = await import("../helpers/ports.ts");
    const calls: string[] = [];
    const port = { ...systemCalls().sync, openFs: () => waitFor(undefined) };
    const seen = watched(port, ({ name, args }) => {
      if (name === "open" && String(args[0]).endsWith("/a")) calls.push("opened again");
      if (name === "fsync") calls.push("fsync");
    });
    const entries = Object.entries({ a: "2" }).values();
    runSync(persist(seen, x, entries, syncSource, dirSettings({ durability: "file" })));
    // The file, the staging directory, the lock file, the directory above.
    assertEquals(calls, ["fsync", "fsync", "fsync", "fsync"]);
    assertEquals([text(join(x, "a")), statSync(join(x, "a")).mode & 0o7777], ["2", 0o200]);
  }),
);

test(
  "a staging directory that somebody removed is told as that",
  withX(async (x) => {
    await persistDir(x, { a: "1" });
    const removed = persistDir(x, (stage) => rmSync(stage.path, { recursive: true }));
    const error = await assertRejects(() => removed, UntornError, "staging directory is gone");
    assertEquals([error.outcome, text(join(x, "a"))], ["unchanged", "1"]);
    assert(!error.message.includes("could not be removed"), error.message);
  }),
);

test(
  "what cannot be linked is copied, with mode and time",
  withX(async (x) => {
    await persistDir(x, { a: "1" });
    writeFileSync(join(x, "own"), "own");
    chmodSync(join(x, "own"), 0o640);
    utimesSync(join(x, "own"), 1000, 1000);
    symlinkSync("nowhere", join(x, "link"));
    const { persist } = await import("../../lib/dir/persist_dir.ts");
    const { dirSettings } = await import("../../lib/dir/dir_options.ts");
    const { syncSource } = await import("../../lib/stage/content.ts");
    const { runSync } = await import("../../lib/core/steps.ts");
    const { OsError } = await import("../../lib/core/errors.ts");
    const { watched } = await import("../helpers/ports.ts");
    const noLinks = watched(systemCalls().sync, ({ name }) => {
      if (name === "link") throw new OsError("EPERM", name);
    });
    const entries = Object.entries({ a: "2" }).values();
    const { carried } = runSync(persist(noLinks, x, entries, syncSource, dirSettings({})));
    const own = statSync(join(x, "own"));
    assertEquals([carried, text(join(x, "own")), own.mode & 0o7777, own.mtimeMs], [
      ...[2, "own", 0o640],
      1_000_000,
    ]);
    assert(lstatSync(join(x, "link")).isSymbolicLink());
    linkSync(join(x, "own"), join(x, "second"));
  }),
);
