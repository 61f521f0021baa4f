/**
 * bench/startup.ts DIR ROUNDS: how long the command takes to start, against an empty script. Prints rows of
 * a Markdown table.
 */

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compare, runtime, time } from "./ratios.ts";

const [dir, rounds] = [process.argv[2]!, Number(process.argv[3])];
const empty = join(dir, "empty.ts");
writeFileSync(empty, "");
const cli = fileURLToPath(new URL("../cli.ts", import.meta.url));

const flags = runtime === "Deno" ? ["run"] : [];
const start = (...args: string[]): Promise<number> =>
  time(() => {
    const { status, stderr } = spawnSync(process.execPath, [...flags, ...args]);
    if (status !== 0) throw new Error(`${args[0]} failed: ${stderr}`);
  });

await compare(
  "--version / an empty script",
  rounds * 2,
  () => start(empty),
  () => start(cli, "--version"),
);
await compare("--help / an empty script", rounds, () => start(empty), () => start(cli, "--help"));
