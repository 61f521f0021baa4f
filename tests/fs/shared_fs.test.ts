/**
 * Where other machines have the file system too: what they have done is seen, though the kernel remembers what was
 * there. The ports here remember as one does; on real machines: tests/cluster/.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cleanUp } from "../../lib/recovery/cleanup.ts";
import { cleanupSettings } from "../../lib/recovery/cleanup_options.ts";
import { syncSource } from "../../lib/stage/content.ts";
import { dirSettings } from "../../lib/dir/dir_options.ts";
import { transactionSettings } from "../../lib/transaction/transaction_options.ts";
import { acquireLock, releaseLock } from "../../lib/lock/lock_file.ts";
import { OsError } from "../../lib/core/errors.ts";
import { systemCalls } from "../../lib/os/system.ts";
import type { Handle, Os, Stat } from "../../lib/os/port.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import { stable } from "../../lib/dir/read_stable.ts";
import { REMEMBERED } from "../../lib/fs/shared_fs.ts";
import { runSync, type Steps, waitFor } from "../../lib/core/steps.ts";
import { TransactionStage } from "../../lib/transaction/transaction_stage.ts";
import { update } from "../../lib/file/update_file.ts";
import { updateSettings } from "../../lib/file/file_options.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { drivers, watched } from "../helpers/ports.ts";
import { inTemp } from "../helpers/temp.ts";

const options = {
  skip: runSync(systemCalls().sync.canLock()) ? false : "this runtime has no kernel locks",
};
const WAITING = { lock: true, wait: 0, signal: undefined };
/** `FUSE_SUPER_MAGIC` (include/uapi/linux/magic.h). */
const FUSE = 0x65735546;
/** What is on no block device has no major number. */
const ANONYMOUS = 0x2a;

/** The port of a machine that shares its file system with others. */
function sharing(os: Os): Os {
  return {
    ...os,
    fsType: () => waitFor(FUSE),
    *lstat(path: string): Steps<Stat> {
      return { ...yield* os.lstat(path), dev: ANONYMOUS };
    },
    *fstat(file: Handle): Steps<Stat> {
      return { ...yield* os.fstat(file), dev: ANONYMOUS };
    },
    sleep: () => waitFor(undefined),
  };
}

/** Adds one to the number in a file. */
function addOne(bytes: Uint8Array | undefined): string {
  return `${Number(new TextDecoder().decode(bytes)) + 1}`;
}

/** A port that writes down the calls of these names. */
function noting(os: Os, names: string[], calls: string[]): Os {
  return watched(os, ({ name, args }) => {
    if (names.includes(name)) calls.push(`${name} ${String(args[0]).split("/").at(-1)}`);
  });
}

for (const { form, os, run } of drivers) {
  test(
    `who takes a lock lists its directory first, which renews what is remembered (${form})`,
    options,
    inTemp(async (dir) => {
      const calls: string[] = [];
      let isRenewed = false;
      const shared = sharing(os());
      const remembers: Os = {
        ...shared,
        *lstat(path: string): Steps<Stat> {
          const stat = yield* shared.lstat(path);
          return isRenewed || !path.endsWith(".lock-x") ? stat : { ...stat, ino: 1 };
        },
        *readdir(path: string) {
          isRenewed = true;
          return yield* shared.readdir(path);
        },
      };
      const noted = noting(remembers, ["openLock", "tryLock", "readdir"], calls);
      await run(releaseLock(noted, await run(acquireLock(noted, dir, "x", WAITING))));
      const name = dir.split("/").at(-1);
      assertEquals([calls[0], calls[2]], ["openLock .lock-x", `readdir ${name}`]);
      assert(calls[1]!.startsWith("tryLock"));
      assertEquals([calls.length, readdirSync(dir)], [3, []]);
      const alone: string[] = [];
      const own = noting(os(), ["readdir"], alone);
      await run(releaseLock(own, await run(acquireLock(own, dir, "x", WAITING))));
      assertEquals(alone, []);
    }),
  );

  test(
    `who takes a lock waits until what is gone beside it is forgotten (${form})`,
    options,
    inTemp(async (dir) => {
      const shared = sharing(os());
      let [looks, pauses] = [0, 0];
      const remembers: Os = {
        ...shared,
        lstat: (path: string) =>
          path.endsWith(".old-x") && looks++ < 5 ? shared.lstat(dir) : shared.lstat(path),
        sleep: () => waitFor(void pauses++),
      };
      await run(releaseLock(remembers, await run(acquireLock(remembers, dir, "x", WAITING))));
      assertEquals([looks, pauses], [6, 5]);
    }),
  );

  test(
    `a lock that another machine has replaced is opened again, after a listing (${form})`,
    options,
    inTemp(async (dir) => {
      const shared = sharing(os());
      for (
        const error of [
          () => new OsError("ESTALE", "open", join(dir, ".lock-x")),
          // What GlusterFS says of a file that is open.
          () => new OsError("ENOENT", "fstat", undefined),
        ]
      ) {
        const calls: string[] = [];
        const noted = noting(
          {
            ...shared,
            *fstat(file: Handle): Steps<Stat> {
              if (calls.filter((call) => call.startsWith("readdir")).length < 2) throw error();
              return yield* shared.fstat(file);
            },
          },
          ["openLock", "readdir"],
          calls,
        );
        await run(releaseLock(noted, await run(acquireLock(noted, dir, "x", WAITING))));
        assertEquals(
          calls.map((call) => call.split(" ")[0]),
          ["openLock", "readdir", "openLock", "readdir", "openLock", "readdir"],
        );
        assertEquals(readdirSync(dir), []);
      }
      const gone = new OsError("ENOENT", "open", join(dir, ".lock-x"));
      const missing: Os = {
        ...shared,
        openLock: () => {
          throw gone;
        },
      };
      const error = await assertRejects(
        () => run(acquireLock(missing, dir, "x", WAITING)),
        OsError,
      );
      assertEquals(error, gone);
    }),
  );

  for (
    const { call, code, times } of [
      { call: "open", code: "ESTALE", times: 4 },
      // Listed all the time: then it is not missing.
      { call: "open", code: "ENOENT", times: 6 },
      { call: "lstat", code: "ENOENT", times: 6 },
    ] as const
  ) {
    test(
      `an update reads again what another machine has replaced: ${code} by ${call} (${form})`,
      options,
      inTemp(async (dir) => {
        const path = join(dir, "n");
        writeFileSync(path, "1");
        const shared = sharing(os());
        let fails: number = times;
        const stale: Os = {
          ...shared,
          *[call](at: string): Steps<never> {
            if (at === path && fails-- > 0) throw new OsError(code, call, at);
            return (yield* shared[call](at)) as never;
          },
        };
        await run(update(stale, path, addOne, syncSource, updateSettings({})));
        assertEquals([fails < 0, readFileSync(path, "utf8")], [true, "2"]);
        await run(update(stale, join(dir, "new"), addOne, syncSource, updateSettings({})));
        assertEquals(readFileSync(join(dir, "new"), "utf8"), "1");
      }),
    );
  }

  test(
    `what fails while a directory is read counts once it can't be remembered any more (${form})`,
    inTemp(async (dir) => {
      const read = (fails: number) => () => {
        if (reads++ < fails) throw new Error("not there");
        return "content";
      };
      let reads = 0;
      assertEquals(await run(stable(sharing(os()), dir, read(3))), "content");
      assertEquals(reads, 4);
      reads = 0;
      const error = await assertRejects(() => run(stable(os(), dir, read(3))));
      assertEquals([reads, (error as Error).message], [1, "not there"]);
    }),
  );

  test(
    `what is replaced in place is acknowledged once all have forgotten the version before (${form})`,
    options,
    inTemp(async (dir) => {
      const x = join(dir, "x");
      const slept: number[] = [];
      const next = (port: Os): Promise<unknown> =>
        run(persist(port, x, { a: "1" }, syncSource, dirSettings({ swap: "journal" })));
      const shared = sharing(os());
      const counted: Os = { ...shared, sleep: (ms: number) => waitFor(void slept.push(ms)) };
      mkdirSync(x);
      await next(counted);
      assertEquals(slept, [REMEMBERED]);
      await next({ ...os(), sleep: counted.sleep });
      assertEquals([slept.length, readdirSync(dir), readdirSync(x)], [1, ["x"], ["a"]]);
    }),
  );

  test(
    `a transaction is kept from other machines by a lock on a file in it (${form})`,
    options,
    inTemp(async (dir) => {
      const port = sharing(os());
      const clean = () => run(cleanUp(port, dir, cleanupSettings({ minAge: 0 }), true));
      const stage = new TransactionStage(port, dir, transactionSettings({ lock: false }));
      await run(stage.open());
      await run(stage.write("a", syncSource("1"), undefined));
      const [own] = readdirSync(dir);
      assertEquals(readdirSync(join(dir, own!)).includes("lock"), true);
      const { removed, skipped } = await clean();
      assertEquals([removed.length, skipped.map(({ path }) => path)], [0, [join(dir, own!)]]);
      await run(stage.commit());
      assertEquals(readdirSync(dir), ["a"]);
    }),
  );
}
