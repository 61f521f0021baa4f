/**
 * Cuts the power of real file systems while operations are under way: see README.md beside this file.
 *
 *     CRASHLAB=/path/to/crashlab deno run -A tests/powercut/run.ts [--fs FS]... [--operation NAME]...
 *         [--crashes N] [--durability LEVEL] [--runtime bun|deno|node]
 *
 * Prints a row for each recording, and the sums; ends with 1 if there were violations.
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  ensureDependencies,
  Failure,
  main,
  programs,
  project,
  type Runtime,
} from "../../scripts/tools.ts";
import { operations } from "../helpers/operations.ts";

/** The operation of many at a time. */
const WRITERS = "writers";

await main(async () => {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      fs: { type: "string", multiple: true, default: ["ext4", "xfs", "btrfs"] },
      operation: { type: "string", multiple: true, default: [...Object.keys(operations), WRITERS] },
      crashes: { type: "string", default: "100" },
      durability: { type: "string", default: "full" },
      runtime: { type: "string", default: "bun" },
    },
  });
  const crashlab = Deno.env.get("CRASHLAB");
  if (crashlab === undefined) throw new Failure("CRASHLAB must name the tool; see the README");
  await ensureDependencies();
  const program = programs[values.runtime as Runtime];
  const script = (name: string): string =>
    `${program} ${values.runtime === "deno" ? "run -A " : ""}${
      join(project, "tests/powercut", name)
    }`;

  /** An operation's recordings: what is set up, what runs, and what checks it. */
  const recordings = (
    operation: string,
  ): { mode: string; commands: [string, string, string] }[] => {
    if (operation === WRITERS) {
      const writers = script("writers.ts");
      const run = `${writers} run {dir} ${values.durability}`;
      return [{
        mode: "run",
        commands: [`${writers} setup {dir}`, run, `${writers} check {dir} {lastmark}`],
      }];
    }
    const workload = `${script("workload.ts")} ${operation}`;
    return ["run", "recover"].map((mode) => ({
      mode,
      commands: [
        `${workload} setup {dir}`,
        `${workload} ${mode} {dir} ${values.durability}`,
        `${script("check.ts")} ${operation} {dir} {lastmark}`,
      ],
    }));
  };

  const sums = new Map<string, { states: number; violations: number }>();
  for (const fs of values.fs) {
    for (const operation of values.operation) {
      for (const { mode, commands: [setup, workload, check] } of recordings(operation)) {
        for (const step of [[], ["--step", "mixed"]]) {
          const { states, violations, text } = await crash(crashlab, [
            ...["--fs", fs, "--crashes", values.crashes, ...step],
            ...["--setup", setup, "--workload", workload, "--check", check],
          ]);
          console.log([fs, operation, mode, step[1] ?? "-", `${states} states`, text].join("\t"));
          const sum = sums.get(fs) ?? { states: 0, violations: 0 };
          sums.set(fs, {
            states: sum.states + states,
            violations: sum.violations + violations,
          });
        }
      }
    }
  }
  for (const [fs, { states, violations }] of sums) {
    console.log(`${fs}: ${states} power cuts, ${violations} violations`);
  }
  if ([...sums.values()].some(({ violations }) => violations > 0)) Deno.exit(1);
});

interface Crashes {
  states: number;
  violations: number;
  text: string;
}

/** Runs the tool once; what it says in no known words fails. */
async function crash(crashlab: string, args: string[]): Promise<Crashes> {
  const command = new Deno.Command(crashlab, { args: ["run", ...args], stdin: "null" });
  const { stdout, stderr } = await command.output();
  const output = new TextDecoder().decode(stdout);
  const found = /(\d+) crash states .*, (\d+) pass, (\d+) FAIL/.exec(output);
  if (found === null) {
    throw new Failure(`${crashlab} failed:\n${output}${new TextDecoder().decode(stderr)}`);
  }
  const [states, , violations] = found.slice(1).map(Number) as [number, number, number];
  const first = output.split("\n").find((line) =>
    line.includes("crash ") && !line.includes("states")
  );
  return {
    states,
    violations,
    text: violations === 0 ? "kept" : `${violations} VIOLATIONS ${first}`,
  };
}
