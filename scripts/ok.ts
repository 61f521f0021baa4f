/**
 * Everything that must hold before a change is published, in the order of how soon it tells. Stops at
 * the first that fails, with its name.
 */

import { ensureDependencies, Failure, main, programs, run } from "./tools.ts";

/** Those whose imports can be found without a registry. */
const EXAMPLES = ["config_store", "migrate", "publish", "sessions"].map((name) =>
  `examples/${name}.ts`
);

const STEPS: [name: string, args: string[]][] = [
  ["format", ["fmt", "--check"]],
  ["lint", ["lint"]],
  ["steps", ["run", "-A", "scripts/check_steps.ts"]],
  ["types", ["check", "mod.ts", "cli.ts", "scripts", "bench", "tests", ...EXAMPLES]],
  ["documentation", ["doc", "--lint", "mod.ts"]],
  ["examples", ["test", "-A", "--no-prompt", "--doc", "mod.ts", "lib", "README.md"]],
  ["tests", ["run", "-A", "scripts/test.ts"]],
];

await main(async () => {
  await ensureDependencies();
  const times: string[] = [];
  for (const [name, args] of STEPS) {
    console.log(`\n== ${name}: deno ${args.join(" ")}\n`);
    const { problem, seconds } = await run([programs.deno, ...args]);
    if (problem !== "") throw new Failure(`not ok: ${name} failed after ${seconds.toFixed(1)} s`);
    times.push(`${name} ${seconds.toFixed(1)} s`);
  }
  console.log(`\nok: ${times.join(", ")}`);
});
