/**
 * The command line: finds the command, runs it, and turns how it ended into an exit code. A signal
 * ends it as it ends any program, but what was staged is removed first.
 */

import { UntornError } from "../errors.ts";
import { apply } from "./apply.ts";
import { type Command, type Context, UsageError } from "./command.ts";
import { cleanup, status } from "./cleanup.ts";
import { doctor } from "./doctor.ts";
import { currentHost, type EndSignal, type Host } from "./host.ts";
import { history, rollback } from "./history.ts";
import { lock } from "./lock.ts";
import { persist } from "./persist.ts";
import { remove } from "./remove.ts";
import { nearest } from "./suggest.ts";
import { VERSION } from "./version.ts";
import { write } from "./write.ts";

const COMMANDS: readonly Command[] = [
  write,
  persist,
  cleanup,
  status,
  remove,
  history,
  rollback,
  apply,
  lock,
  doctor,
];

/** Runs the command that the process was called with, and ends the process. */
export async function main(): Promise<void> {
  const host = currentHost();
  const abort = new AbortController();
  let caught: EndSignal | undefined;
  const listeners = host.signals.map((signal) => {
    const listener = (): void => {
      caught = signal;
      for (const { signal, listener } of listeners) host.unlisten(signal, listener);
      abort.abort(new Error(`ended by ${signal}`));
    };
    host.listen(signal, listener);
    return { signal, listener };
  });
  const code = await run(host, abort.signal);
  // Sent again with nobody listening, so that whoever waits for this process sees why it ended.
  if (caught !== undefined) host.raise(caught);
  else host.exit(code);
}

async function run(host: Host, signal: AbortSignal): Promise<number> {
  const [name, ...args] = host.args;
  if (name === undefined) {
    await host.print("stderr", overview());
    return 2;
  }
  if (["-h", "--help", "help"].includes(name)) {
    const command = COMMANDS.find((command) => command.name === args[0]);
    await host.print("stdout", command?.help ?? overview());
    return 0;
  }
  if (["-V", "--version"].includes(name)) {
    await host.print("stdout", `untorn ${VERSION}\n`);
    return 0;
  }
  const command = COMMANDS.find((command) => command.name === name);
  if (command === undefined) {
    const meant = nearest(name, COMMANDS.map(({ name }) => name));
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
    await host.print("stderr", `untorn: there is no command "${name}"${hint}; see untorn --help\n`);
    return 2;
  }
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  if (own.includes("-h") || own.includes("--help")) {
    await host.print("stdout", command.help);
    return 0;
  }
  return await attempt(command, args, own.includes("--json"), { host, signal });
}

async function attempt(
  command: Command,
  args: string[],
  json: boolean,
  context: Context,
): Promise<number> {
  try {
    return await command.run(args, context);
  } catch (error) {
    if (context.signal.aborted && error === context.signal.reason) return 1;
    const { host } = context;
    let message = error instanceof Error ? error.message : String(error);
    if (error instanceof UsageError) {
      message = `${message}; see untorn ${command.name} --help`;
    }
    await host.print("stderr", `untorn: ${message}\n`);
    if (json) {
      await host.print("stdout", JSON.stringify({ error: facts(error, message) }) + "\n");
    }
    return exitCode(error);
  }
}

function facts(error: unknown, message: string): object {
  if (!(error instanceof UntornError)) return { message };
  const { code, operation, path, target, outcome } = error;
  return { code, operation, path, target, outcome, message };
}

function exitCode(error: unknown): number {
  if (error instanceof UsageError) return 2;
  if (!(error instanceof UntornError)) return 1;
  if (error.outcome !== "unchanged") return 3;
  if (error.code === "ERR_LOCKED") return 4;
  return error.code === "ERR_PERMISSION" ? 5 : 1;
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const rows = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `untorn: files and directories that are never half-written

Usage: untorn COMMAND [ARGUMENTS]

${rows.join("")}
Options:
  -h, --help     help; for a command: untorn COMMAND --help
  -V, --version  the version

Exit codes: 0 done; 1 failed, nothing changed; 2 wrong usage; 3 replaced, but it
may not survive a power cut; 4 locked by another process; 5 no permission.
A signal leaves nothing behind, and ends untorn with its own exit code.

Example:
  jq '.port = 8080' config.json | untorn write config.json
`;
}
