/**
 * What a write costs against the bound, on each runtime, on a memory file system (where there is one)
 * and on the disk of the temporary directory, as Markdown. `--quick` takes fewer rounds.
 */

import { join } from "node:path";
import { ensureDependencies, Failure, main, programs, run } from "../scripts/tools.ts";

const ROUNDS = Deno.args.includes("--quick") ? "8" : "40";

await main(async () => {
  await ensureDependencies();
  const disk = await Deno.makeTempDir({ prefix: "untorn-bench-" });
  const places = [["disk", disk]];
  try {
    places.push(["memory", await Deno.makeTempDir({ prefix: "untorn-bench-", dir: "/dev/shm" })]);
  } catch {
    console.log("There is no /dev/shm to measure on.\n");
  }
  try {
    for (const [place, dir] of places) {
      console.log(`On ${place}: own time / time of the bound, median and 10–90 % of the rounds.\n`);
      console.log("| runtime | size | form | durability | ratio | spread | µs |");
      console.log("|---|---|---|---|---|---|---|");
      for (const [runtime, program] of Object.entries(programs)) {
        const flags = runtime === "deno" ? ["run", "-A"] : [];
        const args = [...flags, join("bench", "writes.ts"), dir!, ROUNDS];
        const { problem } = await run([program, ...args]);
        if (problem !== "") throw new Failure(`${runtime} failed: ${problem}`);
      }
      console.log();
    }
  } finally {
    for (const [, dir] of places) await Deno.remove(dir!, { recursive: true });
  }
});
