/** Runs the programs in `examples/` as their users do, in Deno with no permission more than they say. */

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

/** Starts an example. */
export function startExample(name: string, dir: string, args: string[]): Started {
  return start(command(name, dir, args, []), options);
}

/**
 * Kills an example as soon as a condition holds, which is looked at again and again without a pause:
 * what it tells of may last for no millisecond. False if the example was at its end before.
 */
export async function killWhen({ child, ended }: Started, holds: () => boolean): Promise<boolean> {
  const limit = performance.now() + 10_000;
  while (!holds() && performance.now() < limit) {
    // Its end is told between two looks.
    await new Promise((resolve) => setImmediate(resolve));
    if (child.exitCode !== null) break;
  }
  child.kill("SIGKILL");
  return (await ended).signal === "SIGKILL";
}
