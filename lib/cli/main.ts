/**
 * The entry point of the command line. It finds the command, runs it, and ends the process with its exit
 * code. On a signal it removes staged files first, and then ends by that signal as any program does.
 *
 * Modules are loaded only when a call needs them. Each file of ours takes Bun half a millisecond of the
 * five that it needs to start, and an import of `node:path` takes Deno nine of its twenty-five.
 */

import { isDeno } from "../os/runtime.ts";
import type { EndSignal, Host } from "./shared/host.ts";

/** The version of the library and the command. */
export const VERSION = "0.1.0";

/** Runs the command that is named in the arguments of the process, and ends the process. */
export async function main(): Promise<void> {
  const [name, ...args] = isDeno() ? Deno.args : process.argv.slice(2);
  if (name === "-V" || name === "--version") {
    const json = args.includes("--json");
    return console.log(json ? JSON.stringify({ version: VERSION }) : `untorn ${VERSION}`);
  }
  const { COMMANDS, overview } = await import("./registry.ts");
  const host = (await import("./shared/host.ts")).currentHost();
  const end = async (stream: "stdout" | "stderr", text: string, code: number): Promise<void> => {
    await host.print(stream, text);
    host.exit(code);
  };
  if (name === undefined) return await end("stderr", overview(), 2);
  const asked = ["-h", "--help", "help"].includes(name);
  if (asked && args.length === 0) return await end("stdout", overview(), 0);
  const typed = asked ? args[0]! : name;
  const command = COMMANDS.find(({ name }) => name === typed);
  if (command === undefined) {
    const { suggestion } = await import("./shared/suggest.ts");
    const hint = suggestion({ word: typed, known: COMMANDS.map(({ name }) => name) });
    const text = `untorn: there is no command "${typed}"${hint}; see untorn --help\n`;
    return await end("stderr", text, 2);
  }
  // The arguments after -- belong to the command that Untorn will run.
  const own = args.slice(0, args.includes("--") ? args.indexOf("--") : undefined);
  if (asked || own.some((word) => word === "-h" || word === "--help")) {
    const { helpOf } = await import("./shared/help.ts");
    return await end("stdout", helpOf(await command.load()), 0);
  }
  await underSignals(host, async (signal) => {
    const { attempt } = await import("./attempt.ts");
    const context = { host, signal, commands: COMMANDS };
    return await attempt(command, args, own.includes("--json"), context);
  });
}

/** Runs a body that signals abort. Ends the process by the signal, or with the exit code. */
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
  if (caught !== undefined) {
    // The signal is sent again without a listener, so that the parent process sees why this one ended. It
    // may arrive a moment later, in another thread (signal(7)). The process must not exit before that.
    host.raise(caught);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  host.exit(caught === undefined ? code : 1);
}
