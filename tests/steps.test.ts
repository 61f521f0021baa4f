/** The drivers of steps: results, errors and the order of calls, at once and later. */

import { test } from "node:test";
import { lift, runAsync, runSync, settle, type Steps } from "../lib/steps.ts";
import { assertEquals, assertRejects, assertThrows } from "./helpers/assert.ts";

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
  assertEquals(await runAsync(settle(Promise.resolve(7))), 7);
  assertEquals(runSync(settle(7)), 7);
});
