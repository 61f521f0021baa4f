/**
 * The command line: finds the command, runs it, and ends the process with how that ended. A signal
 * ends it as it ends any program, but what was staged is removed first. What a call does not need is
 * not loaded: an import of `node:path` alone takes Deno as long as a third of its start.
 */

import { COMMANDS } from "./commands.ts";
import { currentHost, type EndSignal, type Host } from "./host.ts";
import { VERSION } from "./version.ts";

/** Runs the command that the process was called with, and ends the process. */
export async function main(): Promise<void> {
  const host = currentHost();
  const [name, ...args] = host.args;
  if (name === undefined) return await end("stderr", overview(), 2);
  if (["-V", "--version"].includes(name)) {
    const json = JSON.stringify({ version: VERSION });
    return await end("stdout", `${args.includes("--json") ? json : `untorn ${VERSION}`}\n`, 0);
  }
  const asked = ["-h", "--help", "help"].includes(name);
  const command = COMMANDS.find((command) => command.name === (asked ? args[0] : name));
  if (asked && args.length === 0) return await end("stdout", overview(), 0);
  if (command === undefined) {
    const { nearest } = await import("./suggest.ts");
    const typed = asked ? args[0]! : name;
    const meant = nearest(typed, COMMANDS.map(({ name }) => name));
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
    const text = `untorn: there is no command "${typed}"${hint}; see untorn --help\n`;
    return await end("stderr", text, 2);
  }
  // What follows -- belongs to the command that Untorn is to run.
  const own = args.slice(0, args.includes("--") ? args.indexOf("--") : undefined);
  if (asked || own.some((word) => word === "-h" || word === "--help")) {
    return await end("stdout", (await command.load()).help, 0);
  }
  await underSignals(host, async (signal) => {
    const { attempt } = await import("./attempt.ts");
    return await attempt(await command.load(), args, own.includes("--json"), host, signal);
  });

  async function end(stream: "stdout" | "stderr", text: string, code: number): Promise<void> {
    await host.print(stream, text);
    host.exit(code);
  }
}

/** Runs something that a signal aborts, and ends the process by that signal, or with the exit code. */
async function underSignals(
  host: Host,
  body: (signal: AbortSignal) => Promise<number>,
): Promise<void> {
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
  const code = await body(abort.signal);
  // Sent again with nobody listening, so that whoever waits for this process sees why it ended.
  if (caught !== undefined) host.raise(caught);
  else host.exit(code);
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

With --json, each command prints one JSON object, whose fields its help tells; a
failure is {"error": {code, operation, path, target, outcome, message}}, of
which only message is always there.

Example:
  jq '.port = 8080' config.json | untorn write config.json
`;
}
