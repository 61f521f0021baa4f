/** OS ports for tests: real ones that are watched, that fail at a call, that write little at a time. */

import { watched } from "../../lib/doctor/instrument.ts";
import { OsError } from "../../lib/core/errors.ts";
import { systemCalls } from "../../lib/os/system.ts";
import type { Os } from "../../lib/os/port.ts";
import { runAsync, runSync, type Steps } from "../../lib/core/steps.ts";

export { type Call, killAfter, watched } from "../../lib/doctor/instrument.ts";

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

/** The form in which several calls are under way at a time; the other is tried on a model of a disk. */
export const asyncForm: (typeof drivers)[number] = drivers[1]!;
