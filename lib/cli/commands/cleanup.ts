/** `untorn cleanup` and `untorn status`: what crashes left is finished or undone, or only shown. */

import { resolve } from "node:path";
import { cleanUp } from "../../recovery/cleanup.ts";
import { type CleanupSettings, cleanupSettings } from "../../recovery/cleanup_options.ts";
import { systemCalls } from "../../os/system.ts";
import { inside, toPath } from "../../core/paths.ts";
import { runAsync } from "../../core/steps.ts";
import type { CleanupReport } from "../../recovery/report.ts";
import {
  asUsage,
  type Call,
  type Command,
  COMMON,
  COMMON_HELP,
  type Context,
  onlyArgument,
  parseArgs,
  refuseWholeHome,
  seconds,
} from "../shared/command.ts";
import type { Host } from "../shared/host.ts";
import { ProgressLine } from "../shared/progress.ts";

const OPTIONS_HELP = `  -r, --recursive       in directories below ROOT as well
  --claimed-only        only what a lock file proves to be Untorn's
  --min-age SECONDS     the age at which a staged file is removed (default: 60)
  --legacy-tmp          every file called *.tmp counts as a staged file
  --missing-ok          a ROOT that does not exist is no error
`;

/** The command that acts. */
export const cleanup: Command = {
  name: "cleanup",
  help: `Usage: untorn cleanup ROOT [OPTIONS]

Rolls interrupted swaps back, and removes what was never put in place. It goes
by names (docs/protocol.md), and leaves alone what a live process works on. It
may be run at any time. What it did is printed, a line for each thing. The exit
code is 1 if something could not be done; everything else was.

Options:
${OPTIONS_HELP}  --force               even if ROOT is / or the home directory
  --dry-run             only show it, as "untorn status" does
${COMMON_HELP}

With --json: path, and restored, removed, rolledForward, quarantined, kept and
failed: lists of path, target, reason and claimed.

Example:
  untorn cleanup --recursive /var/lib/app
`,
  prepare: (args, context) => prepareCleanup(true, args, context),
};

/** The command that only looks. */
export const status: Command = {
  name: "status",
  help: `Usage: untorn status ROOT [OPTIONS]

Shows what "untorn cleanup" would do with the same options, and why.

Options:
${OPTIONS_HELP}${COMMON_HELP}

With --json: as "untorn cleanup".

Example:
  untorn status --recursive /var/lib/app
`,
  prepare: (args, context) => prepareCleanup(false, args, context),
};

const OPTIONS = {
  ...COMMON,
  "recursive": { type: "boolean", short: "r" },
  "claimed-only": { type: "boolean" },
  "min-age": { type: "string" },
  "legacy-tmp": { type: "boolean" },
  "missing-ok": { type: "boolean" },
} as const;

const ACTING = {
  ...OPTIONS,
  "force": { type: "boolean" },
  "dry-run": { type: "boolean" },
} as const;

function prepareCleanup(acts: boolean, args: string[], context: Context): Call {
  const { values, positionals } = parseArgs({
    args,
    options: (acts ? ACTING : OPTIONS) as typeof ACTING,
    allowPositionals: true,
  });
  const { host, signal, permits } = context;
  const root = onlyArgument("ROOT", positionals);
  const path = asUsage(() => toPath(root));
  const line = new ProgressLine(host, values.quiet !== true);
  const settings: CleanupSettings = asUsage(() =>
    cleanupSettings({
      recursive: values.recursive === true,
      claimedOnly: values["claimed-only"] === true,
      minAge: values["min-age"] === undefined ? undefined : seconds("min-age", values["min-age"]),
      legacyTmp: values["legacy-tmp"] === true,
      mustExist: values["missing-ok"] !== true,
      signal,
      onProgress: ({ directories }) => line.update({ directories }),
    })
  );
  const touches = acts && values["dry-run"] !== true;
  const operation = acts ? "clean up" : "inspect";
  const why = touches ? "it is listed, and leftovers in it are removed" : "it is listed";
  const of = resolve(path);
  permits.demand({ operation, path, why }, [
    { kind: "read", of },
    ...touches ? [{ kind: "write", of } as const] : [],
  ]);

  return async () => {
    if (touches && values.force !== true) await refuseWholeHome(path, host);
    const report = await line.during(
      runAsync(cleanUp(systemCalls().async, path, settings, touches)),
    );
    if (values.json) await host.print("stdout", JSON.stringify({ path: root, ...report }) + "\n");
    else await show(report, root, host, values.quiet === true);
    return report.failed.length > 0 ? 1 : 0;
  };
}

/** A table on a terminal; elsewhere the same with tabs. */
async function show(
  report: CleanupReport,
  root: string,
  host: Host,
  quiet: boolean,
): Promise<void> {
  const below = inside(root, "");
  const rows = Object.entries(report).flatMap(([outcome, items]) =>
    (items as CleanupReport["kept"]).map(({ path, reason }) => [
      outcome.replace(/([A-Z])/, (letter) => ` ${letter.toLowerCase()}`),
      printable(path.startsWith(below) ? path.slice(below.length) : path),
      printable(reason),
    ])
  );
  if (rows.length === 0) {
    const none = `untorn: nothing is left of a crash in ${JSON.stringify(root)}\n`;
    if (!quiet && host.isTerminal("stderr")) await host.print("stderr", none);
    return;
  }
  if (quiet) return;
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const table = host.isTerminal("stdout");
  const lines = rows.map((row) =>
    table ? row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ") : row.join("\t")
  );
  await host.print("stdout", lines.join("\n") + "\n");
}

/** As it is, unless it would make a terminal do something. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f-\x9f]/.test(text) ? JSON.stringify(text) : text;
}
