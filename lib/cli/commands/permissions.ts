/** `untorn permissions`: prints the smallest set of Deno flags for a command. */

import { inside } from "../../core/paths.ts";
import { flag, grantable } from "../../os/deno.ts";
import { type Command, type Context, note, printJson } from "../shared/command.ts";
import { COMMON, UsageError } from "../shared/options.ts";
import { type Permission, PermissionCheck } from "../shared/permission_check.ts";
import { quoted } from "./shells.ts";

const { json, quiet, help } = COMMON;

/** The command. */
export const permissions: Command = {
  name: "permissions",
  usage: ["COMMAND [ARGUMENTS]"],
  about: `Prints, on one line, the smallest set of flags with which Deno can run this
untorn COMMAND, for its arguments and the files that exist now. Paths are
absolute, and include those that links lead to. COMMAND is not run. Without any
one of the flags, it is refused with exit code 5 before anything is changed.
Flags that would only make it work better are printed on standard error.

Options may stand before or after COMMAND, but not after a --.`,
  options: { json, quiet, help },
  json: "command, flags (a list), optional (a list of flag and why).",
  examples: ["untorn permissions persist public --from build"],
  prepare: (args, context) => () => show(args, context),
};

async function show(args: string[], { host, signal, commands }: Context): Promise<void> {
  const at = args.findIndex((word) => !["--json", "-q", "--quiet"].includes(word));
  const word = args[at];
  if (word === undefined) throw new UsageError("COMMAND is missing");
  const entry = commands.find(({ name }) => name === word);
  if (entry === undefined) {
    const known = commands.map(({ name }) => name);
    throw new UsageError(`there is no command "${word}"`, { word, known });
  }
  const permissions = new PermissionCheck(host, true);
  try {
    await (await entry.load()).prepare(args.slice(at + 1), { host, signal, commands, permissions });
  } catch (error) {
    if (error instanceof UsageError) error.command ??= word;
    throw error;
  }

  const flags = smallest(permissions.required);
  const optional = permissions.optional.map(({ kind, of, why }) => ({
    flag: flag(kind, [of!]),
    why,
  }));
  const own = args.slice(0, args.includes("--") ? args.indexOf("--") : undefined);
  if (own.includes("--json")) return await printJson(host, { command: word, flags, optional });
  await host.print("stdout", flags.map(quoted).join(" ") + "\n");
  if (own.some((word) => word === "-q" || word === "--quiet")) return;
  for (const { flag, why } of optional) await note(host, `optional: ${quoted(flag)} ${why}`);
}

/** Returns one flag for each kind of permission, without paths that another path covers. */
function smallest(permissions: readonly Permission[]): string[] {
  const kinds = [...new Set(permissions.map(({ kind }) => kind))].sort();
  return kinds.map((kind) => {
    const all = permissions.filter((one) => one.kind === kind).map(({ of }) => of);
    // The permission for all paths covers every other.
    if (all.includes(undefined)) return flag(kind, []);
    const isPath = kind === "read" || kind === "write";
    const each = [...new Set((all as string[]).map((of) => isPath ? grantable(of) : of))].sort();
    const isCovered = (path: string): boolean =>
      isPath && each.some((dir) => dir !== path && path.startsWith(inside(dir, "")));
    return flag(kind, each.filter((one) => !isCovered(one)));
  });
}
