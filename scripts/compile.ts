/**
 * Makes programs of the command that need no runtime.
 *
 *     deno run -A scripts/compile.ts                 dist/untorn, with Bun, for this machine
 *     deno run -A scripts/compile.ts --all           dist/untorn-TARGET, with Bun, for each system
 *     deno run -A scripts/compile.ts --deno [FLAG]…  dist/untorn-deno, with Deno, with no other
 *                                                    permissions than these flags give
 *
 * That of Deno is as safe as `deno run`: what it may not do can't be asked for, either.
 */

import { compileArguments, denoCompileArguments } from "./bundles.ts";
import { ensureDependencies, Failure, main, printSize, programs, run } from "./tools.ts";

/** Bun's names for systems; the last two are for Linux with musl, such as Alpine. */
const TARGETS = [
  "linux-x64",
  "linux-arm64",
  "darwin-x64",
  "darwin-arm64",
  "windows-x64",
  "linux-x64-musl",
  "linux-arm64-musl",
];

/** What each command can make use of. */
const ALL = ["read", "write", "run", "ffi", "env=HOME", "sys=statfs"].map((name) =>
  `--allow-${name}`
);

await main(async () => {
  const [what, ...flags] = Deno.args;
  const extension = (system: string): string => system.startsWith("windows") ? ".exe" : "";
  if (what === "--deno") {
    return await make(`dist/untorn-deno${extension(Deno.build.os)}`, (file) => {
      const permissions = flags.length === 0 ? ALL : flags;
      return [programs.deno, ...denoCompileArguments(file, permissions)];
    });
  }
  await ensureDependencies();
  if (what === undefined) return await make(`dist/untorn${extension(Deno.build.os)}`, withBun);
  if (what !== "--all" || flags.length > 0) {
    throw new Failure("it takes --all, --deno with Deno's flags, or nothing");
  }
  for (const target of TARGETS) {
    await make(
      `dist/untorn-${target}${extension(target)}`,
      (file) => [...withBun(file), `--target=bun-${target}`],
    );
  }
});

function withBun(file: string): [string, ...string[]] {
  return [programs.bun, ...compileArguments(file)];
}

async function make(
  file: string,
  command: (file: string) => [string, ...string[]],
): Promise<void> {
  // With package.json, Deno would put all development dependencies into its program.
  const { problem } = await run(command(file), { env: { DENO_NO_PACKAGE_JSON: "1" } });
  if (problem !== "") throw new Failure(`${file} could not be made: ${problem}`);
  await printSize(file);
}
