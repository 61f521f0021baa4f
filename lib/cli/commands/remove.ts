/** `untorn remove`: removes a file or a directory in one step. */

import { OsError } from "../../core/errors.ts";
import { withoutSlash } from "../../core/paths.ts";
import { runAsync } from "../../core/steps.ts";
import { remove as removePath } from "../../dir/atomic_remove.ts";
import { removeSettings } from "../../dir/dir_options.ts";
import { lstatOrUndefined } from "../../fs/target.ts";
import { systemCalls } from "../../os/system.ts";
import { type Call, type Command, type Context, printResult } from "../shared/command.ts";
import { asUsage, COMMON, DRY_RUN, DURABILITY, LOCKING, parse } from "../shared/options.ts";
import { inspecting } from "../shared/permission_check.ts";
import { refuseWholeHome } from "../shared/whole_home.ts";

const OPTIONS = {
  "missing-ok": { help: "succeed even if PATH does not exist" },
  "force": { help: "allow PATH to be the home directory" },
  ...DURABILITY,
  ...LOCKING,
  ...DRY_RUN,
  ...COMMON,
} as const;

/** The command. */
export const remove: Command = {
  name: "remove",
  usage: ["PATH [OPTIONS]"],
  about: `Removes a file, a symbolic link, or a directory with everything in it. Readers
find all of it or nothing, even after a crash.`,
  options: OPTIONS,
  json: "path, removed (true or false), durability, warnings (a list).",
  examples: ["untorn remove releases/2024-01-31"],
  prepare: prepareRemove,
};

async function prepareRemove(
  args: string[],
  { host, signal, permissions }: Context,
): Promise<Call> {
  const { path, values } = parse(OPTIONS, "PATH", args);
  const settings = asUsage(() =>
    removeSettings({
      durability: values.durability,
      lock: !values["no-lock"],
      wait: values.wait,
      mustExist: !values["missing-ok"],
      signal,
    })
  );
  const request = { operation: "remove", path, why: "to remove it from its directory" };
  await permissions.requireDirOf(request, { follow: false });

  const os = systemCalls().async;
  const dryRun = values["dry-run"];
  return async () => {
    if (!values.force) await refuseWholeHome(path, host);
    const result = dryRun
      ? { path, removed: await exists(), durability: settings.durability, warnings: [] }
      : await runAsync(removePath(os, path, settings));
    await printResult(host, values, result, () => {
      const did = dryRun ? "would remove" : "removed";
      return [`${result.removed ? did : "there is no"} ${JSON.stringify(path)}`];
    });
    return 0;
  };

  function exists(): Promise<boolean> {
    return inspecting(request, async () => {
      const target = withoutSlash(path);
      const found = (await runAsync(lstatOrUndefined(os, target))) !== undefined;
      if (!found && settings.mustExist) throw new OsError("ENOENT", "lstat", target);
      return found;
    });
  }
}
