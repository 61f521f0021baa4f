/**
 * What is made of the sources: one JavaScript file each of the library and of the command, and how Bun
 * makes a program of it that needs no runtime.
 */

import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "rollup";

const project = fileURLToPath(new URL("../", import.meta.url));

/** Takes the types away, and leaves the rest as it is, comments too. */
async function withoutTypes(): Promise<Plugin> {
  const { default: typescript } = await import("typescript");
  const { ModuleKind, ScriptTarget } = typescript;
  const compilerOptions = {
    module: ModuleKind.ESNext,
    target: ScriptTarget.ESNext,
    verbatimModuleSyntax: true,
    sourceMap: true,
  };
  return {
    name: "without-types",
    transform: (code, fileName) => {
      const { outputText, sourceMapText } = typescript.transpileModule(code, {
        compilerOptions,
        fileName,
      });
      return { code: outputText.replace(/\n\/\/# sourceMappingURL=.*$/, ""), map: sourceMapText! };
    },
  };
}

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
 * Writes `untorn.js` and `untorn-cli.js`, which run in Deno, Bun and Node, and returns their paths. They
 * keep all comments and have a source map, which has the sources in it. The same sources make the same
 * bytes, wherever they are put.
 */
export async function bundle(dir: string): Promise<string[]> {
  const plain = await withoutTypes();
  return [
    await write(join(dir, "untorn.js"), "mod.ts", [plain]),
    await write(join(dir, "untorn-cli.js"), "cli.ts", [plain, forNode]),
  ];
}

/** Writes `untorn.d.ts`, the types of the library, and returns its path. */
export async function bundleTypes(dir: string): Promise<string> {
  const { dts } = await import("rollup-plugin-dts");
  return await write(join(dir, "untorn.d.ts"), "mod.ts", [dts()]);
}

async function write(file: string, entry: string, plugins: Plugin[]): Promise<string> {
  // Loaded here, so that a script can install it first.
  const { rollup } = await import("rollup");
  const input = join(project, entry);
  const bundle = await rollup({ input, plugins, external: /^(node|bun):/ });
  await bundle.write({
    file,
    format: "esm",
    inlineDynamicImports: true,
    sourcemap: file.endsWith(".js"),
    sourcemapPathTransform: (source, map) =>
      relative(project, resolve(dirname(map), source)).replaceAll("\\", "/"),
  });
  await bundle.close();
  return file;
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
