/**
 * How fast the command starts, and what a write, a persist and a cleanup cost against a hand-written bound,
 * on each runtime, on a memory file system (where there is one) and on the disk of the temporary
 * directory, as Markdown. `--quick` takes fewer rounds.
 */

import { join } from "node:path";
import { ensureDependencies, Failure, main, programs, run } from "../scripts/tools.ts";

const ROUNDS = Deno.args.includes("--quick") ? "4" : "30";

const FILES = ["startup.ts", "writes.ts", "dirs.ts", "cleanup.ts"];
const HEAD = "| runtime | what / against what | ratio | spread | ms |";

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
      for (const file of FILES) {
        console.log(`On ${place}: own time / the other's, median and 10–90 % of the rounds.\n`);
        console.log(HEAD + "\n" + HEAD.replace(/[^|]+/g, "---"));
        for (const [runtime, program] of Object.entries(programs)) {
          const flags = runtime === "deno" ? ["run", "-A"] : [];
          const args = [...flags, join("bench", file), dir!, ROUNDS];
          const { problem } = await run([program, ...args]);
          if (problem !== "") throw new Failure(`${runtime} failed: ${problem}`);
        }
        console.log();
      }
    }
  } finally {
    for (const [, dir] of places) await Deno.remove(dir!, { recursive: true });
  }
});
