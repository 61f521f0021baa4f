/**
 * Options, declared once for each command in a table. The parser, the help and the shell completions all
 * read that table.
 */

import { parseArgs } from "node:util";
import { toPath } from "../../core/paths.ts";
import type { RollbackOptions } from "../../dir/dir_options.ts";

/** An option of a command. */
export interface Option {
  /** The one-letter form. */
  short?: string;
  /** The placeholder of the value, which also selects how it is read. An option without one is a flag. */
  value?: string;
  /** The words that the value must be one of, each with its description. */
  words?: Readonly<Record<string, string>>;
  /** Whether the option may be given more than once. */
  multiple?: true;
  /** The description. Completions show it up to its first semicolon or parenthesis. */
  help: string;
}

/** The options of a command, by their long names. */
export type OptionTable = Readonly<Record<string, Option>>;

/** The values of a table's options. A flag is false, and any other option undefined, if it was not given. */
export type Values<Table extends OptionTable> = {
  [Name in keyof Table]: Table[Name] extends { value: infer Placeholder }
    ? Value<Table[Name], Placeholder> | undefined
    : boolean;
};

type Value<Of, Placeholder> = Of extends { words: infer Words } ? keyof Words
  : Placeholder extends keyof typeof NUMBERS ? number
  : Of extends { multiple: true } ? string[]
  : string;

/** How a number is read: its form, the words for that, and the conversion. */
type NumberForm = [form: RegExp, is: string, read: (text: string) => number];

/** The numbers, by their placeholders. All other values are strings. */
const NUMBERS: Record<"MODE" | "N" | "SECONDS" | "VERSION", NumberForm> = {
  MODE: [
    /^(0o?)?[0-7]{1,4}$/,
    "octal digits such as 600",
    (it) => parseInt(it.replace("o", ""), 8),
  ],
  N: [/^\d{1,15}$/, "a whole number of at least 0", Number],
  // Seconds on the command line are milliseconds in the library.
  SECONDS: [/^(\d+(\.\d+)?|Infinity)$/, "seconds such as 2.5", (it) => Number(it) * 1000],
  VERSION: [/^(?!0+$)\d{1,15}$/, "a whole number of at least 1", Number],
};

/** The options that every command has. `main` answers `--help` before it runs a command. */
export const COMMON = {
  json: { help: "print one JSON object on standard output" },
  quiet: { short: "q", help: "print no hints and no progress" },
  verbose: { short: "v", help: "report what was done" },
  help: { short: "h", help: "show this help" },
} as const;

/** How a new version of a directory is put in place. */
export const SWAP = {
  swap: {
    value: "HOW",
    words: {
      auto: "exchange where supported, else rename (default)",
      exchange: "in one step, or fail; DIR is never missing",
      rename: "by two renames; DIR is missing between them",
    },
    help: "how the new version is put in place",
  },
} as const;

/** Options of commands that make a durable change under a lock. */
export const LOCKED = {
  "durability": {
    value: "LEVEL",
    words: {
      full: "the change survives (default)",
      file: "all of the change survives, or none of it",
      none: "no guarantee, because nothing is synced",
    },
    help: "what is guaranteed after a power failure",
  },
  "no-lock": { help: "do not take the lock that keeps out other writers" },
  "wait": { value: "SECONDS", help: "how long to wait for a lock (default: 10)" },
} as const;

/** The dry run of commands that stage a change first. */
export const STAGE_ONLY = {
  "dry-run": {
    help: "stage the change, but do not commit it; with -v or --json, report what would be done",
  },
} as const;

/** The dry run of commands that stage nothing. */
export const DRY_RUN = {
  "dry-run": { help: "only report what would be done, with -v or --json" },
} as const;

/** A mistake in the command line. */
export class UsageError extends Error {
  /** The command that the arguments belong to, if that is not the one that was called. */
  command?: string;
  /** The word that may be a typing error. */
  readonly unknown: Unknown | undefined;

  constructor(message: string, unknown?: Unknown) {
    super(message);
    this.unknown = unknown;
  }
}

/** A word that is not known, and the words that are. */
export interface Unknown {
  word: string;
  known: readonly string[];
  /** What stands before each of the words on the command line. */
  prefix?: "" | "--";
}

/** Returns the values of {@link LOCKED} as options of a library function. */
export function lockedOptions(
  { durability, "no-lock": noLock, wait }: Values<typeof LOCKED>,
  signal: AbortSignal,
): Pick<RollbackOptions, "durability" | "lock" | "wait" | "signal"> {
  return { durability, lock: !noLock, wait, signal };
}

/** Reports what a library function finds wrong with its arguments as a usage error. */
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

/** Splits arguments at `--` into the command's own and those of the command that it will run. */
export function splitCommand(args: string[]): { own: string[]; command: string[] | undefined } {
  const end = args.indexOf("--");
  if (end < 0) return { own: args, command: undefined };
  const command = args.slice(end + 1);
  if (command.length === 0) throw new UsageError("there is no command after --");
  return { own: args.slice(0, end), command };
}

/** Parses the options in a table, and the one argument that a command takes besides, which is a path. */
export function parse<Table extends OptionTable>(
  table: Table,
  argument: string,
  args: string[],
): { path: string; values: Values<Table> } {
  const { values, positionals: [path, ...more] } = parseWords(table, args);
  if (path === undefined) throw new UsageError(`${argument} is missing`);
  if (more.length > 0) {
    throw new UsageError(`there must be only one ${argument}, not also ${more.join(", ")}`);
  }
  asUsage(() => toPath(path));
  const read = Object.entries(table).map(([name, option]) =>
    [name, valueOf(`--${name}`, option, values[name])] as const
  );
  return { path, values: Object.fromEntries(read) as Values<Table> };
}

/** Checks and converts the value of an option. */
function valueOf(name: string, { value, words }: Option, given: unknown): unknown {
  if (value === undefined) return given === true;
  if (typeof given !== "string") return given;
  const wrong = (is: string): never => {
    throw new UsageError(`${name} must be ${is}, not "${given}"`);
  };
  if (Object.hasOwn(NUMBERS, value)) {
    const [form, is, read] = NUMBERS[value as keyof typeof NUMBERS];
    return form.test(given) ? read(given) : wrong(is);
  }
  if (words === undefined || Object.hasOwn(words, given)) return given;
  return wrong(Object.keys(words).join(", ").replace(/, (\w+)$/, " or $1"));
}

/** Splits arguments into options and positional arguments. */
function parseWords(table: OptionTable, args: string[]): ReturnType<typeof parseArgs> {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, option]) => {
      const type: "boolean" | "string" = option.value === undefined ? "boolean" : "string";
      return [name, { ...option, type }];
    }),
  );
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    // The first sentence says what is wrong; the others explain how to end option parsing.
    const what = (error as Error).message.split(/\.\s/)[0]!;
    const word = /^Unknown option '--([^'=]+)/.exec(what)?.[1];
    const known = Object.keys(table);
    throw new UsageError(what, word === undefined ? undefined : { word, known, prefix: "--" });
  }
}
