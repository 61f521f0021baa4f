/**
 * What a command is, and what all of them share.
 */

import { parse, resolve } from "node:path";
import { parseArgs as utilParseArgs } from "node:util";
import { OsError } from "../../core/errors.ts";
import { missingFlags } from "../../os/permissions.ts";
import { systemCalls } from "../../os/system.ts";
import { runAsync } from "../../core/steps.ts";
import type { Host } from "./host.ts";
import { paint } from "./color.ts";
import type { Permits } from "./permission_check.ts";
import { nearest } from "./suggest.ts";

/** A command of the command line. */
export interface Command {
  name: string;
  /** The whole help, with an example, at most 80 columns wide; completions are made of its options. */
  help: string;
  /**
   * Reads the arguments and demands what they need permission for. Returns what does the work, and in
   * turn the exit code; until that is called, nothing is touched.
   */
  prepare(args: string[], context: Context): Call | Promise<Call>;
}

/** A command, not yet loaded: what is not called costs no time at the start. */
export interface Entry {
  name: string;
  summary: string;
  load(): Promise<Command>;
}

/** A command with its arguments. */
export type Call = () => Promise<number>;

/** What a command runs in. */
export interface Context {
  host: Host;
  /** Aborted when the process is asked to end. */
  signal: AbortSignal;
  permits: Permits;
  /** All commands there are. */
  commands: readonly Entry[];
}

/** A mistake in the command line. */
export class UsageError extends Error {
  /** The command that it was made for, if not the one that was called. */
  command?: string;
}

/** Options that every command has; `--help` is answered before a command runs. */
export const COMMON = {
  json: { type: "boolean" },
  quiet: { type: "boolean", short: "q" },
  verbose: { type: "boolean", short: "v" },
} as const;

/** The lines of {@link COMMON} in a command's help. */
export const COMMON_HELP = `  --json                one JSON object on standard output
  -q, --quiet           no hints
  -v, --verbose         say what was done
  -h, --help            this help`;

/** `parseArgs` of `node:util`, with its mistakes as usage errors. */
export const parseArgs: typeof utilParseArgs = (config) => {
  try {
    return utilParseArgs(config);
  } catch (error) {
    // Its first sentence says what is wrong; the others, how to end option parsing.
    const what = (error as Error).message.split(/\.\s/)[0]!;
    const typed = /^Unknown option '--([^'=]+)/.exec(what)?.[1];
    const meant = typed && nearest(typed, [...Object.keys(config?.options ?? {}), "help"]);
    throw new UsageError(meant ? `${what}; did you mean --${meant}?` : what);
  }
};

/** Makes a usage error of what a library function finds wrong with its arguments. */
export function asUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) {
      throw new UsageError(error.message);
    }
    throw error;
  }
}

/** What went wrong after it was done. */
export async function printWarnings(host: Host, warnings: readonly string[]): Promise<void> {
  const name = paint(host, "stderr", "yellow", "untorn: warning:");
  for (const warning of warnings) await host.print("stderr", `${name} ${warning}\n`);
}

/** Splits at `--`: a command's own arguments, and those of the command that it is to run. */
export function splitCommand(args: string[]): { own: string[]; command: string[] | undefined } {
  const end = args.indexOf("--");
  if (end < 0) return { own: args, command: undefined };
  const command = args.slice(end + 1);
  if (command.length === 0) throw new UsageError("there is no command after --");
  return { own: args.slice(0, end), command };
}

/** The one argument that a command takes besides its options. */
export function onlyArgument(what: string, [first, ...more]: string[]): string {
  if (first === undefined) throw new UsageError(`${what} is missing`);
  if (more.length > 0) throw new UsageError(`one ${what} at a time, not also ${more.join(", ")}`);
  return first;
}

/** A mode from the command line. */
export function octal(text: string): number {
  if (/^(0o?)?[0-7]{1,4}$/.test(text)) return parseInt(text.replace("o", ""), 8);
  throw new UsageError(`--mode must be octal digits such as 600, not "${text}"`);
}

/** A number from the command line. */
export function wholeNumber(option: string, text: string, least: number = 1): number {
  if (/^\d{1,15}$/.test(text) && Number(text) >= least) return Number(text);
  throw new UsageError(`--${option} must be a number from ${least} on, not "${text}"`);
}

/** Seconds from the command line, in ms. */
export function seconds(option: string, text: string): number {
  if (/^(\d+(\.\d+)?|Infinity)$/.test(text)) return Number(text) * 1000;
  throw new UsageError(`--${option} must be seconds such as 2.5, not "${text}"`);
}

/** Refuses the root and the home directory, which are hardly ever meant. */
export async function refuseWholeHome(path: string, host: Host): Promise<void> {
  const os = systemCalls().async;
  const real = async (path: string): Promise<string> => {
    if (missingFlags(path, ["read"]).length > 0) return path;
    try {
      return await runAsync(os.realpath(resolve(path)));
    } catch (error) {
      // What is missing or can't be entered is told by the operation itself.
      if (error instanceof OsError) return path;
      throw error;
    }
  };
  const home = host.home();
  const found = await real(path);
  const isRoot = found === parse(found).root;
  const isHome = home === undefined
    // Deno may not be permitted to tell it (--allow-env=HOME).
    ? /^(\/root|\/home\/[^/]+|\/Users\/[^/]+)$/.test(found)
    : found === await real(home);
  if (!isRoot && !isHome) return;
  const what = isRoot ? "the root of the file system" : "the home directory";
  throw new UsageError(`${JSON.stringify(path)} is ${what}; use --force if that is meant`);
}
