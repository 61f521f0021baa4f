/**
 * Makes one JavaScript file each of the library and of the command, readable and with a source map,
 * that runs in Deno, Bun and Node: `dist/untorn.js`, `dist/untorn-cli.js`. The same sources make the
 * same bytes.
 */

import { ensureDependencies, Failure, main, printSize, programs, run } from "./tools.ts";

const BUNDLES = { "mod.ts": "untorn.js", "cli.ts": "untorn-cli.js" };

await main(async () => {
  await ensureDependencies();
  for (const [entry, file] of Object.entries(BUNDLES)) {
    const { problem } = await run([
      programs.bun,
      "build",
      entry,
      "--outdir=dist",
      `--entry-naming=${file}`,
      "--format=esm",
      "--sourcemap=linked",
      // The target that leaves the code as it is: "node" puts `require` in the place of
      // `import.meta.main`, "bun" takes the `node:` off the imports.
      "--target=browser",
      "--external=node:*",
    ]);
    if (problem !== "") throw new Failure(`bundling ${entry} failed: ${problem}`);
  }
  for (const file of Object.values(BUNDLES)) await printSize(`dist/${file}`);
});
