/** `untorn remove`: removes a file or a directory in one step. */

import { OsError } from "../../core/errors.ts";
import { withoutSlash } from "../../core/paths.ts";
import type { Steps } from "../../core/steps.ts";
import type { Os } from "../../os/port.ts";
import { runOnSystem } from "../../os/system.ts";
import { lstatOrUndefined } from "../../fs/target.ts";
import { remove as removePath } from "../../dir/atomic_remove.ts";
import { removeSettings } from "../../dir/dir_options.ts";
import { type Call, type Command, type Context, printResult } from "../shared/command.ts";
import { asUsage, COMMON, DRY_RUN, LOCKED, lockedOptions, parse } from "../shared/options.ts";
import { inspect } from "../shared/permission_check.ts";
import { refuseWholeHome } from "../shared/whole_home.ts";

const OPTIONS = {
  "missing-ok": { help: "succeed even if PATH does not exist" },
  "force": { help: "allow PATH to be the home directory" },
  ...LOCKED,
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

async function prepareRemove(args: string[], context: Context): Promise<Call> {
  const { host, signal, permissions } = context;
  const { path, values } = parse(OPTIONS, "PATH", args);
  const mustExist = !values["missing-ok"];
  const settings = asUsage(() => removeSettings({ mustExist, ...lockedOptions(values, signal) }));
  const request = { operation: "remove", path, why: "to remove it from its directory" };
  await permissions.requireDirOf(request, { follow: false });

  return async () => {
    if (!values.force) await refuseWholeHome(path, host);
    const { durability } = settings;
    const dryRun = values["dry-run"];
    const result = dryRun
      ? { path, removed: await inspect(request, exists), durability, warnings: [] }
      : await runOnSystem((os) => removePath(os, path, settings));
    await printResult(host, values, result, () => {
      const did = dryRun ? "would remove" : "removed";
      return [`${result.removed ? did : "there is no"} ${JSON.stringify(path)}`];
    });
  };

  function* exists(os: Os): Steps<boolean> {
    const target = withoutSlash(path);
    const found = (yield* lstatOrUndefined(os, target)) !== undefined;
    if (!found && mustExist) throw new OsError("ENOENT", "lstat", target);
    return found;
  }
}
