/** `untorn cleanup` and `untorn status`: finish or undo what crashes have left, or only show that. */

import { resolve } from "node:path";
import { inside } from "../../core/paths.ts";
import { runOnSystem } from "../../os/system.ts";
import { cleanUp } from "../../recovery/cleanup.ts";
import { cleanupSettings } from "../../recovery/cleanup_options.ts";
import type { CleanupItem, CleanupReport } from "../../recovery/report.ts";
import { type Call, type Command, type Context, note, printJson } from "../shared/command.ts";
import type { Host } from "../shared/host.ts";
import { asUsage, COMMON, parse } from "../shared/options.ts";
import { access } from "../shared/permission_check.ts";
import { ProgressLine } from "../shared/progress.ts";
import { refuseWholeHome } from "../shared/whole_home.ts";

const SHARED = {
  "recursive": { short: "r", help: "include all directories below ROOT" },
  "claimed-only": { help: "only touch what a lock file proves to be Untorn's" },
  "min-age": { value: "SECONDS", help: "minimum age of staged files to remove (default: 60)" },
  "legacy-tmp": { help: "treat every file named *.tmp as a staged file" },
  "missing-ok": { help: "succeed even if ROOT does not exist" },
} as const;

const STATUS = { ...SHARED, ...COMMON } as const;

const CLEANUP = {
  ...SHARED,
  "force": { help: "allow ROOT to be / or the home directory" },
  "dry-run": { help: 'change nothing, and print what "untorn status" prints' },
  ...COMMON,
} as const;

/** The fields of the report. */
const JSON_FIELDS =
  "path, and restored, removed, rolledForward, quarantined, skipped and failed (each a list of path, " +
  "target, reason and claimed).";

/** The command that cleans up. */
export const cleanup: Command = {
  name: "cleanup",
  usage: ["ROOT [OPTIONS]"],
  about: `Rolls back interrupted swaps in ROOT, completes committed transactions, and
removes uncommitted leftovers. Leftovers are recognised by their names
(docs/protocol.md). Those that a live process uses are left alone, so you can
run this at any time.

Prints a line for each leftover, unless --quiet is given. If a leftover cannot
be cleaned up, the others still are, and the exit code is 1.`,
  options: CLEANUP,
  json: JSON_FIELDS,
  examples: ["untorn cleanup --recursive /var/lib/app"],
  prepare: (args, context) => prepareCleanup("clean up", CLEANUP, args, context),
};

/** The command that only shows. */
export const status: Command = {
  name: "status",
  usage: ["ROOT [OPTIONS]"],
  about: `Shows what "untorn cleanup" would do with the same options, and why. Changes
nothing.`,
  options: STATUS,
  json: JSON_FIELDS,
  examples: ["untorn status --recursive /var/lib/app"],
  prepare: (args, context) => prepareCleanup("inspect", STATUS, args, context),
};

function prepareCleanup(
  operation: "clean up" | "inspect",
  table: typeof STATUS | typeof CLEANUP,
  args: string[],
  { host, signal, permissions }: Context,
): Call {
  const { path, values } = parse(table, "ROOT", args);
  const acts = "dry-run" in values && !values["dry-run"];
  const line = new ProgressLine(host, !values.quiet);
  const settings = asUsage(() =>
    cleanupSettings({
      recursive: values.recursive,
      claimedOnly: values["claimed-only"],
      minAge: values["min-age"],
      legacyTmp: values["legacy-tmp"],
      mustExist: !values["missing-ok"],
      signal,
      onProgress: ({ directories }) => line.update({ directories }),
    })
  );
  const why = acts ? "to list it and remove leftovers" : "to list it";
  const kinds = acts ? ["read", "write"] as const : ["read"] as const;
  permissions.require({ operation, path, why }, access(resolve(path), kinds));

  return async () => {
    if (acts && !values.force) await refuseWholeHome(path, host);
    const report = await line.during(runOnSystem((os) => cleanUp(os, path, settings, acts)));
    if (values.json) await printJson(host, { path, ...report });
    else if (!values.quiet) await show(report, path, host);
    if (report.failed.length > 0) return 1;
  };
}

/** Prints the report as a table: with aligned columns on a terminal, else with tabs. */
async function show(report: CleanupReport, root: string, host: Host): Promise<void> {
  const below = inside(root, "");
  const rows = Object.entries(report).flatMap(([outcome, items]: [string, CleanupItem[]]) =>
    items.map(({ path, reason }) => [
      outcome.replace(/([A-Z])/, (letter) => ` ${letter.toLowerCase()}`),
      printable(path.startsWith(below) ? path.slice(below.length) : path),
      printable(reason),
    ])
  );
  if (rows.length === 0) {
    if (!host.isTerminal("stderr")) return;
    return await note(host, `there are no leftovers in ${JSON.stringify(root)}`);
  }
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isTable = host.isTerminal("stdout");
  const lines = rows.map((row) =>
    isTable ? row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ") : row.join("\t")
  );
  await host.print("stdout", lines.join("\n") + "\n");
}

/** Quotes a text that has control characters, which could change a terminal. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f-\x9f]/.test(text) ? JSON.stringify(text) : text;
}
