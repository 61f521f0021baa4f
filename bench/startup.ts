/** bench/startup.ts DIR BUDGET: how long the command takes to start, against an empty script. */

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dir, race, type Run, runtime, time } from "./measure.ts";

const empty = join(dir, "empty.ts");
writeFileSync(empty, "");
const cli = fileURLToPath(new URL("../cli.ts", import.meta.url));

const flags = runtime === "Deno" ? ["run"] : [];
const start = (...args: string[]): Run => () =>
  time(() => {
    const { status, stderr } = spawnSync(process.execPath, [...flags, ...args]);
    if (status !== 0) throw new Error(`${args[0]} failed: ${stderr}`);
  });

await race({
  table: "Starting the command",
  row: "start / an empty script",
  contestants: {
    empty: start(empty),
    "--version": start(cli, "--version"),
    "--help": start(cli, "--help"),
  },
});
