/**
 * What a command is, and what all of them share.
 */

import { dirname } from "node:path";
import { parseArgs as utilParseArgs } from "node:util";
import { describe, Refusal } from "../errors.ts";
import { missingFlags } from "../os/mod.ts";
import type { Host } from "./host.ts";

/** A command of the command line. */
export interface Command {
  name: string;
  summary: string;
  /** The whole help, with an example, at most 80 columns wide. */
  help: string;
  run(args: string[], context: Context): Promise<void>;
}

/** What a command runs in. */
export interface Context {
  host: Host;
  /** Aborted when the process is asked to end. */
  signal: AbortSignal;
}

/** A mistake in the command line. */
export class UsageError extends Error {}

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
    throw new UsageError((error as Error).message.split(/\. /)[0]);
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

/** Refuses, rather than let the runtime ask in the middle of a pipe. */
export function requirePermission(operation: string, path: string): void {
  const flags = missingFlags(dirname(path));
  if (flags.length === 0) return;
  const what = `permission for its directory was not given; run again with ${flags.join(" ")}`;
  const why = `a temporary sibling is created beside ${path}`;
  throw describe(new Refusal("ERR_PERMISSION", path, `${what} (${why})`), {
    operation,
    target: path,
    outcome: "unchanged",
    existed: false,
    path,
  });
}
