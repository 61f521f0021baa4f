/** Syncs that come together, what is made at once in the asynchronous form, and what is not. */

import { test } from "node:test";
import { inTurns } from "../lib/os/inline.ts";
import type { Handle, Stat, SyncCalls } from "../lib/os/port.ts";
import { inRounds, unlessSyncing } from "../lib/os/sync_rounds.ts";
import { assert, assertEquals, assertRejects } from "./helpers/assert.ts";

/** Open files and directories are told by what they are: `dev:ino`. */
function handle(what: string): Handle {
  return what as unknown as Handle;
}

/** The calls at once that syncs need; `type` is that of the file system. */
function calls(type: number | undefined, fsync: () => void = () => {}): SyncCalls {
  const fstat = (open: Handle): Stat => {
    const [dev, ino] = (open as unknown as string).split(":").map(Number);
    return { dev, ino } as Stat;
  };
  return { fstat, fsync, fsType: () => type } as unknown as SyncCalls;
}

const EXT4 = 0xef53;
const TMPFS = 0x01021994;

/** A sync in the background that ends when the test says so, and what was synced. */
function controlled(): {
  sync: (open: Handle) => Promise<void>;
  begun: string[];
  end: (error?: Error) => Promise<void>;
} {
  const begun: string[] = [];
  const underWay: ((error?: Error) => void)[] = [];
  const sync = (open: Handle): Promise<void> =>
    new Promise((resolve, reject) => {
      begun.push(open as unknown as string);
      underWay.push((error) => error === undefined ? resolve() : reject(error));
    });
  const end = async (error?: Error): Promise<void> => {
    for (const finish of underWay.splice(0)) finish(error);
    await new Promise<void>((resolve) => setImmediate(resolve));
  };
  return { sync, begun, end };
}

test("who waits to sync a directory shares the sync that starts later", async () => {
  const { sync, begun, end } = controlled();
  const fsync = inRounds(calls(EXT4), sync);
  const first = fsync(handle("1:1"), "dir");
  const others = [1, 2, 3].map(() => fsync(handle("1:1"), "dir"));
  // The first was under way before the others' changes: it is not theirs.
  assertEquals(begun, ["1:1"]);
  await end();
  assertEquals(begun, ["1:1", "1:1"]);
  // That one is under way now, too.
  const late = fsync(handle("1:1"), "dir");
  await end();
  await Promise.all([first, ...others]);
  assertEquals(begun, ["1:1", "1:1", "1:1"]);
  await end();
  await late;
  const last = fsync(handle("1:1"), "dir");
  assertEquals(begun.length, 4);
  await end();
  await last;
});

test("a directory that took another's place is not synced by the other's sync", async () => {
  const { sync, begun, end } = controlled();
  const fsync = inRounds(calls(EXT4), sync);
  const all = ["2:1", "2:2", "2:3", "2:2"].map((what) => fsync(handle(what), "dir"));
  await end();
  assertEquals(begun.toSorted(), ["2:1", "2:2", "2:2", "2:3"]);
  await end();
  await Promise.all(all);
});

test("a shared sync's error reaches all who share it, and none after them", async () => {
  const { sync, end } = controlled();
  const fsync = inRounds(calls(EXT4), sync);
  const first = fsync(handle("3:1"), "dir");
  const sharing = [1, 2].map(() => Promise.resolve(fsync(handle("3:1"), "dir")));
  const errors = sharing.map((sync) => assertRejects(() => sync));
  await end();
  await first;
  const error = new Error("EIO");
  await end(error);
  assertEquals(await Promise.all(errors), [error, error]);
  const later = fsync(handle("3:1"), "dir");
  await end();
  await later;
});

test("a sync does not wait for the end of one that takes long", async () => {
  const { sync, begun, end } = controlled();
  const fsync = inRounds(calls(EXT4), sync);
  const long = fsync(handle("4:1"), "file");
  const short = fsync(handle("4:2"), "other");
  while (begun.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await end();
  await Promise.all([long, short]);
});

test("while something is synced, what changes directories goes to the background", async () => {
  const { sync, end } = controlled();
  const fsync = inRounds(calls(EXT4), sync);
  const create = unlessSyncing(() => "at once", () => Promise.resolve("later"));
  assertEquals(create(), "at once");
  const syncing = fsync(handle("5:1"), "file");
  assertEquals(await create(), "later");
  await end();
  await syncing;
  assertEquals(create(), "at once");
});

test("what is in memory is synced at once, and nothing else", async () => {
  for (const [dev, type, expected] of [[6, TMPFS, 3], [7, EXT4, 0], [8, undefined, 0]] as const) {
    let atOnce = 0;
    const { sync, begun, end } = controlled();
    const fsync = inRounds(calls(type, () => void atOnce++), sync);
    for (let i = 0; i < 10; i++) {
      const syncing = fsync(handle(`${dev}:1`), "file");
      if (i === 0) assert(syncing instanceof Promise, "asked before it is worth it");
      await end();
      await syncing;
    }
    assertEquals([atOnce, begun.length], [expected, 10 - expected]);
  }
});

test("where the number of what was in memory is given to a disk, syncs go to the background again", async () => {
  let [atOnce, waits] = [0, 0];
  const slow = (): void => {
    atOnce++;
    const start = performance.now();
    while (performance.now() - start < waits);
  };
  const { sync, begun, end } = controlled();
  const fsync = inRounds(calls(TMPFS, slow), sync);
  const once = async (): Promise<void> => {
    const syncing = fsync(handle("9:1"), "file");
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
});

test("many short calls that are made at once let the event loop go round", async () => {
  let [made, rounds] = [0, 0];
  const call = inTurns(() => {
    const start = performance.now();
    while (performance.now() - start < 0.5);
    made++;
  });
  const all = Promise.all(Array.from({ length: 40 }, () => call()));
  while (made < 40) {
    rounds++;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await all;
  // Two or three go into a turn of a millisecond.
  assert(rounds >= 10, `${rounds} rounds for 40 calls`);
});
