/** `untorn doctor`: what a file system allows, what that means for Untorn, and a self-test on it. */

import { resolve } from "node:path";
import type { Capabilities } from "../../doctor/capabilities.ts";
import { libraryPath } from "../../os/permissions.ts";
import { systemCalls } from "../../os/system.ts";
import { toPath } from "../../core/paths.ts";
import { runAsync } from "../../core/steps.ts";
import {
  asUsage,
  type Call,
  type Command,
  COMMON,
  COMMON_HELP,
  type Context,
  onlyArgument,
  parseArgs,
} from "../shared/command.ts";
import { paint } from "../shared/color.ts";
import type { TestResult } from "../../doctor/self_test.ts";

/** The command. */
export const doctor: Command = {
  name: "doctor",
  help: `Usage: untorn doctor DIR [OPTIONS]

Tries what the file system of DIR and the permissions of this process allow,
and says what that means. Then runs a self-test there: files and directories
are replaced under a reader, and operations are cut off after each of their
calls and cleaned up after. All of it happens in a scratch directory in DIR,
which is removed again. Missing abilities are no failure; the exit code is 1 if
a test fails, or if nothing could be tried.

In Deno, --allow-ffi and --allow-sys=statfs let it see more.

Options:
${COMMON_HELP}

With --json: path, fileSystem, shared, exchange, hardLinks, reflinks,
directorySync, syncFs, locks, durable (true, false, or null where it can't be
told), reasons (why not, by those names), selfTest (a list of name, result: ok,
failed or skipped, and reason) and ok. With --quiet: only the tests that failed.

Example:
  untorn doctor /var/lib/app
`,
  prepare: prepareDoctor,
};

/** What is shown: its name, and what it means where it is there, is not, or can't be told. */
const MEANINGS: [
  key: keyof Capabilities["reasons"],
  label: string,
  yes: string,
  no: string,
  unknown?: string,
][] = [
  [
    "shared",
    "shared",
    "other machines may have it too: they see seconds late what is done here",
    "no other machine has it",
    "whether other machines have it too can't be told",
  ],
  [
    "exchange",
    "exchange",
    "a directory is replaced in one step, and never missing",
    "a directory is replaced by two renames, and missing between them",
  ],
  [
    "hardLinks",
    "hard links",
    "what a directory has besides is carried over without a copy",
    "what a directory has besides is copied; overwrite: false is refused",
  ],
  [
    "reflinks",
    "reflinks",
    "copies share their blocks with the original",
    "copies take time and space",
    "whether copies share their blocks can't be told",
  ],
  [
    "directorySync",
    "directory sync",
    "a rename can be made durable",
    'a rename can\'t be made durable: durability "full" comes to "file"',
  ],
  [
    "syncFs",
    "sync of all",
    "many files are synced by one call",
    "many files are synced one by one, some at a time",
  ],
  [
    "locks",
    "locks",
    "who replaces a directory keeps out others who do",
    "nobody keeps out others who replace the same directory",
  ],
  [
    "durable",
    "durable",
    'with durability "full" the new version survives a power cut',
    'a power cut may take the new version, also with durability "full"',
    "whether the new version survives a power cut can't be told",
  ],
];

function prepareDoctor(args: string[], { host, signal, permits }: Context): Call {
  const { values, positionals } = parseArgs({ args, options: COMMON, allowPositionals: true });
  const dir = onlyArgument("DIR", positionals);
  const path = asUsage(() => toPath(dir));
  const asking = { operation: "examine", path, why: "a scratch directory is made in it" };
  const of = resolve(path);
  permits.demand(asking, [{ kind: "read", of }, { kind: "write", of }]);
  permits.hint({ kind: "ffi", of: libraryPath() }, "to try what takes a call of the C library");
  permits.hint({ kind: "sys", of: "statfs" }, "to tell which file system it is");

  return async () => {
    // Loaded here, so that the other commands start without it.
    const { findCapabilities, withAnyScratch } = await import("../../doctor/capabilities.ts");
    const { selfTest } = await import("../../doctor/self_test.ts");
    const print = async (text: string): Promise<void> => {
      if (!values.json && !values.quiet) await host.print("stdout", text);
    };
    const tell = async ({ name, result, reason }: TestResult): Promise<void> => {
      if (values.json || values.quiet && result !== "failed") return;
      const why = reason === undefined ? "" : `: ${reason}`;
      const colour = ({ ok: "green", failed: "red", skipped: "yellow" } as const)[result];
      const text = row(result, 9, name + why).slice(result.length);
      await host.print("stdout", paint(host, "stdout", colour, result) + text);
    };

    const os = systemCalls();
    const can = await runAsync(findCapabilities(os.async, path));
    signal.throwIfAborted();
    await print(table(can));
    const selfTests = await runAsync(
      withAnyScratch(os.async, path, (scratch) => selfTest(os, scratch, can, signal, tell)),
    );
    const failed = selfTests.filter(({ result }) => result === "failed").length;
    const ok = failed === 0;
    if (values.json) {
      const report = { ...can, path: dir, selfTest: selfTests, ok };
      const orNull = (_key: string, value: unknown): unknown => value === undefined ? null : value;
      await host.print("stdout", JSON.stringify(report, orNull) + "\n");
    }
    await print(
      ok ? "\nAll is as promised.\n" : `\n${failed} of ${selfTests.length} tests failed.\n`,
    );
    return ok ? 0 : 1;
  };
}

function table(can: Capabilities): string {
  const { fileSystem, reasons } = can;
  const kind = fileSystem ?? `an unknown file system (${reasons.fileSystem})`;
  const lines = MEANINGS.map(([key, label, yes, no, unknown = no]) => {
    const [answer, meaning] = can[key] === undefined
      ? ["?", unknown]
      : can[key]
      ? ["yes", yes]
      : ["no", no];
    const why = reasons[key] === undefined ? "" : ` (${reasons[key]})`;
    return row(`${label.padEnd(14)}  ${answer}`, 21, meaning + why);
  });
  return `${wrap(`${JSON.stringify(can.path)} is on ${kind}.`, 0)}\n\n${
    lines.join("")
  }\nSelf-test:\n`;
}

/** A first column, and a text in the rest of 80 columns. */
function row(first: string, width: number, text: string): string {
  return first.padEnd(width) + wrap(text, width) + "\n";
}

/** Breaks a text between words, where a word is not too long itself; what is broken is indented. */
function wrap(text: string, indent: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (indent + line.length + 1 + word.length <= 80) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines.join("\n" + " ".repeat(indent));
}
