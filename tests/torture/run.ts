/**
 * Kills processes at random moments of every operation, on every runtime, cleans up, and checks: one whole
 * generation stands, not older than the last that was acknowledged, and nothing of the protocol is left.
 *
 *     deno task torture [--minutes N] [--operation NAME]... [--seed N]
 *
 * Ends with a row for each operation and the sums; the exit code is 1 if there were violations.
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureDependencies, main, programs, type Runtime } from "../../scripts/tools.ts";
import { operations, recover } from "../helpers/operations.ts";
import { numbers } from "../helpers/random.ts";

/** A kill comes after so many ms at most, counted from the first acknowledgement. */
const LATEST = 40;

interface Count {
  kills: number;
  /** Kills after which the generation stood that was not acknowledged yet. */
  finished: number;
  violations: string[];
}

await main(async () => {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      minutes: { type: "string", default: "1" },
      operation: { type: "string", multiple: true, default: Object.keys(operations) },
      seed: { type: "string", default: `${Date.now() % 1_000_000}` },
    },
  });
  await ensureDependencies();
  console.log(`seed ${values.seed}`);
  const random = numbers(Number(values.seed));
  const deadline = Date.now() + Number(values.minutes) * 60_000;
  const counts = new Map<string, Count>();
  const dir = await Deno.makeTempDir({ prefix: "untorn-torture-" });
  try {
    for (let round = 0; Date.now() < deadline; round++) {
      for (const name of values.operation) {
        for (const runtime of ["deno", "bun", "node"] as const) {
          const count = counts.get(name) ?? { kills: 0, finished: 0, violations: [] };
          counts.set(name, count);
          await kill(name, runtime, join(dir, `${round}-${name}-${runtime}`), random, count);
        }
      }
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  Deno.exit(report(counts) ? 0 : 1);
});

/** Ten kills of one operation in one directory. */
async function kill(
  name: string,
  runtime: Runtime,
  dir: string,
  random: () => number,
  count: Count,
): Promise<void> {
  const root = join(dir, "root");
  const acks = join(dir, "acks");
  await Deno.mkdir(root, { recursive: true });
  operations[name]!.setup(root);
  for (let i = 0, generation = 0; i < 10; i++) {
    await Deno.writeTextFile(acks, "");
    const flags = runtime === "deno" ? ["run", "-A", "--no-check"] : [];
    const script = new URL("victim.ts", import.meta.url).pathname;
    const args = [...flags, script, name, root, `${generation + 1}`, acks];
    const command = new Deno.Command(programs[runtime], { args, stdin: "null", stderr: "null" });
    const child = command.spawn();
    try {
      // A child that ends by itself has failed.
      const ended = child.status.then(() => "ended");
      while ((await Deno.readTextFile(acks)) === "") {
        if (await Promise.race([ended, pause(2)]) === "ended") break;
      }
      await pause(random() * LATEST);
    } finally {
      end(child);
    }
    const { signal } = await child.status;
    count.kills++;
    const promised = Number((await Deno.readTextFile(acks)).trim().split("\n").at(-1));
    try {
      if (signal !== "SIGKILL") throw new Error("failed: the operation ended by itself");
      const stands = recover(name, root, promised);
      if (stands > promised) count.finished++;
      generation = stands === Infinity ? promised + (promised + 1) % 2 : stands;
    } catch (error) {
      count.violations.push(`${runtime}, generation ${promised}: ${(error as Error).message}`);
      return;
    }
  }
  await Deno.remove(dir, { recursive: true });
}

function end(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It has ended already.
    if (!(error instanceof TypeError)) throw error;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function report(counts: Map<string, Count>): boolean {
  const line = (cells: unknown[]): string =>
    cells.map((cell, i) => i === 0 ? String(cell).padEnd(22) : String(cell).padStart(12)).join("");
  console.log("\n" + line(["", "kills", "new stood", "violations"]));
  const all = [...counts];
  for (const [name, { kills, finished, violations }] of all) {
    console.log(line([name, kills, finished, violations.length]));
  }
  for (const [name, { violations }] of all) {
    for (const violation of violations) console.log(`${name}, ${violation}`);
  }
  const sum = (of: (count: Count) => number): number =>
    all.reduce((sum, [, count]) => sum + of(count), 0);
  const [kills, violations] = [sum((c) => c.kills), sum((c) => c.violations.length)];
  console.log(`\n${kills} kills, ${violations} violations`);
  return violations === 0;
}
