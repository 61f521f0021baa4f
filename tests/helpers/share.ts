/**
 * Long tests of one algorithm, which is the same on every runtime: the runtimes share them out, so that
 * all is tried in every run on all three. With `UNTORN_LONG` each tries all.
 */

import { runtime } from "./runtime.ts";

/** Whose turn it is: each gets so much that all end at about the same time. */
const TURNS: string[] = ["bun", "node", "deno", "bun", "node", "bun", "node"];

/** Whether each runtime is to try all. */
export const isLong: boolean = process.env.UNTORN_LONG !== undefined;

/** Why a test is skipped that one of the others runs. */
export const ELSEWHERE = "on another runtime; on all of them with UNTORN_LONG";

/** Whether this runtime is to try what has this number. */
export function isMine(number: number): boolean {
  return isLong || TURNS[number % TURNS.length] === runtime;
}

/** The options of a test that has this number. */
export function shared(number: number): { skip: string | false } {
  return { skip: isMine(number) ? false : ELSEWHERE };
}

/** How often something is repeated: in all over the three runtimes, or on each where there is time. */
export function times(number: number): number {
  return isLong ? number : Math.ceil(number / 3);
}
