/**
 * Makes one program of the command, `dist/untorn`, that needs no runtime. It reads no `.env` and no
 * `bunfig.toml` where it is run: the latter could make it run other code.
 */

import { ensureDependencies, Failure, main, printSize, programs, run } from "./tools.ts";

const FILE = Deno.build.os === "windows" ? "dist/untorn.exe" : "dist/untorn";

await main(async () => {
  await ensureDependencies();
  const flags = ["--compile", "--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];
  const { problem } = await run([programs.bun, "build", ...flags, "cli.ts", "--outfile", FILE]);
  if (problem !== "") throw new Failure(`compiling failed: ${problem}`);
  await printSize(FILE);
});
