/** The runtime that the tests run in, and how to run a program in another process of the same one. */

import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The runtime of this process. */
export const runtime: "deno" | "bun" | "node" = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** The project's own folder. */
export const project: string = fileURLToPath(new URL("../../", import.meta.url));

/** Whether this process is root's, for whom more can be tested. */
export const isRoot: boolean = process.getuid?.() === 0;

/**
 * The command that runs a program of the project in this runtime. The command line may be another file
 * than its source: `UNTORN_CLI` names one of JavaScript, or a compiled program.
 */
export function programCommand(
  file: string,
  args: string[] = [],
  denoFlags: string[] = ["-A"],
): [string, ...string[]] {
  const built = file === "cli.ts" ? process.env.UNTORN_CLI : undefined;
  if (built !== undefined && !built.endsWith(".js")) return [built, ...args];
  const path = built ?? fileURLToPath(new URL(`../../${file}`, import.meta.url));
  if (runtime !== "deno") return [process.execPath, path, ...args];
  // Deno's `spawn` gives a Deno that is named no permission all of them; so one is named.
  const permissions = denoFlags.some((flag) => flag.startsWith("--allow") || flag === "-A")
    ? denoFlags
    : ["--deny-ffi", ...denoFlags];
  const flags = ["--no-prompt", "--quiet", ...permissions];
  return [process.execPath, "run", ...flags, path, ...args];
}

/** How a process ended. */
export interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** A process that was started, and how it ends. */
export interface Started {
  child: ChildProcess;
  ended: Promise<Ended>;
}

/** Starts a command; it is killed if it runs for over a minute, or for longer than `limit`, in ms. */
export function start(
  [command, ...args]: string[],
  options: SpawnOptions = {},
  limit: number = 60_000,
): Started {
  const child = spawn(command!, args, { stdio: ["pipe", "pipe", "pipe"], ...options });
  const ended = new Promise<Ended>((resolve, reject) => {
    const tooLong = setTimeout(() => child.kill("SIGKILL"), limit);
    let [stdout, stderr] = ["", ""];
    child.stdout?.setEncoding("utf8").on("data", (text) => stdout += text);
    child.stderr?.setEncoding("utf8").on("data", (text) => stderr += text);
    // A child that ended before it read all of its input is not a fault of the test.
    child.stdin?.on("error", () => {});
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(tooLong);
      resolve({ code, signal, stdout, stderr });
    });
  });
  return { child, ended };
}

/** Runs a command to its end, with this as its standard input. */
export function run(
  command: string[],
  input: string | Uint8Array = "",
  options: SpawnOptions = {},
): Promise<Ended> {
  const { child, ended } = start(command, options);
  child.stdin!.end(input);
  return ended;
}

/** Waits until a condition holds; fails after ten seconds. */
export async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 1000) throw new Error("what was waited for did not happen");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The hidden entries of a directory: what Untorn might have left. */
export function hidden(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.startsWith("."));
}
