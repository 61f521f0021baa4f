/** The interface of a command, and the ways in which commands report. */

import type { Host } from "./host.ts";
import type { OptionTable } from "./options.ts";
import type { PermissionCheck } from "./permission_check.ts";

/** A command of the command line. */
export interface Command {
  name: string;
  /** The forms in which it is called, without its name. */
  usage: readonly string[];
  /** What it does, as lines of at most 80 columns. */
  about: string;
  options: OptionTable;
  /** The fields of the object that it prints with `--json`. */
  json: string;
  /** Whole command lines. */
  examples: readonly string[];
  /**
   * Parses the arguments and requires the permissions. Returns the function that does the work. Nothing
   * is changed until that is called.
   */
  prepare(args: string[], context: Context): Call | Promise<Call>;
}

/** A command that is loaded only when it is called, so that the others cost no start-up time. */
export interface Entry {
  name: string;
  summary: string;
  load(): Promise<Command>;
}

/** Does the work of a command. Returns the exit code, unless that is 0. */
export type Call = () => Promise<number | void>;

/** What a command works with. */
export interface Context {
  host: Host;
  /** Aborted when the process is asked to end. */
  signal: AbortSignal;
  permissions: PermissionCheck;
  /** All commands. */
  commands: readonly Entry[];
}

/**
 * Reports a result: its warnings, then all of it as JSON if that was asked for, or, with `--verbose`, the
 * lines.
 */
export async function printResult(
  host: Host,
  { json, verbose }: { json: boolean; verbose: boolean },
  result: { path: string; warnings?: readonly string[] },
  lines: () => string[],
): Promise<void> {
  for (const warning of result.warnings ?? []) {
    const name = color(host, "stderr", "yellow", "untorn: warning:");
    await host.print("stderr", `${name} ${warning}\n`);
  }
  if (json) return await printJson(host, result);
  if (!verbose) return;
  for (const line of lines()) await note(host, line);
}

/** Prints an object as one line of JSON. */
export async function printJson(host: Host, object: object): Promise<void> {
  await host.print("stdout", JSON.stringify(object) + "\n");
}

/** Prints a message for the user on standard error. */
export async function note(host: Host, message: string): Promise<void> {
  await host.print("stderr", `untorn: ${message}\n`);
}

/** The SGR parameters of the terminal's own colours (ECMA-48, 8.3.117). */
const COLORS = { red: 31, green: 32, yellow: 33 } as const;

/** Returns a text in a colour on a terminal, unless NO_COLOR (https://no-color.org) is set. */
export function color(
  host: Host,
  stream: "stdout" | "stderr",
  name: keyof typeof COLORS,
  text: string,
): string {
  return host.noColor() || !host.isTerminal(stream) ? text : `\x1b[${COLORS[name]}m${text}\x1b[m`;
}

/** Returns a number with its noun, such as "1 file" or "2 files". */
export function count(number: number, noun: string, plural: string = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}
