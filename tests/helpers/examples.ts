/** Runs the programs in `examples/` as their users do, in Deno with no permission more than they say. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assertEquals } from "./assert.ts";
import { type Ended, programCommand, run, start, type Started } from "./runtime.ts";

/** The command of an example that may write in one directory, and read there and in others. */
function command(name: string, dir: string, args: string[], read: string[]): string[] {
  const flags = [`--allow-read=${[dir, ...read]}`, `--allow-write=${dir}`];
  return programCommand(`examples/${name}.ts`, args, flags);
}

/** Node tells on standard error that its `node:ffi` is new. */
const options = { env: { ...process.env, NODE_NO_WARNINGS: "1" } };

/** Runs an example to its end. */
export function example(
  name: string,
  dir: string,
  args: string[],
  read: string[] = [],
): Promise<Ended> {
  return run(command(name, dir, args, read), "", options);
}

/** What an example prints; it must succeed. */
export async function printed(
  name: string,
  dir: string,
  args: string[],
  read?: string[],
): Promise<string> {
  const { code, stdout, stderr } = await example(name, dir, args, read);
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

/** What an example tells; it must fail. */
export async function told(
  name: string,
  dir: string,
  args: string[],
  read?: string[],
): Promise<string> {
  const { code, stdout, stderr } = await example(name, dir, args, read);
  assertEquals([code, stdout], [1, ""]);
  return stderr;
}

/** Starts an example. */
export function startExample(name: string, dir: string, args: string[]): Started {
  return start(command(name, dir, args, []), options);
}

/**
 * Kills an example as soon as a condition holds, which is looked at again and again without a pause:
 * what it tells of may last for no millisecond. An example that has come to its end is no fault.
 */
export async function killWhen({ child, ended }: Started, holds: () => boolean): Promise<void> {
  while (!holds() && child.exitCode === null) {
    // An end is told between two looks.
    await new Promise((resolve) => setImmediate(resolve));
  }
  child.kill("SIGKILL");
  await ended;
}

/** The files in a directory, by name. */
export function contents(dir: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), "utf8")]),
  );
}
