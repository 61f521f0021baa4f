/** `untorn persist`: replaces a directory with a copy of another one or with the files a command builds. */

import { resolve } from "node:path";
import { copyTree } from "../../fs/copy_tree.ts";
import { type DirSettings, dirSettings, type PersistResult } from "../../dir/dir_options.ts";
import { systemCalls } from "../../os/system.ts";
import { toPath } from "../../core/paths.ts";
import { StagedDirSteps } from "../../dir/stage_dir.ts";
import { runAsync } from "../../core/steps.ts";
import { type Call, type Command, type Context, count, printResult } from "../shared/command.ts";
import { requireSource } from "../shared/copy_source.ts";
import { endedWith } from "../shared/host.ts";
import {
  asUsage,
  COMMON,
  DURABILITY,
  LOCKING,
  parse,
  splitCommand,
  STAGE_ONLY,
  SWAP,
  UsageError,
} from "../shared/options.ts";
import { counting, ProgressLine } from "../shared/progress.ts";

const OPTIONS = {
  "from": { value: "SRC", help: "copy this directory" },
  "no-carry-over": { help: "drop the entries that the new version lacks" },
  "write-once": {
    value: "PATH",
    multiple: true,
    help: "keep this entry of DIR as it is; may be repeated",
  },
  "swap": {
    ...SWAP.swap,
    words: { ...SWAP.swap.words, journal: "file by file; DIR itself keeps its inode" },
  },
  "keep": { value: "N", help: "keep N previous versions for untorn rollback" },
  "mode": { value: "MODE", help: "set these permission bits of DIR itself, in octal" },
  ...DURABILITY,
  ...LOCKING,
  ...STAGE_ONLY,
  ...COMMON,
} as const;

/** The command. */
export const persist: Command = {
  name: "persist",
  usage: ["DIR --from SRC [OPTIONS]", "DIR [OPTIONS] -- COMMAND [ARGUMENTS]"],
  about: `Replaces or creates DIR as a whole, with a copy of SRC or with the files that
COMMAND creates in a staging directory. COMMAND gets the path of that directory
in place of {} in its arguments, and in the environment variable UNTORN_STAGE.
If it fails, DIR is unchanged. Entries of DIR that the new version lacks are
carried over.`,
  options: OPTIONS,
  json: "path, swap (create, exchange, rename or journal), written and carried (the numbers of " +
    "entries), rescued (a list of paths), durability, warnings (a list); with --dry-run only path.",
  examples: ["untorn persist public -- hugo --destination {}"],
  prepare: preparePersist,
};

async function preparePersist(args: string[], context: Context): Promise<Call> {
  const { permissions } = context;
  const { own, command } = splitCommand(args);
  const { path, values } = parse(OPTIONS, "DIR", own);
  const { from } = values;
  if ((from === undefined) === (command === undefined)) {
    throw new UsageError("give either --from SRC or -- COMMAND");
  }
  const settings = asUsage(() =>
    dirSettings({
      carryOver: !values["no-carry-over"],
      writeOnce: values["write-once"],
      swap: values.swap,
      keep: values.keep,
      mode: values.mode,
      durability: values.durability,
      lock: !values["no-lock"],
      wait: values.wait,
      signal: context.signal,
    })
  );
  const request = { operation: "persist", path, why: "to stage the new version beside it" };
  const target = await permissions.requireDirOf(request);
  permissions.requireExchange(request, settings.swap, target);
  permissions.requireRun(request, command?.[0]);
  if (from !== undefined) {
    await requireSource(permissions, request, asUsage(() => toPath(from)), target.path);
  }

  return async () => {
    // A command may use the terminal for its own output.
    const line = new ProgressLine(context.host, from !== undefined && !values.quiet);
    const staged = new StagedDirSteps(systemCalls().async, path, settings);
    const fill = (): Promise<void> =>
      from === undefined
        ? build(command!, staged.path, context, values.json)
        : copyFrom(from, staged.path, settings, line);
    const result = await line.during(replace(staged, fill, values["dry-run"]));
    await printResult(context.host, values, result ?? { path }, () => {
      if (result === undefined) return [`would replace ${JSON.stringify(path)}`];
      const { swap, written, carried, durability } = result;
      const counts = `${count(written, "entry", "entries")} written, ${carried} carried over`;
      const how = `swap ${swap}, durability ${durability}`;
      return [`${counts} to ${JSON.stringify(path)} (${how})`];
    });
    return 0;
  };
}

/** Stages the new version and commits it. A dry run discards it instead, and returns nothing. */
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

/** Runs the command that fills the staging directory. */
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
