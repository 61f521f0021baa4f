/** The drivers of steps: results, errors and the order of calls, at once and later. */

import { test } from "node:test";
import { lift, parallel, runAsync, runSync, type Steps, waitFor } from "../../lib/core/steps.ts";
import { assertEquals, assertRejects, assertThrows } from "../helpers/assert.ts";

const now = lift((value: number) => value * 2);
const later = lift(async (value: number) => await Promise.resolve(value * 2));
const broken = lift((): number => {
  throw new Error("broken");
});
const rejected = lift((): Promise<number> => Promise.reject(new Error("rejected")));

test("runSync() hands each answer back and returns the result", () => {
  function* sum(): Steps<number> {
    return (yield* now(1)) + (yield* now(2));
  }
  assertEquals(runSync(sum()), 6);
});

test("runAsync() awaits promises, and does not wait for plain answers", async () => {
  const order: string[] = [];
  function* sum(): Steps<number> {
    const first = yield* now(1);
    order.push("plain");
    const second = yield* later(2);
    order.push("promise");
    return first + second;
  }
  const result = runAsync(sum());
  order.push("called");
  assertEquals(await result, 6);
  assertEquals(order, ["plain", "called", "promise"]);
});

test("an operation can catch what a call throws or rejects with", async () => {
  function* guarded(call: () => Steps<number>): Steps<string> {
    try {
      yield* call();
      return "no error";
    } catch (error) {
      return (error as Error).message;
    }
  }
  assertEquals(runSync(guarded(broken)), "broken");
  assertEquals(await runAsync(guarded(broken)), "broken");
  assertEquals(await runAsync(guarded(rejected)), "rejected");
});

test("what an operation does not catch reaches the caller", async () => {
  assertThrows(() => runSync(broken()), Error, "broken");
  await assertRejects(() => runAsync(broken()), Error, "broken");
  await assertRejects(() => runAsync(rejected()), Error, "rejected");
});

test("runSync() refuses a call that answers later", () => {
  assertThrows(() => runSync(later(1)), TypeError, "asynchronous");
});

test("settle() waits for what was started before", async () => {
  assertEquals(await runAsync(waitFor(Promise.resolve(7))), 7);
  assertEquals(runSync(waitFor(7)), 7);
});

/** Supplies steps that log their beginning and end, around a call. */
function* supply(
  log: string[],
  count: number,
  call: (i: number) => Steps<unknown>,
): Generator<Steps<void>> {
  for (let i = 0; i < count; i++) {
    yield (function* (): Steps<void> {
      log.push(`+${i}`);
      yield* call(i);
      log.push(`-${i}`);
    })();
  }
}

function* supplied(all: Iterator<Steps<void>>): Steps<Steps<void> | undefined> {
  return (yield* waitFor(all.next())).value as Steps<void> | undefined;
}

test("parallel() runs steps in order where calls answer at once", async () => {
  for (const run of [runSync, runAsync]) {
    const log: string[] = [];
    const all = supply(log, 3, now);
    await run(parallel(() => supplied(all), 2));
    assertEquals(log, ["+0", "-0", "+1", "-1", "+2", "-2"]);
  }
});

test("parallel() interleaves up to its limit where calls answer later", async () => {
  const log: string[] = [];
  // The first answers when the last has.
  let first = (): void => {};
  const pause = lift((i: number) =>
    new Promise<void>((done) => {
      if (i === 0) first = done;
      else setTimeout(done, 1);
      if (i === 4) setTimeout(() => setTimeout(first, 1), 1);
    })
  );
  const all = supply(log, 5, pause);
  await runAsync(parallel(() => supplied(all), 2));
  assertEquals(log.slice(0, 3), ["+0", "+1", "-1"]);
  assertEquals(log.filter((entry) => entry.startsWith("-")).length, 5);
  assertEquals(log.at(-1), "-0");
});

test("parallel() starts nothing after a failure, ends what runs, throws the first error", async () => {
  const log: string[] = [];
  const call = (i: number): Steps<unknown> => i === 1 ? rejected() : later(i);
  const all = supply(log, 10, call);
  await assertRejects(() => runAsync(parallel(() => supplied(all), 3)), Error, "rejected");
  assertEquals(log.filter((entry) => entry.startsWith("+")), ["+0", "+1", "+2"]);
  assertEquals(log.filter((entry) => entry.startsWith("-")).sort(), ["-0", "-2"]);
  const broke = supply(log, 10, broken);
  assertThrows(() => runSync(parallel(() => supplied(broke), 3)), Error, "broken");
});
