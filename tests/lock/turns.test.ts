/** Operations of one process at one lock: their order, their waiting, and other processes between them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runAsync } from "../../lib/core/steps.ts";
import { acquireLock, releaseLock } from "../../lib/lock/lock_file.ts";
import { systemCalls } from "../../lib/os/system.ts";
import {
  lock,
  lockSync,
  UntornError,
  updateFile,
  updateFileSync,
  updateJson,
  type UpdateJsonOptions,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../helpers/assert.ts";
import { failing } from "../helpers/ports.ts";
import { programCommand, start } from "../helpers/runtime.ts";
import { inMemory, inTemp } from "../helpers/temp.ts";

/** Node without `node:ffi` has no kernel locks; updates there take turns within the process all the same. */
const QUICK: UpdateJsonOptions = { durability: "none" };

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test(
  "a thousand updates at once all take place, in the order of their calls",
  inMemory(async (dir) => {
    const path = join(dir, "list.json");
    const add = (i: number): Promise<unknown> =>
      updateJson<number[]>(path, (list = []) => [...list, i], QUICK);
    await Promise.all(Array.from({ length: 1000 }, (_, i) => add(i)));
    assertEquals(JSON.parse(readFileSync(path, "utf8")), Array.from({ length: 1000 }, (_, i) => i));
  }),
);

test(
  "three processes with a hundred updates each at once lose none, and none of them is refused",
  inMemory(async (dir) => {
    const path = join(dir, "count.json");
    const counters = Array.from(
      { length: 3 },
      () => start(programCommand("tests/fixtures/herd.ts", [path, "100"])),
    );
    for (const { ended } of counters) {
      const { code, stderr } = await ended;
      assertEquals(code, 0, stderr);
    }
    assertEquals(readFileSync(path, "utf8"), "300\n");
  }),
);

test(
  "an update that is aborted in the queue leaves it, and holds nobody up",
  inTemp(async (dir) => {
    const path = join(dir, "count.json");
    const held = await lock(path);
    const abort = new AbortController();
    const reason = new Error("enough");
    const count = (signal?: AbortSignal): Promise<unknown> =>
      updateJson<number>(path, (value = 0) => value + 1, { ...QUICK, signal: signal! });
    const all = Promise.allSettled([count(), count(abort.signal), count()]);
    abort.abort(reason);
    await sleep(1);
    await held.release();
    const [first, second, third] = await all;
    assertEquals([first!.status, third!.status], ["fulfilled", "fulfilled"]);
    assertEquals((second as PromiseRejectedResult).reason, reason);
    assertEquals(readFileSync(path, "utf8"), "2\n");
  }),
);

test(
  "an update waits for each one before it, and is refused when a single one takes too long",
  inTemp(async (dir) => {
    const path = join(dir, "count.json");
    const slow = (ms: number, wait: number): Promise<unknown> =>
      updateFile(path, async () => {
        await sleep(ms);
        return "text";
      }, { ...QUICK, wait });
    await Promise.all([slow(150, 300), slow(150, 300), slow(150, 300), slow(0, 300)]);
    const long = slow(300, 0);
    const error = await assertRejects(() => slow(0, 50), UntornError, "try again, or wait longer");
    assertEquals([error.code, error.outcome], ["ERR_LOCKED", "unchanged"]);
    assert(error.message.includes(`process ${process.pid} holds its lock`), error.message);
    await long;
    await slow(0, 0);
  }),
);

test(
  "an update within an update of the same file is refused at once, in both forms",
  inTemp(async (dir) => {
    const path = join(dir, "file");
    const options = { ...QUICK, wait: Infinity };
    const inner = [
      () => updateFile(path, () => "inner", options),
      // deno-lint-ignore require-await
      async () => updateFileSync(path, () => "inner", options),
    ];
    for (const update of inner) {
      await updateFile(path, async () => {
        const error = await assertRejects(update, UntornError, "waits for itself");
        assertEquals(error.code, "ERR_LOCKED");
        await updateFile(join(dir, "other"), () => "other", options);
        return "outer";
      }, options);
      assertEquals(readFileSync(path, "utf8"), "outer");
    }
    updateFileSync(path, () => {
      assertThrows(() => updateFileSync(path, () => "inner", options), UntornError, "itself");
      return "sync";
    }, options);
    assertEquals(readFileSync(path, "utf8"), "sync");
  }),
);

test(
  "a synchronous call is refused at once where its own process holds the lock",
  inTemp((dir) => {
    const path = join(dir, "file");
    const held = lockSync(path);
    try {
      const error = assertThrows(() => lockSync(path, { wait: Infinity }), UntornError);
      assertEquals(error.code, "ERR_LOCKED");
    } finally {
      held.release();
    }
    lockSync(path, { wait: 0 }).release();
  }),
);

test(
  "a lock whose release fails lets the next one have its turn",
  inTemp(async (dir) => {
    const os = systemCalls().async;
    if (!(await runAsync(os.canLock()))) return;
    const settings = { wait: 1000, signal: undefined };
    for (let call = 1; call <= 4; call++) {
      const held = await runAsync(acquireLock(os, dir, "x", settings));
      await runAsync(releaseLock(failing(os, "EIO", call), held)).catch(() => {});
      if (held.handle !== undefined && call === 4) await runAsync(os.close(held.handle));
      const next = await runAsync(acquireLock(os, dir, "x", settings));
      await runAsync(releaseLock(os, next));
    }
  }),
);
