/** The binding for the current runtime, chosen on first use: importing this module touches nothing. */

import { runEager, runSync, type Steps } from "../core/steps.ts";
import { denoCalls } from "./deno.ts";
import { nodeCalls } from "./node.ts";
import { type Os, port } from "./port.ts";
import { isDeno } from "./runtime.ts";

let chosen: { sync: Os; async: Os } | undefined;

/** The system's calls: `sync` answers all of them at once, `async` the long ones later. */
export function systemCalls(): { readonly sync: Os; readonly async: Os } {
  if (chosen === undefined) {
    const { sync, async } = isDeno() ? denoCalls() : nodeCalls();
    chosen = { sync: port(sync), async: port(async) };
  }
  return chosen;
}

/** Runs an operation on the asynchronous calls. */
export async function runOnSystem<T>(operation: (os: Os) => Steps<T>): Promise<T> {
  return await runEager(operation(systemCalls().async));
}

/** Runs an operation on the synchronous calls. */
export function runOnSystemSync<T>(operation: (os: Os) => Steps<T>): T {
  return runSync(operation(systemCalls().sync));
}

export function processId(): number {
  return isDeno() ? Deno.pid : process.pid;
}
