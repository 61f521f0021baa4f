/**
 * What is made of the sources: one JavaScript file each of the library and of the command, and how Bun
 * makes a program of it that needs no runtime.
 */

import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin, RolldownOptions } from "rolldown";

const project = fileURLToPath(new URL("../", import.meta.url));

/** For who runs the file itself, as `npx` does; the sources are for Deno. */
const forNode: Plugin = {
  name: "for-node",
  generateBundle: (_options, bundle) => {
    for (const file of Object.values(bundle)) {
      if (file.type === "chunk") file.code = file.code.replace(/^#!.*/, "#!/usr/bin/env node");
    }
  },
};

/**
 * Writes `untorn.js` with `untorn.d.ts`, and `untorn-cli.js`, which run in Deno, Bun and Node, and returns
 * their paths. They keep the documentation and have a source map, which has the sources in it. The same
 * sources make the same bytes, wherever they are put.
 */
export async function bundle(dir: string): Promise<string[]> {
  // Loaded here, so that a script can install them first.
  const { rolldown } = await import("rolldown");
  const { dts } = await import("rolldown-plugin-dts");
  const bundles: RolldownOptions[] = [
    { input: { "untorn": "mod.ts" } },
    { input: { "untorn-cli": "cli.ts" }, plugins: [forNode] },
    {
      input: { "untorn": "mod.ts" },
      plugins: [dts({ emitDtsOnly: true, oxc: true, tsconfig: false })],
    },
  ];
  const files: string[] = [];
  for (const options of bundles) {
    const bundle = await rolldown({
      cwd: project,
      platform: "neutral",
      external: /^(node|bun):/,
      ...options,
    });
    const { output } = await bundle.write({
      dir,
      format: "esm",
      codeSplitting: false,
      sourcemap: true,
      sourcemapPathTransform: (source, map) =>
        relative(project, resolve(dirname(map), source)).replaceAll("\\", "/"),
    });
    await bundle.close();
    files.push(...output.map(({ fileName }) => join(dir, fileName)));
  }
  return files;
}

/**
 * Bun's arguments that make a program. It reads no `.env` and no `bunfig.toml` where it is run: the
 * latter could make it run other code.
 */
export function compileArguments(file: string): string[] {
  const closed = ["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];
  return ["build", "--compile", ...closed, "cli.ts", "--outfile", file];
}

/** Deno's arguments that make a program with these permissions; `DENO_NO_PACKAGE_JSON` must be set. */
export function denoCompileArguments(file: string, permissions: string[]): string[] {
  return ["compile", "--no-config", "--no-prompt", ...permissions, "--output", file, "cli.ts"];
}
