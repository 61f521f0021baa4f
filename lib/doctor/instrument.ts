/**
 * An instrumented port, which reports each call, and a driver that stops after a call as a kill does. The
 * self-test and the project's tests use them to see what readers find at any time, and what a crash leaves.
 */

import { runSync, type Steps, waitFor } from "../core/steps.ts";
import type { Handle, Os } from "../os/port.ts";

/** A call of the port. */
export interface Call {
  name: keyof Os;
  args: unknown[];
  /** Counted from 1. */
  number: number;
}

type AnyCall = (...args: unknown[]) => Steps<unknown>;

/** Instruments a port: `before` may throw instead of each call, and `after` sees its answer. */
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

/** The calls that open something. */
const OPENS: ReadonlySet<keyof Os> = new Set(["open", "openDir", "openLock", "create", "openFs"]);

/** The calls that may change what a kill leaves. A kill frees locks, and loses no unsynced data. */
const CHANGES: ReadonlySet<keyof Os> = new Set([
  ...["create", "createWhole", "openLock", "write", "copy", "clone", "symlink", "mkdir"] as const,
  ...["chmod", "chown", "utime", "rename", "link", "exchange"] as const,
  ...["unlink", "rmdir", "removeTree"] as const,
]);

/**
 * Runs an operation until it has made this many calls that change something, and not a step further: the
 * state is that after a kill at this point. Returns false if the operation made fewer calls.
 */
export async function killAfter(
  calls: number,
  port: Os,
  operation: (os: Os) => Steps<unknown>,
): Promise<boolean> {
  let made = 0;
  const open = new Map<unknown, "close" | "closeFs">();
  const note = (name: keyof Os, answer: unknown): void => {
    if (!OPENS.has(name) || answer === undefined) return;
    open.set(answer, name === "openFs" ? "closeFs" : "close");
  };
  const count = ({ name, args }: Call): void => {
    if (CHANGES.has(name)) made++;
    if (name === "close" || name === "closeFs") open.delete(args[0]);
  };
  const pending = new Set<Promise<unknown>>();
  const steps: Steps<unknown> = operation(watched(stoppable(port, pending, note), count));
  try {
    return await driveUntil(() => made >= calls, steps);
  } finally {
    // A kill ends a pending call, or lets it complete first: it must not run on beside what comes next.
    await Promise.allSettled(pending);
    // The kernel closes the files of a killed process, which frees its locks.
    for (const [handle, end] of open) runSync(port[end](handle as Handle));
  }
}

/** Instruments a port so that the driver can stop after any call; records pending calls, and all answers. */
function stoppable(
  port: Os,
  pending: Set<Promise<unknown>>,
  note: (name: keyof Os, answer: unknown) => void,
): Os {
  return wrapped(port, (name, real) =>
    function* (...args) {
      const steps = real(...args);
      let step = steps.next();
      while (!step.done) {
        const { value } = step;
        // Its error reaches the operation, which waits for the same promise.
        if (value instanceof Promise) {
          pending.add(value.then((answer) => note(name, answer), () => {}));
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
      // A call that answers at once does not pass through the driver, which must be able to stop here.
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
