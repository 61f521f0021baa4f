/** Makes `dist/untorn.js`, `dist/untorn.d.ts` and `dist/untorn-cli.js`; see `bundles.ts`. */

import { join } from "node:path";
import { bundle } from "./bundles.ts";
import { ensureDependencies, main, printSize, project } from "./tools.ts";

await main(async () => {
  await ensureDependencies();
  for (const file of await bundle(join(project, "dist"))) await printSize(file);
});
