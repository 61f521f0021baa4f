/** `untorn doctor`: reports what a file system supports, what that means, and the result of a self-test. */

import { resolve } from "node:path";
import { runAsync } from "../../core/steps.ts";
import { libraryPath } from "../../os/permissions.ts";
import { systemCalls } from "../../os/system.ts";
import type { Capabilities } from "../../doctor/capabilities.ts";
import type { TestResult } from "../../doctor/self_test.ts";
import { type Call, color, type Command, type Context, count } from "../shared/command.ts";
import { wrap } from "../shared/help.ts";
import { COMMON, parse } from "../shared/options.ts";
import { access } from "../shared/permission_check.ts";

/** The command. */
export const doctor: Command = {
  name: "doctor",
  usage: ["DIR [OPTIONS]"],
  about: `Tries what the file system of DIR and the permissions of this process allow, and
explains what that means for Untorn. Then runs a self-test: it replaces files
and directories while they are read, interrupts operations after each of their
system calls, and cleans up. It works in a scratch directory in DIR, which it
removes at the end. With --quiet, it prints only failed tests.

A missing capability is not a failure. The exit code is 1 if a test fails, or if
nothing could be tried. In Deno, --allow-ffi and --allow-sys=statfs let it try
more.`,
  options: COMMON,
  json:
    "path, fileSystem (its name), shared, exchange, hardLinks, reflinks, directorySync, syncFs, " +
    "locks, durable (each true, false, or null if unknown), reasons (why something is missing or " +
    "unknown, by its name), selfTest (a list of name, result and reason; result is ok, failed or " +
    "skipped), ok.",
  examples: ["untorn doctor /var/lib/app"],
  prepare: prepareDoctor,
};

function prepareDoctor(args: string[], { host, signal, permissions }: Context): Call {
  const { path, values } = parse(COMMON, "DIR", args);
  const request = { operation: "examine", path, why: "to create a scratch directory in it" };
  permissions.require(request, access(resolve(path)));
  permissions.optional.push(
    { kind: "ffi", of: libraryPath(), why: "to try calls of the C library" },
    { kind: "sys", of: "statfs", why: "to identify the file system" },
  );

  return async () => {
    // Loaded here, so that the other commands start without it.
    const { findCapabilities, withAnyScratch } = await import("../../doctor/capabilities.ts");
    const { selfTest } = await import("../../doctor/self_test.ts");
    const print = async (text: string): Promise<void> => {
      if (!values.json && !values.quiet) await host.print("stdout", text);
    };
    const report = async ({ name, result, reason }: TestResult): Promise<void> => {
      if (values.json || values.quiet && result !== "failed") return;
      const why = reason === undefined ? "" : `: ${reason}`;
      const colors = { ok: "green", failed: "red", skipped: "yellow" } as const;
      const text = row(result, 9, name + why).slice(result.length);
      await host.print("stdout", color(host, "stdout", colors[result], result) + text);
    };

    const os = systemCalls();
    const can = await runAsync(findCapabilities(os.async, path));
    signal.throwIfAborted();
    await print(table(can));
    const selfTests = await runAsync(
      withAnyScratch(os.async, path, (scratch) => selfTest(os, scratch, can, signal, report)),
    );
    const failed = selfTests.filter(({ result }) => result === "failed").length;
    const ok = failed === 0;
    if (values.json) {
      const orNull = (_key: string, value: unknown): unknown => value === undefined ? null : value;
      const json = JSON.stringify({ ...can, path, selfTest: selfTests, ok }, orNull);
      await host.print("stdout", json + "\n");
    }
    const all = count(selfTests.length, "self-test");
    await print(ok ? "\nAll self-tests passed.\n" : `\n${failed} of ${all} failed.\n`);
    if (!ok) return 1;
  };
}

/** A capability, and what it means that the file system has it, lacks it, or may have it. */
type Meaning = [key: keyof Capabilities["reasons"], yes: string, no: string, unknown?: string];

/** The capabilities, by the labels under which they are printed. */
const MEANINGS: Record<string, Meaning> = {
  "shared": [
    "shared",
    "other machines may use it too; they see changes seconds late",
    "no other machine uses it",
    "other machines may or may not use it too",
  ],
  "exchange": [
    "exchange",
    "a directory is replaced in one step, and is never missing",
    "a directory is replaced by two renames, and is missing between them",
  ],
  "hard links": [
    "hardLinks",
    "entries of the previous version are carried over without a copy",
    "entries of the previous version are copied; overwrite: false is refused",
  ],
  "reflinks": [
    "reflinks",
    "copies share their blocks with the original",
    "copies take time and space",
    "copies may or may not share their blocks with the original",
  ],
  "directory sync": [
    "directorySync",
    "a rename can be made durable",
    'a rename cannot be made durable; durability "full" is reduced to "file"',
  ],
  "bulk sync": [
    "syncFs",
    "one call syncs many files",
    "files are synced one by one, several at a time",
  ],
  "locks": [
    "locks",
    "processes that replace the same directory keep each other out",
    "processes that replace the same directory do not keep each other out",
  ],
  "durable": [
    "durable",
    'with durability "full" the new version survives a power failure',
    'a power failure may lose the new version, even with durability "full"',
    "the new version may or may not survive a power failure",
  ],
};

function table(can: Capabilities): string {
  const { fileSystem, reasons } = can;
  const kind = fileSystem ?? `an unknown file system (${reasons.fileSystem})`;
  const lines = Object.entries(MEANINGS).map(([label, [key, yes, no, unknown = no]]) => {
    const has = can[key];
    const meaning = has === undefined ? unknown : has ? yes : no;
    const answer = has === undefined ? "?" : has ? "yes" : "no";
    const why = reasons[key] === undefined ? "" : ` (${reasons[key]})`;
    return row(`${label.padEnd(14)}  ${answer}`, 21, meaning + why);
  });
  const start = wrap(`${JSON.stringify(can.path)} is on ${kind}.`, 0);
  return `${start}\n\n${lines.join("")}\nSelf-test:\n`;
}

/** Returns a line with a first column, and a text in the rest of 80 columns. */
function row(first: string, width: number, text: string): string {
  return first.padEnd(width) + wrap(text, width) + "\n";
}
