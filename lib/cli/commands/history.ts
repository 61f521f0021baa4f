/** `untorn history` and `untorn rollback`: list and restore previous versions of a directory. */

import { runOnSystem } from "../../os/system.ts";
import { rollbackSettings } from "../../dir/dir_options.ts";
import { listVersions, rollBack } from "../../dir/rollback.ts";
import {
  type Call,
  type Command,
  type Context,
  note,
  printJson,
  printResult,
} from "../shared/command.ts";
import { asUsage, COMMON, DRY_RUN, LOCKED, lockedOptions, parse, SWAP } from "../shared/options.ts";

/** The command that lists versions. */
export const history: Command = {
  name: "history",
  usage: ["DIR [OPTIONS]"],
  about: `Lists the previous versions of DIR that "untorn persist --keep N" has kept, the
latest last. Each line has the version's number, the time when it was replaced,
and its path.`,
  options: COMMON,
  json: "path, versions (a list of version, path and replaced).",
  examples: ["untorn history public"],
  prepare: prepareHistory,
};

const ROLLBACK = {
  to: { value: "VERSION", help: "the number in untorn history (default: the latest)" },
  ...SWAP,
  ...LOCKED,
  ...DRY_RUN,
  ...COMMON,
} as const;

/** The command that restores a version. */
export const rollback: Command = {
  name: "rollback",
  usage: ["DIR [OPTIONS]"],
  about: `Replaces DIR with a previous version. The version that it replaces is kept as
the latest previous version, so a rollback can be rolled back.`,
  options: ROLLBACK,
  json: "path, version, kept (the number of the version that was replaced), swap, durability, " +
    "warnings (a list).",
  examples: ["untorn rollback public --to 3"],
  prepare: prepareRollback,
};

/** Why both commands need permissions. */
const WHY = "to access the previous versions beside it";

async function prepareHistory(args: string[], { host, permissions }: Context): Promise<Call> {
  const { path: dir, values } = parse(COMMON, "DIR", args);
  const request = { operation: "list the versions of", path: dir, why: WHY };
  await permissions.requireDirOf(request, { kinds: ["read"] });

  return async () => {
    const versions = await runOnSystem((os) => listVersions(os, dir));
    if (values.json) await printJson(host, { path: dir, versions });
    else {
      for (const { version, path, replaced } of versions) {
        await host.print("stdout", `${version}\t${replaced.toISOString()}\t${path}\n`);
      }
      if (versions.length === 0 && !values.quiet) {
        await note(host, `there are no previous versions of ${JSON.stringify(dir)}`);
      }
    }
  };
}

async function prepareRollback(args: string[], context: Context): Promise<Call> {
  const { host, signal, permissions } = context;
  const { path, values } = parse(ROLLBACK, "DIR", args);
  const settings = asUsage(() =>
    rollbackSettings({ to: values.to, swap: values.swap, ...lockedOptions(values, signal) })
  );
  const request = { operation: "roll back", path, why: WHY };
  permissions.requireExchange(request, settings.swap, await permissions.requireDirOf(request));

  return async () => {
    const dryRun = values["dry-run"];
    const result = await runOnSystem((os) => rollBack(os, path, settings, dryRun));
    await printResult(host, values, result, () => {
      const { version, kept } = result;
      const what = `version ${version} ${dryRun ? "would replace" : "replaced"}`;
      const as = dryRun ? "would be kept as" : "is kept as";
      const replaced = kept === undefined ? "" : `, which ${as} version ${kept}`;
      return [`${what} ${JSON.stringify(path)}${replaced}`];
    });
  };
}
