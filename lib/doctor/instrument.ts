/**
 * Operations under watch: a port that tells of each call, and a driver that stops after one as a kill
 * does. `untorn doctor` shows by them what a reader sees and what a crash leaves, and so do the tests.
 */

import type { Handle, Os } from "../os/port.ts";
import { runSync, type Steps, waitFor } from "../core/steps.ts";

/** A call of the port. */
export interface Call {
  name: keyof Os;
  args: unknown[];
  /** Counted from 1. */
  number: number;
}

type AnyCall = (...args: unknown[]) => Steps<unknown>;

/** A port on which `before` may throw in the place of each call, and `after` may look. */
export function watched(
  os: Os,
  before: (call: Call) => void,
  after: (call: Call, answer: unknown) => void = () => {},
): Os {
  let number = 0;
  return wrapped(os, (name, real) =>
    function* (...args) {
      const call = { name, args, number: ++number };
      before(call);
      const answer = yield* real(...args);
      after(call, answer);
      return answer;
    });
}

/** What opens something, and what ends it. */
const ENDS: { [name in keyof Os]?: "close" | "closeFs" } = {
  open: "close",
  openDir: "close",
  openLock: "close",
  create: "close",
  openFs: "closeFs",
};

/** The calls that may change what a kill leaves; it frees locks, and loses nothing that was not synced. */
const CHANGES: ReadonlySet<keyof Os> = new Set([
  ...["create", "createWhole", "openLock", "write", "copy", "clone", "symlink", "mkdir"] as const,
  ...["chmod", "chown", "utime", "rename", "link", "exchange"] as const,
  ...["unlink", "rmdir", "removeTree"] as const,
]);

/**
 * Runs an operation until call k of those that change something has been made, and not a step further:
 * what a kill at that point leaves. Returns false if the operation made fewer.
 */
export async function killAfter(
  calls: number,
  port: Os,
  operation: (os: Os) => Steps<unknown>,
): Promise<boolean> {
  let made = 0;
  const open = new Map<unknown, "close" | "closeFs">();
  const note = (name: keyof Os, answer: unknown): void => {
    const end = ENDS[name];
    if (end !== undefined && answer !== undefined) open.set(answer, end);
  };
  const count = ({ name, args }: Call): void => {
    if (CHANGES.has(name)) made++;
    if (name === "close" || name === "closeFs") open.delete(args[0]);
  };
  const underWay = new Set<Promise<unknown>>();
  const steps: Steps<unknown> = operation(watched(waitedFor(port, underWay, note), count));
  try {
    return await driveUntil(() => made >= calls, steps);
  } finally {
    // A call in flight ends, or not, before a kill returns; it must not go on beside what comes next.
    await Promise.allSettled(underWay);
    // The kernel closes what a killed process has open, which frees its locks.
    for (const [handle, end] of open) runSync(port[end](handle as Handle));
  }
}

/** A port that notes what each call answers, and the answers that are still to come. */
function waitedFor(
  port: Os,
  underWay: Set<Promise<unknown>>,
  note: (name: keyof Os, answer: unknown) => void,
): Os {
  return wrapped(port, (name, real) =>
    function* (...args) {
      const steps = real(...args);
      let step = steps.next();
      while (!step.done) {
        const { value } = step;
        if (value instanceof Promise) {
          // Whoever waits for it is told of its error.
          underWay.add(value.then((answer) => note(name, answer), () => {}));
        }
        let answer;
        try {
          answer = yield* waitFor(value);
        } catch (error) {
          step = steps.throw(error);
          continue;
        }
        step = steps.next(answer);
      }
      note(name, step.value);
      // The driver sees no answer that is there at once; it must be able to stop here.
      return yield* waitFor(step.value);
    });
}

function wrapped(os: Os, wrap: (name: keyof Os, real: AnyCall) => AnyCall): Os {
  const calls = Object.entries(os) as [keyof Os, AnyCall][];
  return Object.fromEntries(calls.map(([name, real]) => [name, wrap(name, real)])) as unknown as Os;
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
