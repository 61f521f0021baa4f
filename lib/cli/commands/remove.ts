/** `untorn remove`: a file or a tree disappears in one step. */

import { removeSettings } from "../../dir/dir_options.ts";
import type { Durability } from "../../core/options.ts";
import { OsError } from "../../core/errors.ts";
import { systemCalls } from "../../os/system.ts";
import { toPath, withoutSlash } from "../../core/paths.ts";
import { remove as removePath } from "../../dir/atomic_remove.ts";
import { runAsync } from "../../core/steps.ts";
import { look } from "../../fs/target.ts";
import {
  asUsage,
  type Call,
  type Command,
  COMMON,
  COMMON_HELP,
  type Context,
  onlyArgument,
  parseArgs,
  printWarnings,
  refuseWholeHome,
  seconds,
} from "../shared/command.ts";
import { inWords } from "../shared/permission_check.ts";

/** The command. */
export const remove: Command = {
  name: "remove",
  help: `Usage: untorn remove PATH [OPTIONS]

Removes a file, a link, or a directory with all that is in it. Readers, and
whoever comes after a crash, find all of it or nothing.

Options:
  --missing-ok          a PATH that does not exist is no error
  --force               even if PATH is the home directory
  --durability LEVEL    full: it does not come back after a power cut (default)
                        none: nothing is synced
  --no-lock             do not wait for those who persist to PATH
  --wait SECONDS        how long to wait for the lock (default: 10)
  --dry-run             only say whether there is something
${COMMON_HELP}

With --json: path, removed (true or false), durability, warnings (a list).

Example:
  untorn remove releases/2024-01-31
`,
  prepare: prepareRemove,
};

const OPTIONS = {
  ...COMMON,
  "missing-ok": { type: "boolean" },
  "force": { type: "boolean" },
  "durability": { type: "string" },
  "no-lock": { type: "boolean" },
  "wait": { type: "string" },
  "dry-run": { type: "boolean" },
} as const;

async function prepareRemove(args: string[], { host, signal, permits }: Context): Promise<Call> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  const path = onlyArgument("PATH", positionals);
  const target = asUsage(() => toPath(path));
  const settings = asUsage(() =>
    removeSettings({
      durability: values.durability as Durability | undefined,
      lock: values["no-lock"] !== true,
      wait: values.wait === undefined ? undefined : seconds("wait", values.wait),
      mustExist: values["missing-ok"] !== true,
      signal,
    })
  );
  const asking = { operation: "remove", path: target, why: "it is removed from its directory" };
  await permits.beside(asking, { follow: false });

  const os = systemCalls().async;
  const dryRun = values["dry-run"] === true;
  return async () => {
    if (values.force !== true) await refuseWholeHome(target, host);
    const result = dryRun
      ? { path, removed: await exists(), durability: settings.durability, warnings: [] }
      : await runAsync(removePath(os, target, settings));
    await printWarnings(host, result.warnings);
    if (values.json) await host.print("stdout", JSON.stringify(result) + "\n");
    else if (values.verbose) {
      const did = dryRun ? "would remove" : "removed";
      const what = result.removed ? did : "there is no";
      await host.print("stderr", `untorn: ${what} ${JSON.stringify(path)}\n`);
    }
    return 0;
  };

  async function exists(): Promise<boolean> {
    try {
      const path = withoutSlash(target);
      const found = (await runAsync(look(os, path))) !== undefined;
      if (!found && settings.mustExist) throw new OsError("ENOENT", "lstat", path);
      return found;
    } catch (error) {
      throw inWords("remove", target, error);
    }
  }
}
