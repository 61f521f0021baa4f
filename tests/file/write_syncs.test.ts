/** Which syncs a write makes: none in memory, early ones of a file that is still written; and what stands when they fail. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeFile } from "../../lib/file/atomic_write.ts";
import { asyncSource } from "../../lib/stage/content.ts";
import { EarlySyncs } from "../../lib/file/early_syncs.ts";
import { OsError, type UntornError } from "../../lib/core/errors.ts";
import { type FileOptions, fileSettings } from "../../lib/file/file_options.ts";
import type { Handle, Os } from "../../lib/os/port.ts";
import { runAsync, settle } from "../../lib/core/steps.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { asyncForm, drivers, watched } from "../helpers/ports.ts";
import { inTemp } from "../helpers/temp.ts";

const MIB = 1024 * 1024;
const FILE = 7 as unknown as Handle;

/** Until whoever waits for a promise that is settled has gone on. */
const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A file's early syncs, each of which ends when the test says so. */
function controlled() {
  const underWay: PromiseWithResolvers<void>[] = [];
  const fsync: Os["fsync"] = (_file, _path, meanwhile) => {
    assert(meanwhile);
    const sync = Promise.withResolvers<void>();
    underWay.push(sync);
    return settle(sync.promise);
  };
  const early = new EarlySyncs({ fsync } as Os);
  return {
    underWay,
    early,
    comes: (mib: number) => runAsync(early.moreComes(FILE, "f", mib * MIB)),
  };
}

test("a sync is begun for every 16 MiB, as soon as the one before has ended", async () => {
  const { underWay, comes } = controlled();
  await comes(15);
  assertEquals(underWay.length, 0);
  await comes(16);
  assertEquals(underWay.length, 1);
  await comes(100);
  assertEquals(underWay.length, 1);
  underWay[0]!.resolve();
  await nextTurn();
  await comes(101);
  assertEquals(underWay.length, 2);
});

test("no more than 128 MiB come beside a sync", async () => {
  const { underWay, comes } = controlled();
  await comes(16);
  let isHeldUp = true;
  const held = comes(16 + 128).then(() => isHeldUp = false);
  await nextTurn();
  assertEquals([isHeldUp, underWay.length], [true, 1]);
  underWay[0]!.resolve();
  await held;
  assertEquals(underWay.length, 2);
});

test("what an early sync failed with is thrown to who goes on or ends, and to nobody who gives up", async () => {
  const { underWay, early, comes } = controlled();
  await comes(16);
  const failure = new OsError("EIO", "fsync", "f");
  underWay[0]!.reject(failure);
  await nextTurn();
  for (const goOn of [() => comes(32), () => runAsync(early.end())]) {
    assertEquals(await assertRejects(goOn, OsError), failure);
  }
  await runAsync(early.abandon());
});

/** 20 MiB. */
function* pieces(): Generator<Uint8Array> {
  for (let i = 0; i < 20; i++) yield* [new Uint8Array(MIB)];
}

/** Writes them, with this instead of early syncs; returns which files were synced when. */
async function write(
  path: string,
  driver: (typeof drivers)[number],
  meanwhile: (path: string) => Promise<void>,
  options: FileOptions = {},
): Promise<string[]> {
  const real = driver.os();
  const calls: string[] = [];
  const os: Os = {
    ...real,
    *fsync(file, path, isMeanwhile) {
      calls.push(isMeanwhile ? "early" : "fsync");
      if (isMeanwhile && driver.form === "async") yield* settle(meanwhile(path));
      else yield* real.fsync(file, path, isMeanwhile);
    },
    *close(file) {
      calls.push("close");
      yield* real.close(file);
    },
  };
  const settings = fileSettings({ durability: "file", ...options });
  try {
    await driver.run(writeFile(os, path, asyncSource(pieces()), settings));
  } catch (error) {
    calls.push((error as UntornError).code, (error as UntornError).outcome);
  }
  return calls;
}

for (const driver of drivers) {
  test(
    `a file that comes in pieces is synced meanwhile and at the end, then closed (${driver.form})`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      const calls = await write(path, driver, async () => {});
      assertEquals(calls, ["early", "fsync", "close"]);
      assertEquals(readFileSync(path).length, 20 * MIB);
      assertEquals(await write(path, driver, async () => {}, { durability: "none" }), ["close"]);
    }),
  );
}

test(
  "an early sync that fails leaves the target as it was, though the sync at the end would succeed",
  inTemp(async (dir) => {
    const path = join(dir, "file");
    writeFileSync(path, "old");
    const calls = await write(path, asyncForm, async (temp) => {
      await Promise.resolve();
      throw new OsError("EIO", "fsync", temp);
    });
    assertEquals(calls, ["early", "close", "EIO", "unchanged"]);
    assertEquals([readdirSync(dir), readFileSync(path, "utf8")], [["file"], "old"]);
  }),
);

test(
  "a file that is given up is closed when its early sync has ended",
  inTemp(async (dir) => {
    const order: string[] = [];
    const real = asyncForm.os();
    const os: Os = {
      ...real,
      fsync: () =>
        settle(
          new Promise<void>((resolve) => setTimeout(resolve, 20)).then(() =>
            void order.push("synced")
          ),
        ),
      *close(file) {
        order.push("closed");
        yield* real.close(file);
      },
    };
    const broken = function* (): Generator<Uint8Array> {
      yield* pieces();
      throw new Error("no more");
    };
    const source = asyncSource(broken());
    await assertRejects(() =>
      runAsync(writeFile(os, join(dir, "file"), source, fileSettings(undefined)))
    );
    assertEquals([order, readdirSync(dir)], [["synced", "closed"], []]);
  }),
);

test(
  "a durable write in memory syncs nothing, and says what was asked for",
  inTemp(async (dir) => {
    for (const { form, os, run } of drivers) {
      for (const isInMemory of [false, true]) {
        const names: string[] = [];
        const port = {
          ...watched(os(), ({ name }) => names.push(name)),
          needsSync: () => settle(!isInMemory),
        };
        const path = join(dir, `${form}${isInMemory}`);
        const source = asyncSource("new");
        const { durability } = await run(writeFile(port, path, source, fileSettings(undefined)));
        const syncs = names.filter((name) => name === "fsync" || name === "openDir");
        const expected = isInMemory ? [] : ["fsync", "openDir", "fsync"];
        assertEquals([form, durability, syncs], [form, "full", expected]);
      }
    }
  }),
);
