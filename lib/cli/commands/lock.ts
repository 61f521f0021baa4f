/** `untorn lock`: a command runs while nobody else holds the lock of a path. */

import { lockSettings } from "../../core/options.ts";
import { lock as takeLock } from "../../lock/lock.ts";
import { toPath } from "../../core/paths.ts";
import {
  asUsage,
  type Call,
  type Command,
  COMMON,
  COMMON_HELP,
  type Context,
  onlyArgument,
  parseArgs,
  seconds,
  splitCommand,
  UsageError,
} from "../shared/command.ts";

/** The command. */
export const lock: Command = {
  name: "lock",
  help: `Usage: untorn lock PATH [OPTIONS] -- COMMAND [ARGUMENTS]

Runs COMMAND while it holds the lock of PATH, which "untorn persist" and all of
the library take as well, and ends with COMMAND's exit code. The lock is freed
however this process dies.

Options:
  --wait SECONDS        how long to wait for the lock (default: 10)
${COMMON_HELP}

With --json: path, code (the exit code of COMMAND, whose output goes to standard
error).

Example:
  untorn lock site -- rsync -a site/ backup/
`,
  prepare: prepareLock,
};

const OPTIONS = { ...COMMON, "wait": { type: "string" } } as const;

async function prepareLock(args: string[], { host, signal, permits }: Context): Promise<Call> {
  const { own, command } = splitCommand(args);
  const { values, positionals } = parseArgs({
    args: own,
    options: OPTIONS,
    allowPositionals: true,
  });
  const path = onlyArgument("PATH", positionals);
  if (command === undefined) throw new UsageError("give a command: -- COMMAND");
  const target = asUsage(() => toPath(path));
  const wait = values.wait === undefined ? undefined : asUsage(() => seconds("wait", values.wait!));
  asUsage(() => lockSettings({ wait }));
  const asking = { operation: "lock", path: target, why: "its lock is beside it" };
  await permits.beside(asking);
  permits.run(asking, command[0]);

  return async () => {
    const held = await takeLock(target, { wait, signal });
    try {
      if (!held.locked) throw new Error("this runtime has no kernel locks: use Deno or Bun");
      const code = await host.run(command, {}, signal, values.json === true);
      if (values.json) await host.print("stdout", JSON.stringify({ path, code }) + "\n");
      return code;
    } finally {
      await held.release();
    }
  };
}
