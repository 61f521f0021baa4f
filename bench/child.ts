/** Runs a benchmark in a runtime of its own. */

import { Failure, programs, project, type Runtime } from "../scripts/tools.ts";
import type { Cell, Point } from "./measure.ts";

/** Runs a file of the project for a directory, and returns what it tells, line by line. */
export async function measure(
  file: string,
  runtime: Runtime,
  dir: string,
  budget: number,
  flags: string[] = [],
): Promise<(Cell | Point)[]> {
  const denoFlags = runtime === "deno" ? ["run", "-A", "--no-prompt", ...flags] : [];
  const args = [...denoFlags, file, dir, String(budget)];
  const options = {
    args,
    cwd: project,
    stdout: "piped",
    stderr: "inherit",
  } as const;
  const { success, stdout } = await new Deno.Command(programs[runtime], options)
    .output();
  if (!success) throw new Failure(`${runtime} failed in ${file}`);
  const lines = new TextDecoder().decode(stdout).trim().split("\n").filter((
    line,
  ) => line !== "");
  return lines.map((line) => JSON.parse(line));
}
