/**
 * What the scripts share: the project's folder, the runtimes it is tested on, running commands in it.
 * They run in Deno. The other runtimes come with npm, and are called by the path of the program itself:
 * the wrappers in `node_modules/.bin` would let Node run Bun, or another Node than the wanted one.
 */

import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder, in which all commands run. */
export const project: string = fileURLToPath(new URL("../", import.meta.url));

const windows = Deno.build.os === "windows";
const modules = join(project, "node_modules");

/** A runtime that the project runs on. */
export type Runtime = "deno" | "bun" | "node";

/** The program of each runtime. */
export const programs: Readonly<Record<Runtime, string>> = {
  deno: Deno.execPath(),
  bun: join(modules, "bun", "bin", "bun.exe"),
  node: join(modules, "node", "bin", windows ? "node.exe" : "node"),
};

/** What has kept a script from doing its work, to be shown without a stack. */
export class Failure extends Error {}

/** How a command ended, and after how long. */
export interface Ended {
  /** Empty if it ended well. */
  problem: string;
  seconds: number;
}

/**
 * Runs a command in the project's folder, which shows its output as it comes, or adds it to a file.
 */
export async function run(
  [program, ...args]: readonly [string, ...string[]],
  { output, ...options }: Pick<Deno.CommandOptions, "env" | "signal"> & { output?: string } = {},
): Promise<Ended> {
  const start = performance.now();
  const env = { ...options.env, ...Deno.stdout.isTerminal() ? {} : { NO_COLOR: "1" } };
  const piped = output === undefined ? "inherit" : "piped";
  const stdio = { stdin: "null", stdout: piped, stderr: piped } as const;
  const child = new Deno.Command(program, { args, cwd: project, ...options, env, ...stdio })
    .spawn();
  if (output !== undefined) {
    const add = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
      const file = await Deno.open(output, { append: true, create: true });
      await stream.pipeTo(file.writable);
    };
    await Promise.all([add(child.stdout), add(child.stderr)]);
  }
  const { success, code, signal } = await child.status;
  return {
    problem: success ? "" : signal === null ? `exit code ${code}` : `ended by ${signal}`,
    seconds: (performance.now() - start) / 1000,
  };
}

/** Installs the development dependencies, unless all of them are there in the locked versions. */
export async function ensureDependencies(): Promise<void> {
  const before = await missing();
  if (before === "") return;
  console.log(`Installing development dependencies: ${before}\n`);
  const { problem } = await run(
    [windows ? "npm.cmd" : "npm", "ci", "--no-audit", "--no-fund"],
    { env: { PATH: pathWithoutModules() } },
  );
  if (problem !== "") throw new Failure(`npm ci failed: ${problem}`);
  const after = await missing();
  if (after !== "") {
    throw new Failure(`${after}, after npm ci too; were install scripts switched off?`);
  }
}

/** The first dependency that is not there as locked, or that does not run; empty if none. */
async function missing(): Promise<string> {
  const { packages } = await readJson(join(project, "package-lock.json")) as {
    packages: Record<string, { version: string; devDependencies?: Record<string, string> }>;
  };
  for (const name of Object.keys(packages[""]!.devDependencies!)) {
    const { version } = packages[`node_modules/${name}`]!;
    const found = name === "bun" || name === "node"
      ? await versionOf(programs[name])
      : await readJson(join(modules, name, "package.json"))
        .then((info) => (info as { version: string }).version, () => undefined);
    if (found !== version) return `${name} ${version} is not there`;
  }
  return "";
}

async function versionOf(program: string): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command(program, { args: ["--version"] }).output();
    return new TextDecoder().decode(stdout).trim().replace(/^v/, "");
  } catch {
    return undefined;
  }
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await Deno.readTextFile(path));
}

/** npm must not run in the very Node that it is going to replace; tasks have that in their PATH. */
function pathWithoutModules(): string {
  const entries = (Deno.env.get("PATH") ?? "").split(delimiter);
  return entries.filter((entry) => entry !== join(modules, ".bin")).join(delimiter);
}

/** Prints a file's path, and its size. */
export async function printSize(file: string): Promise<void> {
  const { size } = await Deno.stat(resolve(project, file));
  console.log(`${file}: ${size.toLocaleString("en")} bytes`);
}

/** Runs a script's body; a `Failure` ends it with its message and exit code 1. */
export async function main(body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`\n${error.message}`);
    Deno.exit(1);
  }
}
