/** OS ports for tests: real ones that are watched, that fail at a call, that write little at a time. */

import { OsError } from "../../lib/os/errno.ts";
import { systemCalls } from "../../lib/os/mod.ts";
import type { Handle, Os } from "../../lib/os/port.ts";
import { runAsync, runSync, type Steps } from "../../lib/steps.ts";

/** A call of the port. */
export interface Call {
  name: keyof Os;
  args: unknown[];
  /** Counted from 1. */
  number: number;
}

type AnyCall = (...args: unknown[]) => Steps<unknown>;

/** A port on which `before` may throw or answer in the place of each call, and `after` may look. */
export function watched(
  os: Os,
  before: (call: Call) => void,
  after: (call: Call, answer: unknown) => void = () => {},
): Os {
  let number = 0;
  const wrap = ([name, real]: [string, unknown]): [string, AnyCall] => [
    name,
    function* (...args) {
      const call = { name: name as keyof Os, args, number: ++number };
      before(call);
      const answer = yield* (real as AnyCall)(...args);
      after(call, answer);
      return answer;
    },
  ];
  return Object.fromEntries(Object.entries(os).map(wrap)) as unknown as Os;
}

/** A port on which the calls with these numbers fail and are not made. */
export function failing(os: Os, code: string, from: number, to: number = from): Os {
  return watched(os, ({ name, args, number }) => {
    if (number < from || number > to) return;
    throw new OsError(
      code,
      name,
      args.find((arg) => typeof arg === "string") as string | undefined,
    );
  });
}

/** A port whose writes take at most so many bytes each. */
export function shortWrites(os: Os, most: number): Os {
  return { ...os, write: (file, bytes) => os.write(file, bytes.subarray(0, most)) };
}

/** The names of the calls that an operation makes, in order. */
export function trace(operation: (os: Os) => Steps<unknown>): string[] {
  const names: string[] = [];
  const os = watched(systemCalls().sync, ({ name }) => names.push(name));
  runSync(operation(os));
  return names;
}

/** Both forms of driving an operation: the port, and what runs the steps on it. */
export const drivers: { form: string; os: () => Os; run: <T>(steps: Steps<T>) => Promise<T> }[] = [
  { form: "sync", os: () => systemCalls().sync, run: async (steps) => await runSync(steps) },
  { form: "async", os: () => systemCalls().async, run: runAsync },
];

const OPENS: (keyof Os)[] = ["open", "openDir", "openLock", "create"];

/**
 * Runs an operation until call k has been made, and not a step further: what a kill at that point
 * leaves. Returns false if the operation made fewer calls.
 */
export async function killAfter(
  calls: number,
  port: Os,
  operation: (os: Os) => Steps<unknown>,
): Promise<boolean> {
  let made = 0;
  const open = new Set<unknown>();
  const note = ({ name }: Call, answer: unknown): void => {
    if (OPENS.includes(name) && answer !== undefined) open.add(answer);
  };
  const count = ({ name, args }: Call): void => {
    made++;
    if (name === "close") open.delete(args[0]);
  };
  const underWay = new Set<Promise<unknown>>();
  const steps = operation(watched(waitedFor(port, underWay), count, note));
  try {
    return await driveUntil(() => made >= calls, steps);
  } finally {
    // A call in flight ends, or not, before a kill returns; it must not go on beside what comes next.
    await Promise.allSettled(underWay);
    // The kernel closes what a killed process has open, which frees its locks.
    for (const handle of open) runSync(port.close(handle as Handle));
  }
}

/** A port that notes the answers that are still to come. */
function waitedFor(port: Os, underWay: Set<Promise<unknown>>): Os {
  const wrap = ([name, real]: [string, unknown]): [string, AnyCall] => [
    name,
    function* (...args) {
      const steps = (real as AnyCall)(...args);
      let step = steps.next();
      while (!step.done) {
        if (step.value instanceof Promise) underWay.add(step.value);
        let answer;
        try {
          answer = yield step.value;
        } catch (error) {
          step = steps.throw(error);
          continue;
        }
        step = steps.next(answer);
      }
      return step.value;
    },
  ];
  return Object.fromEntries(Object.entries(port).map(wrap)) as unknown as Os;
}

async function driveUntil(killed: () => boolean, steps: Steps<unknown>): Promise<boolean> {
  let step = steps.next();
  while (!step.done) {
    let answer;
    try {
      answer = await step.value;
    } catch (error) {
      if (killed()) return true;
      step = steps.throw(error);
      continue;
    }
    if (killed()) return true;
    step = steps.next(answer);
  }
  return false;
}
