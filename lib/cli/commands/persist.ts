/** `untorn persist`: a directory from a copy of another, or from what a command builds. */

import { resolve } from "node:path";
import { copyTree } from "../../fs/copy_tree.ts";
import {
  type DirOptions,
  type DirSettings,
  dirSettings,
  type PersistResult,
} from "../../dir/dir_options.ts";
import type { Durability } from "../../core/options.ts";
import { systemCalls } from "../../os/system.ts";
import { toPath } from "../../core/paths.ts";
import { StagedDirSteps } from "../../dir/stage_dir.ts";
import { runAsync } from "../../core/steps.ts";
import {
  asUsage,
  type Call,
  type Command,
  COMMON,
  COMMON_HELP,
  type Context,
  octal,
  onlyArgument,
  parseArgs,
  printWarnings,
  seconds,
  splitCommand,
  UsageError,
  wholeNumber,
} from "../shared/command.ts";
import { endedWith } from "../shared/host.ts";
import { counting, ProgressLine } from "../shared/progress.ts";
import { demandSource } from "../shared/copy_source.ts";

/** The command. */
export const persist: Command = {
  name: "persist",
  help: `Usage: untorn persist DIR --from SRC [OPTIONS]
       untorn persist DIR [OPTIONS] -- COMMAND [ARGUMENTS]

Replaces or creates DIR, whole or not at all: with a copy of SRC, or with what
COMMAND puts into the staging directory, which is named by {} in its arguments
and by UNTORN_STAGE in its environment. If COMMAND fails, DIR stays as it was.
What DIR has and the new version has not is carried over.

Options:
  --from SRC            the directory to copy
  --no-carry-over       the new version has nothing but what was staged
  --write-once PATH     keep DIR's own version of this entry (may be repeated)
  --swap HOW            auto: by exchange where that can be had (default)
                        exchange: DIR is never missing; else fail
                        rename: by two renames
                        journal: DIR itself stays, and each file is replaced
  --keep N              keep N previous versions (see untorn rollback)
  --mode MODE           permission bits of DIR itself, in octal
  --durability LEVEL    full: the new version survives a power cut (default)
                        file: after a power cut, the old or the new, whole
                        none: nothing is synced
  --no-lock             do not keep others out who persist to DIR as well
  --wait SECONDS        how long to wait for the lock (default: 10)
  --dry-run             do all but put it in place
${COMMON_HELP}

With --json: path, swap (create, exchange, rename or journal), written, carried
(counts), rescued (a list of paths), durability, warnings (a list); with
--dry-run only path.

Example:
  untorn persist public -- hugo --destination {}
`,
  prepare: preparePersist,
};

const OPTIONS = {
  ...COMMON,
  "from": { type: "string" },
  "no-carry-over": { type: "boolean" },
  "write-once": { type: "string", multiple: true },
  "swap": { type: "string" },
  "keep": { type: "string" },
  "mode": { type: "string" },
  "durability": { type: "string" },
  "no-lock": { type: "boolean" },
  "wait": { type: "string" },
  "dry-run": { type: "boolean" },
} as const;

async function preparePersist(args: string[], context: Context): Promise<Call> {
  const { permits } = context;
  const { own, command } = splitCommand(args);
  const { values, positionals } = parseArgs({
    args: own,
    options: OPTIONS,
    allowPositionals: true,
  });
  const dir = onlyArgument("DIR", positionals);
  const { from } = values;
  if ((from === undefined) === (command === undefined)) {
    throw new UsageError("give either --from SRC or -- COMMAND");
  }
  const settings = asUsage(() =>
    dirSettings({
      carryOver: values["no-carry-over"] !== true,
      writeOnce: values["write-once"],
      swap: values.swap as DirOptions["swap"],
      keep: values.keep === undefined ? undefined : wholeNumber("keep", values.keep, 0),
      mode: values.mode === undefined ? undefined : octal(values.mode),
      durability: values.durability as Durability | undefined,
      lock: values["no-lock"] !== true,
      wait: values.wait === undefined ? undefined : seconds("wait", values.wait),
      signal: context.signal,
    })
  );
  const target = asUsage(() => toPath(dir));
  const asking = { operation: "persist", path: target, why: "it is staged beside it" };
  const found = await permits.beside(asking);
  permits.exchange(asking, settings.swap, found);
  permits.run(asking, command?.[0]);
  if (from !== undefined) {
    await demandSource(permits, asking, asUsage(() => toPath(from)), found.path);
  }

  return async () => {
    // What a command shows on the terminal is its own.
    const line = new ProgressLine(context.host, from !== undefined && values.quiet !== true);
    const staged = new StagedDirSteps(systemCalls().async, target, settings);
    const fill = (): Promise<void> =>
      from === undefined
        ? build(command!, staged.path, context, values.json === true)
        : copyFrom(from, staged.path, settings, line);
    const result = await line.during(replace(staged, fill, values["dry-run"] === true));
    if (result !== undefined) await tell(result, context, values);
    else if (values.json) await context.host.print("stdout", JSON.stringify({ path: dir }) + "\n");
    else if (values.verbose) {
      await context.host.print("stderr", `untorn: would replace ${JSON.stringify(dir)}\n`);
    }
    return 0;
  };
}

/** Replaces the directory; or does all but that, and returns nothing. */
async function replace(
  staged: StagedDirSteps,
  fill: () => Promise<void>,
  dryRun: boolean,
): Promise<PersistResult | undefined> {
  await runAsync(staged.open());
  try {
    await fill();
  } catch (error) {
    await runAsync(staged.failFilling(error));
  }
  if (!dryRun) return await runAsync(staged.commit());
  await runAsync(staged.discard());
}

function copyFrom(
  from: string,
  to: string,
  { signal }: DirSettings,
  line: ProgressLine,
): Promise<void> {
  return runAsync(copyTree(systemCalls().async, from, to, signal, counting(line)));
}

/** Runs the command that fills the stage. */
async function build(
  command: string[],
  stage: string,
  { host, signal }: Context,
  json: boolean,
): Promise<void> {
  const path = resolve(stage);
  const words = command.map((word) => word.replaceAll("{}", path));
  const code = await host.run(words, { UNTORN_STAGE: path }, signal, json);
  if (code !== 0) throw new Error(endedWith(command[0]!, code));
}

async function tell(
  result: PersistResult,
  { host }: Context,
  values: { json?: boolean; verbose?: boolean },
): Promise<void> {
  await printWarnings(host, result.warnings);
  if (values.json) return await host.print("stdout", JSON.stringify(result) + "\n");
  if (!values.verbose) return;
  const { path, swap, written, carried, durability } = result;
  const counts = `${written} entries written, ${carried} carried over`;
  const how = `swap ${swap}, durability ${durability}`;
  await host.print("stderr", `untorn: ${counts} to ${JSON.stringify(path)} (${how})\n`);
}
