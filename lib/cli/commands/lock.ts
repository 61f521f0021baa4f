/** `untorn lock`: runs a command while holding the lock of a path. */

import { lockSettings } from "../../core/options.ts";
import { lock as takeLock } from "../../lock/lock.ts";
import { type Call, type Command, type Context, printJson } from "../shared/command.ts";
import { asUsage, COMMON, LOCKED, parse, splitCommand, UsageError } from "../shared/options.ts";

const OPTIONS = { wait: LOCKED.wait, ...COMMON } as const;

/** The command. */
export const lock: Command = {
  name: "lock",
  usage: ["PATH [OPTIONS] -- COMMAND [ARGUMENTS]"],
  about: `Runs COMMAND while holding the lock of PATH, and exits with COMMAND's exit code.
"untorn persist" and the library take the same lock. The lock is released
however this process ends.`,
  options: OPTIONS,
  json: "path, code (COMMAND's exit code; COMMAND's output goes to standard error).",
  examples: ["untorn lock site -- rsync -a site/ backup/"],
  prepare: prepareLock,
};

async function prepareLock(args: string[], { host, signal, permissions }: Context): Promise<Call> {
  const { own, command } = splitCommand(args);
  const { path, values } = parse(OPTIONS, "PATH", own);
  if (command === undefined) throw new UsageError("give a command: -- COMMAND");
  const { wait } = values;
  asUsage(() => lockSettings({ wait }));
  const request = { operation: "lock", path, why: "to create the lock file beside it" };
  await permissions.requireDirOf(request);
  permissions.requireRun(request, command[0]);

  return async () => {
    const held = await takeLock(path, { wait, signal });
    try {
      if (!held.locked) throw new Error("this runtime has no kernel locks: use Deno or Bun");
      const output = values.json ? "stderr" : "inherit";
      const code = await (await host.spawn(command, {}, signal, output)).ended;
      if (values.json) await printJson(host, { path, code });
      return code;
    } finally {
      await held.release();
    }
  };
}
