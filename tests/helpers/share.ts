/**
 * Long loops over the calls of one algorithm, which is the same on every runtime: the runtimes share them
 * out, so that all of a loop is tried in every run on all three. With `UNTORN_LONG` each tries all.
 */

import { runtime } from "./runtime.ts";

const RUNTIMES: string[] = ["deno", "bun", "node"];

/** Whether each runtime is to try all. */
export const isLong: boolean = process.env.UNTORN_LONG !== undefined;

/** Whether this runtime is to try the call with this number. */
export function isMine(number: number): boolean {
  return isLong || number % RUNTIMES.length === RUNTIMES.indexOf(runtime);
}
