/** `untorn persist`: replaces a directory with a copy of another one or with the files a command builds. */

import { resolve } from "node:path";
import { toPath } from "../../core/paths.ts";
import { type Steps, waitFor } from "../../core/steps.ts";
import type { Os } from "../../os/port.ts";
import { runOnSystem } from "../../os/system.ts";
import { copyTree } from "../../fs/copy_tree.ts";
import { dirSettings, type PersistResult } from "../../dir/dir_options.ts";
import { StagedDirSteps } from "../../dir/stage_dir.ts";
import { type Call, type Command, type Context, count, printResult } from "../shared/command.ts";
import { requireSource } from "../shared/copy_source.ts";
import { requireSuccess } from "../shared/host.ts";
import {
  asUsage,
  COMMON,
  LOCKED,
  lockedOptions,
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
  ...LOCKED,
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
  const { host, signal, permissions } = context;
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
      ...lockedOptions(values, signal),
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
    const line = new ProgressLine(host, from !== undefined && !values.quiet);
    const replace = function* (os: Os): Steps<PersistResult | void> {
      const staged = new StagedDirSteps(os, path, settings);
      yield* staged.open();
      try {
        yield* from === undefined
          ? waitFor(build(command!, staged.path, context, values.json))
          : copyTree(os, from, staged.path, signal, counting(line));
      } catch (error) {
        yield* staged.failFilling(error);
      }
      return yield* values["dry-run"] ? staged.discard() : staged.commit();
    };
    const result = await line.during(runOnSystem(replace));
    await printResult(host, values, result ?? { path }, () => {
      if (result === undefined) return [`would replace ${JSON.stringify(path)}`];
      const { swap, written, carried, durability } = result;
      const counts = `${count(written, "entry", "entries")} written, ${carried} carried over`;
      const how = `swap ${swap}, durability ${durability}`;
      return [`${counts} to ${JSON.stringify(path)} (${how})`];
    });
  };
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
  const env = { UNTORN_STAGE: path };
  const { ended } = await host.spawn(words, env, signal, json ? "stderr" : "inherit");
  requireSuccess(command, await ended);
}
