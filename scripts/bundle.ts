/** Makes `dist/untorn.js`, `dist/untorn.d.ts` and `dist/untorn-cli.js`; see `bundles.ts`. */

import { join } from "node:path";
import { bundle, bundleTypes } from "./bundles.ts";
import { ensureDependencies, main, printSize, project } from "./tools.ts";

await main(async () => {
  await ensureDependencies();
  const dist = join(project, "dist");
  for (const file of [...await bundle(dist), await bundleTypes(dist)]) await printSize(file);
});
