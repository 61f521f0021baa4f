/** `untorn history` and `untorn rollback`: versions that were kept, and the way back to one. */

import { type RollbackOptions, rollbackSettings } from "../../dir/dir_options.ts";
import type { Durability } from "../../core/options.ts";
import { systemCalls } from "../../os/system.ts";
import { toPath } from "../../core/paths.ts";
import { listVersions, rollBack } from "../../dir/rollback.ts";
import { runAsync } from "../../core/steps.ts";
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
  seconds,
  wholeNumber,
} from "../shared/command.ts";

/** Why a permission is needed. */
const KEPT = "versions are kept beside the directory";

/** The command that lists. */
export const history: Command = {
  name: "history",
  help: `Usage: untorn history DIR [OPTIONS]

Lists the versions that "untorn persist --keep N" has kept, the latest last: the
number, when it was replaced, and the path.

Options:
${COMMON_HELP}

With --json: path, versions (a list of version, path and replaced).

Example:
  untorn history public
`,
  prepare: prepareHistory,
};

/** The command that goes back. */
export const rollback: Command = {
  name: "rollback",
  help: `Usage: untorn rollback DIR [OPTIONS]

Puts a version that was kept in the place of DIR; what was there is kept as the
latest version, so that a rollback can be rolled back.

Options:
  --to NUMBER           which version (default: the latest; see untorn history)
  --swap HOW            auto (default), exchange or rename, as for persist
  --durability LEVEL    full (default), file or none, as for persist
  --no-lock             do not keep others out who persist to DIR
  --wait SECONDS        how long to wait for the lock (default: 10)
  --dry-run             only say which version it would be
${COMMON_HELP}

With --json: path, version, kept (the number of the version before), swap,
durability, warnings (a list).

Example:
  untorn rollback public --to 3
`,
  prepare: prepareRollback,
};

async function prepareHistory(args: string[], { host, permits }: Context): Promise<Call> {
  const { values, positionals } = parseArgs({ args, options: COMMON, allowPositionals: true });
  const dir = onlyArgument("DIR", positionals);
  const target = asUsage(() => toPath(dir));
  const asking = { operation: "list the versions of", path: target, why: KEPT };
  await permits.beside(asking, { kinds: ["read"] });

  return async () => {
    const versions = await runAsync(listVersions(systemCalls().async, target));
    if (values.json) {
      await host.print("stdout", JSON.stringify({ path: dir, versions }) + "\n");
      return 0;
    }
    for (const { version, path, replaced } of versions) {
      await host.print("stdout", `${version}\t${replaced.toISOString()}\t${path}\n`);
    }
    if (versions.length === 0 && values.quiet !== true) {
      await host.print("stderr", `untorn: no version of ${JSON.stringify(dir)} was kept\n`);
    }
    return 0;
  };
}

const OPTIONS = {
  ...COMMON,
  "to": { type: "string" },
  "swap": { type: "string" },
  "durability": { type: "string" },
  "no-lock": { type: "boolean" },
  "wait": { type: "string" },
  "dry-run": { type: "boolean" },
} as const;

async function prepareRollback(args: string[], { host, signal, permits }: Context): Promise<Call> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  const dir = onlyArgument("DIR", positionals);
  const target = asUsage(() => toPath(dir));
  const to = values.to === undefined ? undefined : wholeNumber("to", values.to);
  const settings = asUsage(() =>
    rollbackSettings({
      to,
      swap: values.swap as RollbackOptions["swap"],
      durability: values.durability as Durability | undefined,
      lock: values["no-lock"] !== true,
      wait: values.wait === undefined ? undefined : seconds("wait", values.wait),
      signal,
    })
  );
  const asking = { operation: "roll back", path: target, why: KEPT };
  permits.exchange(asking, settings.swap, await permits.beside(asking));

  return async () => {
    const dryRun = values["dry-run"] === true;
    const result = await runAsync(
      rollBack(systemCalls().async, target, settings, dryRun),
    );
    await printWarnings(host, result.warnings);
    if (values.json) await host.print("stdout", JSON.stringify(result) + "\n");
    else if (values.verbose) {
      const { version, kept } = result;
      const did = dryRun ? "would put" : "put";
      const before = kept === undefined ? "" : `; the version before is ${kept} now`;
      const text = `untorn: ${did} version ${version} in place of ${
        JSON.stringify(dir)
      }${before}\n`;
      await host.print("stderr", text);
    }
    return 0;
  };
}
