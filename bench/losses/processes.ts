/** Processes that do jobs of worker.ts, in the Node that the project is tested on, and places for them. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { programs } from "../../scripts/tools.ts";
import type { Arguments } from "./worker.ts";

const worker = fileURLToPath(new URL("worker.ts", import.meta.url));

/** Where one package is tried once: a directory for its files, and one for temporary ones. */
export interface Place {
  dir: string;
  temp: string;
}

/** A job that was started. */
export interface Started<Result> {
  /** When it says so. */
  ready: Promise<void>;
  /** What came of it; undefined if it was killed before it had told. */
  result: Promise<Result | undefined>;
  running: () => boolean;
  kill: () => void;
}

/** Starts a job, with a command before it if it is to be watched or confined. */
export function start<Result>(
  job: string,
  name: string,
  { temp }: Place,
  given: Arguments,
  before: string[] = [],
): Started<Result> {
  const [program, ...args] = [...before, programs.node, worker, job, name, JSON.stringify(given)];
  const child = new Deno.Command(program!, {
    args,
    env: { TMPDIR: temp, NODE_NO_WARNINGS: "1" },
    // Held open: the worker ends when this process does, however that ends.
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let [killed, ended] = [false, false];
  const kill = (): void => {
    if (ended) return;
    killed = true;
    child.kill("SIGKILL");
  };
  const { promise: ready, resolve: isReady } = Promise.withResolvers<void>();
  const read = async (): Promise<Result | undefined> => {
    const tooLong = setTimeout(() => child.kill("SIGKILL"), 60_000);
    const errors = new Response(child.stderr).text();
    let output = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (output.startsWith("ready\n")) isReady();
    }
    const { success, code, signal } = await child.status;
    ended = true;
    clearTimeout(tooLong);
    isReady();
    const message = await errors;
    await child.stdin.close().catch(() => {});
    if (killed) return undefined;
    if (success) return JSON.parse(output.replace("ready\n", "")) as Result;
    throw new Error(`${job} with ${name} ended with ${signal ?? code}: ${message}`);
  };
  const result = read();
  // Whoever started it may be looking on until it has ended, and ask then.
  result.catch(() => {});
  return { ready, result, running: () => !ended, kill };
}

/** Does a job to its end. */
export async function run<Result>(...job: Parameters<typeof start>): Promise<Result> {
  return (await start<Result>(...job).result)!;
}

/** The directories of a run: files on a memory file system where there is one, temporary ones beside. */
export interface Places {
  next: () => Place;
  remove: () => void;
}

/** Makes them, below two directories that `remove` removes. */
export function makePlaces(): Places {
  const temp = Deno.makeTempDirSync({ prefix: "untorn-losses-" });
  const memory = Deno.build.os === "linux" ? { dir: "/dev/shm" } : {};
  const files = Deno.makeTempDirSync({ prefix: "untorn-losses-", ...memory });
  let count = 0;
  return {
    next(): Place {
      const place = { dir: join(files, String(++count)), temp: join(temp, String(count)) };
      Deno.mkdirSync(place.dir);
      Deno.mkdirSync(place.temp);
      return place;
    },
    remove(): void {
      for (const dir of [files, temp]) Deno.removeSync(dir, { recursive: true });
    },
  };
}

/** Whether a command runs to its end without an error. */
export async function works(program: string, ...args: string[]): Promise<boolean> {
  try {
    const silent = { stdout: "null", stderr: "null" } as const;
    return (await new Deno.Command(program, { args, ...silent }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Lets other tasks go on. */
export async function pause(ms: number = 0): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
