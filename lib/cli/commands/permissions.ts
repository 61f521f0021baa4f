/** `untorn permissions`: the smallest Deno flags with which a command can be run. */

import { sep } from "node:path";
import { flag, grantable } from "../../os/deno.ts";
import { type Command, type Context, UsageError } from "../shared/command.ts";
import { type Need, Permits } from "../shared/permission_check.ts";

/** The command. */
export const permissions: Command = {
  name: "permissions",
  help: `Usage: untorn permissions COMMAND [ARGUMENTS]

Prints, on one line, the smallest flags that Deno needs to run that very command
of untorn, with these arguments and with what is there now: paths are absolute,
and those that links lead to are added. COMMAND is not run. With any of the
flags left out, it is refused with exit code 5, before anything is touched. What
it would do better with more is told on standard error.

Options, anywhere before a --:
  --json                one JSON object on standard output
  -q, --quiet           no hints
  -h, --help            this help

With --json: command, flags (a list), and optional (a list of flag and why).

Example:
  untorn permissions persist public --from build
`,
  prepare: (args, context) => () => show(args, context),
};

async function show(args: string[], { host, signal, commands }: Context): Promise<number> {
  const isOwn = (word: string): boolean => ["--json", "-q", "--quiet"].includes(word);
  const at = args.findIndex((word) => !isOwn(word));
  const entry = commands.find(({ name }) => name === args[at]);
  if (at < 0) throw new UsageError("COMMAND is missing");
  if (entry === undefined) throw new UsageError(`there is no command "${args[at]}"`);
  const permits = new Permits(host, true);
  try {
    await (await entry.load()).prepare(args.slice(at + 1), { host, signal, commands, permits });
  } catch (error) {
    if (error instanceof UsageError) error.command ??= entry.name;
    throw error;
  }

  const flags = smallest(permits.needs);
  const optional = permits.hints.map(({ need, why }) => ({
    flag: flag(need.kind, [need.of!]),
    why,
  }));
  const own = args.slice(0, args.includes("--") ? args.indexOf("--") : undefined);
  if (own.includes("--json")) {
    await host.print("stdout", JSON.stringify({ command: entry.name, flags, optional }) + "\n");
    return 0;
  }
  await host.print("stdout", flags.map(quoted).join(" ") + "\n");
  if (own.some((word) => word === "-q" || word === "--quiet")) return 0;
  for (const { flag, why } of optional) {
    await host.print("stderr", `untorn: ${quoted(flag)} as well: ${why}\n`);
  }
  return 0;
}

/** One flag for each kind, without what another covers. */
function smallest(needs: readonly Need[]): string[] {
  const kinds = [...new Set(needs.map(({ kind }) => kind))].sort();
  return kinds.map((kind) => {
    const all = needs.filter((need) => need.kind === kind).map(({ of }) => of);
    // One for all paths covers every other.
    if (all.includes(undefined)) return flag(kind, []);
    const isPath = kind === "read" || kind === "write";
    const each = [...new Set((all as string[]).map((of) => isPath ? grantable(of) : of))].sort();
    return flag(kind, each.filter((one) => !isPath || !each.some((other) => covers(other, one))));
  });
}

function covers(dir: string, path: string): boolean {
  return path !== dir && path.startsWith(dir.endsWith(sep) ? dir : dir + sep);
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
