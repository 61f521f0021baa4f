/** What others do to a directory while it is persisted: nothing of it is lost, undone or mixed up. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { syncSource } from "../../lib/stage/content.ts";
import { type DirOptions, dirSettings, type PersistResult } from "../../lib/dir/dir_options.ts";
import { RefusedError } from "../../lib/core/errors.ts";
import { acquireLock } from "../../lib/lock/lock_file.ts";
import { systemCalls } from "../../lib/os/system.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import { runSync } from "../../lib/core/steps.ts";
import {
  type DirEntries,
  lock,
  lockSync,
  type PathLockSync,
  persistDir,
  persistDirSync,
  readStable,
  UntornError,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../helpers/assert.ts";
import { type Call, watched } from "../helpers/ports.ts";
import { inTemp } from "../helpers/temp.ts";

const text = (path: string): string => readFileSync(path, "utf8");

/** Persists `{a: "2"}` while `meanwhile` does something before each call. */
function persisting(
  x: string,
  meanwhile: (call: Call) => void,
  options?: DirOptions,
): PersistResult {
  const os = watched(systemCalls().sync, meanwhile);
  return runSync(persist(os, x, [["a", "2"] as const].values(), syncSource, dirSettings(options)));
}

/** The call after which X is the new version: an exchange, or the second of two renames. */
const isSwap = (x: string) => ({ name, args }: Call): boolean =>
  name === "exchange" && args[1] === x || name === "rename" && args[1] === x;

for (const swap of ["auto", "rename"] as const) {
  const during = (body: (x: string, dir: string) => void): () => Promise<void> =>
    inTemp((dir) => {
      persistDirSync(join(dir, "X"), { a: "1", "own": "own", "sub/own": "own" });
      body(join(dir, "X"), dir);
    });

  test(
    `what appears or changes just before the swap is in the new version, whatever its time (${swap})`,
    during((x, dir) => {
      // With two renames the directory is at its old place until the first of them.
      const before = swap === "rename" ? ({ name }: Call) => name === "rename" : isSwap(x);
      let done = false;
      const result = persisting(x, (call) => {
        if (done || !before(call)) return;
        done = true;
        writeFileSync(join(dir, "late"), "precious");
        utimesSync(join(dir, "late"), 1, 1);
        renameSync(join(dir, "late"), join(x, "own"));
        writeFileSync(join(x, "new"), "new");
        mkdirSync(join(x, "dir/empty"), { recursive: true });
        writeFileSync(join(x, "dir/file"), "new");
        writeFileSync(join(x, "a"), "a managed entry");
      }, { swap });
      assertEquals(result.warnings, []);
      assertEquals(result.rescued.sort(), ["dir/file", "new", "own"]);
      assertEquals(["own", "new", "dir/file", "a"].map((path) => text(join(x, path))), [
        ...["precious", "new", "new", "2"],
      ]);
      assert(existsSync(join(x, "dir/empty")));
      assertEquals(readdirSync(dir), ["X"]);
    }),
  );

  test(
    `what is deleted or changed in the new version after the swap stays so (${swap})`,
    during((x, dir) => {
      let swapped = false;
      let done = false;
      const result = persisting(x, (call) => {
        if (swapped && !done) {
          done = true;
          unlinkSync(join(x, "own"));
          writeFileSync(join(dir, "edit"), "edited");
          utimesSync(join(dir, "edit"), 1, 1);
          renameSync(join(dir, "edit"), join(x, "sub/own"));
        }
        swapped ||= isSwap(x)(call);
      }, { swap });
      assertEquals([result.warnings, result.rescued], [[], []]);
      assertEquals([existsSync(join(x, "own")), text(join(x, "sub/own"))], [false, "edited"]);
      assertEquals(readdirSync(dir), ["X"]);
    }),
  );

  test(
    `what is changed in both versions is kept in both, and told (${swap})`,
    during((x, dir) => {
      let previous = "";
      let done = false;
      const result = persisting(x, ({ name, args }) => {
        if (name === "rename" && String(args[1]).includes(".trash-")) previous = String(args[1]);
        if (name !== "lstat" || previous === "" || done) return;
        done = true;
        for (const [path, content] of [[previous, "late"], [x, "newer"]]) {
          writeFileSync(join(dir, "edit"), content!);
          renameSync(join(dir, "edit"), join(path!, "sub/own"));
        }
      }, { swap });
      assertEquals([result.warnings.length, text(join(x, "sub/own"))], [1, "newer"]);
      const kept = readdirSync(dir).find((name) => name !== "X")!;
      assert(result.warnings[0]!.includes(kept), result.warnings[0]);
      assert(/^\.corrupt-X-[0-9a-f]{12}$/.test(kept), kept);
      const left = readdirSync(join(dir, kept), { recursive: true }) as string[];
      assertEquals([left.sort(), text(join(dir, kept, "sub/own"))], [["sub", "sub/own"], "late"]);
    }),
  );
}

test(
  "a directory that became a link while its lock was waited for is not followed",
  inTemp(async (dir) => {
    const [x, other] = [join(dir, "X"), join(dir, "other")];
    persistDirSync(x, { a: "1" });
    persistDirSync(other, { o: "untouched" });
    const held = await lock(x);
    const waiting = persistDir(x, { a: "2" });
    rmSync(x, { recursive: true });
    symlinkSync("other", x);
    await held.release();
    const error = await assertRejects(() => waiting, UntornError);
    assertEquals([error.code, error.outcome], ["ENOTDIR", "unchanged"]);
    assertEquals([readdirSync(other), readdirSync(dir).sort()], [["o"], ["X", "other"]]);
  }),
);

test(
  "writes that a filling function does not await are in the new version, or fail it",
  inTemp(async (dir) => {
    const x = join(dir, "X");
    for (let round = 0; round < 2; round++) {
      const { written } = await persistDir(x, (stage) => {
        for (let i = 0; i < 50; i++) stage.write(`file${i}`, `${i}`.repeat(20_000));
      });
      assertEquals([written, readdirSync(x).length], [50, 50]);
    }
    const colliding = persistDir(x, (stage) => {
      stage.write("b", "1");
      stage.write("b", "2");
    });
    const error = await assertRejects(() => colliding, UntornError, "collides");
    assertEquals([error.code, error.outcome], ["EEXIST", "unchanged"]);
    assertEquals([readdirSync(x).length, readdirSync(dir)], [50, ["X"]]);
  }),
);

test(
  "carryOver is asked before the swap only, must answer, and may fail",
  inTemp(async (dir) => {
    const x = join(dir, "X");
    persistDirSync(x, { a: "1", own: "own" });
    const late = (): boolean => {
      if (text(join(x, "a")) === "2") throw new Error("asked too late");
      return true;
    };
    assertEquals((await persistDir(x, { a: "2" }, { carryOver: late })).carried, 1);
    const broken = (): boolean => {
      throw new Error("the answer broke");
    };
    await assertRejects(() => persistDir(x, { a: "3" }, { carryOver: broken }), Error, "broke");
    const silent = (() => {}) as unknown as () => boolean;
    await assertRejects(() => persistDir(x, {}, { carryOver: silent }), TypeError, "true or false");
    assertEquals([text(join(x, "a")), text(join(x, "own")), readdirSync(dir)], ["2", "own", ["X"]]);
  }),
);

test(
  "a synchronous persist refuses an asynchronous function, and leaves no lock",
  inTemp((dir) => {
    const x = join(dir, "X");
    const fill = (async () => {}) as unknown as () => void;
    assertThrows(() => persistDirSync(x, fill), UntornError, "asynchronous");
    assertEquals(readdirSync(dir), []);
    persistDirSync(x, { a: "1" }, { wait: 0 });
  }),
);

test(
  "an abort ends entries and functions that never answer",
  inTemp(async (dir) => {
    const x = join(dir, "X");
    async function* stuck(): AsyncGenerator<[string, string]> {
      yield ["a", "1"];
      await new Promise(() => {});
    }
    const fills = [stuck(), async () => await new Promise<void>(() => {})];
    for (const entries of fills) {
      const abort = new AbortController();
      const persisted = persistDir(x, entries as DirEntries, { signal: abort.signal });
      setTimeout(() => abort.abort(new Error("enough")), 20);
      await assertRejects(() => persisted, Error, "enough");
      assertEquals(readdirSync(dir), []);
    }
  }),
);

test(
  "what is no directory and no record is refused in words",
  inTemp(async (dir) => {
    const x = join(dir, "X");
    for (const entries of [new Date(), new Uint8Array(3).buffer, Promise.resolve({})]) {
      await assertRejects(() => persistDir(x, entries as unknown as DirEntries), TypeError);
    }
    for (const path of [".", "/", `${dir}/..`]) {
      assertEquals((await assertRejects(() => lock(path), UntornError)).code, "EINVAL");
    }
    writeFileSync(join(dir, "file"), "");
    const onFile = await assertRejects(() => readStable(join(dir, "file"), () => 1), UntornError);
    assertEquals([onFile.code, onFile.operation], ["ENOTDIR", "read"]);
    const none = await assertRejects(() => readStable(join(dir, "none"), () => 1), UntornError);
    assert(!none.message.includes("createParents"), none.message);
    assertEquals(readdirSync(dir), ["file"]);
  }),
);

test(
  "a lock file that was replaced between opening and locking it is not taken for the lock",
  inTemp((dir) => {
    const x = join(dir, "X");
    const first = lockSync(x);
    let second: PathLockSync | undefined;
    const os = watched(systemCalls().sync, ({ name }) => {
      if (name !== "tryLock" || second !== undefined) return;
      first.release();
      second = lockSync(x);
    });
    const settings = { wait: 0, signal: undefined };
    const error = assertThrows(() => runSync(acquireLock(os, dir, "X", settings)), RefusedError);
    assertEquals((error as RefusedError).code, "ERR_LOCKED");
    second!.release();
    assertEquals(readdirSync(dir), []);
  }),
);
