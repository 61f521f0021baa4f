/** Syncs that are shared, and what the asynchronous form makes at once. */

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { OsError } from "../../lib/core/errors.ts";
import { whileQuick } from "../../lib/os/inline_calls.ts";
import { atOnceInMemory } from "../../lib/os/in_memory.ts";
import { systemCalls } from "../../lib/os/system.ts";
import type { Handle, Stat, SyncCalls } from "../../lib/os/port.ts";
import { shared } from "../../lib/os/shared_syncs.ts";
import { runEager } from "../../lib/core/steps.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { inTemp } from "../helpers/temp.ts";

/** An open file or directory of this number. */
function handle(ino: number): Handle {
  return ino as unknown as Handle;
}

/** The calls at once that syncs need, on a file system of this type. */
function calls(type: number | undefined, fsync: () => void = () => {}): SyncCalls {
  const fstat = (open: Handle): Stat => ({ dev: 1, ino: open as unknown as number }) as Stat;
  return { fstat, fsync, fsType: () => type } as unknown as SyncCalls;
}

const EXT4 = 0xef53;
const TMPFS = 0x01021994;

/** Syncs in the background that end when the test says so, and what was synced. */
function controlled(): {
  sync: (open: Handle) => Promise<void>;
  begun: number[];
  end: (error?: Error) => Promise<void>;
} {
  const begun: number[] = [];
  const underWay: ((error?: Error) => void)[] = [];
  const sync = (open: Handle): Promise<void> =>
    new Promise((resolve, reject) => {
      begun.push(open as unknown as number);
      underWay.push((error) => error === undefined ? resolve() : reject(error));
    });
  const end = async (error?: Error): Promise<void> => {
    for (const finish of underWay.splice(0)) finish(error);
    await new Promise<void>((resolve) => setImmediate(resolve));
  };
  return { sync, begun, end };
}

test("who comes to sync a directory that is being synced shares the sync after that", async () => {
  const { sync, begun, end } = controlled();
  const fsync = shared(calls(EXT4), sync);
  const first = fsync(handle(1), "dir");
  const others = [1, 2, 3].map(() => fsync(handle(1), "dir"));
  // The first was under way before the others' changes: it is not theirs.
  assertEquals(begun, [1]);
  await end();
  assertEquals(begun, [1, 1]);
  // That one is under way now, too.
  const late = fsync(handle(1), "dir");
  await end();
  await Promise.all([first, ...others]);
  assertEquals(begun, [1, 1, 1]);
  await end();
  await late;
  const last = fsync(handle(1), "dir");
  assertEquals(begun.length, 4);
  await end();
  await last;
});

test("a directory that took another's place is not synced by the other's sync", async () => {
  const { sync, begun, end } = controlled();
  const fsync = shared(calls(EXT4), sync);
  const all = [1, 2, 3, 2].map((ino) => fsync(handle(ino), "dir"));
  assertEquals(begun, [1, 2, 3, 2]);
  await end();
  await Promise.all(all);
});

test("a shared sync's error reaches all who share it, and nobody else", async () => {
  const { sync, end } = controlled();
  const fsync = shared(calls(EXT4), sync);
  const first = assertRejects(() => fsync(handle(1), "dir"));
  const sharing = [1, 2].map(() => fsync(handle(1), "dir"));
  const one = new Error("EIO");
  await end(one);
  assertEquals(await first, one);
  const errors = sharing.map((sync) => assertRejects(() => sync));
  const other = new Error("ENOSPC");
  await end(other);
  assertEquals(await Promise.all(errors), [other, other]);
  const later = fsync(handle(1), "dir");
  await end();
  await later;
});

test("syncs of different files do not wait for each other", async () => {
  const { sync, begun, end } = controlled();
  const fsync = shared(calls(EXT4), sync);
  const all = ["one", "two"].map((path, i) => fsync(handle(i), path));
  assertEquals(begun, [0, 1]);
  await end();
  await Promise.all(all);
});

test("what is synced beside others is begun to be written first; alone, it is only synced", async () => {
  const { sync, begun: synced, end } = controlled();
  const order: string[] = [];
  const begin = (open: Handle): void => void order.push(`${open} before ${synced.length}`);
  const fsync = shared(calls(EXT4), sync, begin);
  const all = [1, 2, 3].map((ino) => fsync(handle(ino), `many/${ino}`));
  assertEquals([order, synced], [["2 before 1", "3 before 2"], [1, 2, 3]]);
  await end();
  await Promise.all(all);
  const alone = fsync(handle(4), "many/4");
  await end();
  await alone;
  assertEquals([order.length, synced], [2, [1, 2, 3, 4]]);
});

test("what can't be begun to be written is not synced, and its sync fails", async () => {
  const { sync, begun: synced, end } = controlled();
  const gone = new Error("EIO");
  const fsync = shared(calls(EXT4), sync, () => {
    throw gone;
  });
  const first = fsync(handle(1), "fails/1");
  const error = await assertRejects(async () => await fsync(handle(2), "fails/2"));
  assertEquals([error, synced], [gone, [1]]);
  await end();
  await first;
});

/** A clock that passes only as it is told: the machine may take its time. */
interface Clock {
  pass(ms: number): void;
}

/** What the last one showed in the end, which calls have seen. */
let clockEnded = 0;

/** Runs a test with such a clock, a while after all that was called before. */
async function withClock(test: (clock: Clock) => void | Promise<void>): Promise<void> {
  const real = performance.now;
  let now = Math.max(performance.now(), clockEnded) + 10;
  performance.now = () => now;
  try {
    await test({ pass: (ms) => now += ms });
  } finally {
    performance.now = real;
    clockEnded = now;
  }
}

/** Until calls are made at once: something slow may have come before, in this process. */
async function untilQuick(): Promise<void> {
  const call = whileQuick(() => "at once", () => Promise.resolve("later"));
  for (let tries = 0; await call() === "later"; tries++) {
    if (tries === 1000) throw new Error("something is being synced, and does not end");
  }
}

test("while something is synced, and a while after, what changes directories goes to the background", () =>
  withClock(async () => {
    await untilQuick();
    const { sync, end } = controlled();
    const fsync = shared(calls(EXT4), sync);
    const create = whileQuick(() => "at once", () => Promise.resolve("later"));
    assertEquals(create(), "at once");
    const syncing = fsync(handle(1), "file");
    assertEquals(await create(), "later");
    await end();
    await syncing;
    let later = 1;
    while (await create() === "later") later++;
    assertEquals(later, 32);
  }));

test(
  "a file with its content is created in the background, too, and only where there is none",
  inTemp(async (dir) => {
    const { sync, end } = controlled();
    const syncing = shared(calls(EXT4), sync)(handle(1), "file");
    const { createWhole } = systemCalls().async;
    const [path, content] = [join(dir, "new"), new TextEncoder().encode("content")];
    try {
      const creating = runEager(createWhole(path, 0o600, content));
      assert(creating instanceof Promise, "it was created at once");
      await creating;
      assertEquals(readFileSync(path, "utf8"), "content");
      assertEquals((statSync(path).mode & 0o777).toString(8), "600");
      const again = runEager(createWhole(path, 0o600, content.subarray(1))) as Promise<void>;
      const error = await assertRejects(() => again, OsError);
      assertEquals([error.code, readFileSync(path, "utf8")], ["EEXIST", "content"]);
    } finally {
      await end();
      await syncing;
    }
  }),
);

test("where a call took long, the next ones go to the background", () =>
  withClock(async ({ pass }) => {
    await untilQuick();
    let ms = 0;
    const create = whileQuick(() => {
      pass(ms);
      return "at once";
    }, () => Promise.resolve("later"));
    // How many go to the background before the next that is made at once, which takes so many ms.
    const laterUntil = async (one: number): Promise<number> => {
      ms = one;
      let later = 0;
      while (await create() === "later") later++;
      return later;
    };
    const later = [];
    for (const ms of [0, 3, 3, 0, 0]) later.push(await laterUntil(ms));
    assertEquals(later, [0, 0, 32, 32, 0]);
  }));

test("what is in memory is synced at once, and nothing else", () =>
  withClock(async () => {
    for (
      const [dir, type, expected] of [["a", TMPFS, 3], ["b", EXT4, 0], ["c", undefined, 0]] as const
    ) {
      let atOnce = 0;
      const { sync, begun, end } = controlled();
      const now = calls(type, () => void atOnce++);
      const fsync = atOnceInMemory(now, shared(now, sync));
      for (let i = 0; i < 10; i++) {
        const syncing = fsync(handle(1), `${dir}/file`);
        if (i === 0) assert(syncing instanceof Promise, "asked before it is worth it");
        await end();
        await syncing;
      }
      assertEquals([atOnce, begun.length], [expected, 10 - expected]);
    }
  }));

test("where a disk is mounted over memory, syncs go to the background again", () =>
  withClock(async ({ pass }) => {
    let [atOnce, waits] = [0, 0];
    const slow = (): void => {
      atOnce++;
      pass(waits);
    };
    const { sync, begun, end } = controlled();
    const now = calls(TMPFS, slow);
    const fsync = atOnceInMemory(now, shared(now, sync));
    const once = async (): Promise<void> => {
      const syncing = fsync(handle(1), "d/file");
      await end();
      await syncing;
    };
    while (atOnce === 0) await once();
    const before = begun.length;
    waits = 3;
    await once();
    assertEquals([atOnce, begun.length], [2, before]);
    await once();
    assertEquals([atOnce, begun.length], [2, before + 1]);
  }));

test("many short calls that are made at once let the event loop go round", () =>
  withClock(async ({ pass }) => {
    await untilQuick();
    let [made, rounds] = [0, 0];
    const call = whileQuick(() => {
      pass(0.25);
      made++;
    }, () => Promise.reject(new Error("in the background")));
    const all = Promise.all(Array.from({ length: 40 }, () => call()));
    while (made < 40) {
      rounds++;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await all;
    // Two go into a turn of half a millisecond, the first of them before the first round.
    assert(rounds >= 19, `${rounds} rounds for 40 calls`);
  }));

test("a call comes late when the turn is over, and at once after a while without one", () =>
  withClock(async ({ pass }) => {
    await untilQuick();
    const call = whileQuick(() => {
      pass(0.3);
      return "made";
    }, () => Promise.resolve("later"));
    assertEquals([call(), call()], ["made", "made"]);
    const late = call();
    assert(late instanceof Promise);
    assertEquals(await late, "made");
    pass(0.6);
    assertEquals(call(), "made");
  }));
