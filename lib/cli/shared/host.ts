/**
 * The process that a command runs in: standard streams, signals, child processes, exit.
 * In Deno it uses Deno's own calls, because loading `process` would double the start-up time.
 */

import { isDeno } from "../../os/runtime.ts";
import { pieces } from "./stdin.ts";

/** A signal that asks a process to end. */
export type EndSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** The interface of the process. */
export interface Host {
  /** The signals that can be handled. */
  signals: readonly EndSignal[];
  stdin(): AsyncIterable<Uint8Array>;
  /** Whether the user has turned off colours (NO_COLOR). */
  noColor(): boolean;
  isTerminal(stream: "stdin" | "stdout" | "stderr"): boolean;
  /** Waits until the text is written. Errors are ignored, because the files are already changed by then. */
  print(stream: "stdout" | "stderr", text: string): Promise<void>;
  listen(signal: EndSignal, listener: () => void): void;
  unlisten(signal: EndSignal, listener: () => void): void;
  /**
   * Starts a command with these variables added to its environment. An abort sends it SIGTERM. Its output
   * goes to this process's standard output ("inherit") or standard error, or to the caller ("pipe").
   */
  spawn(
    command: string[],
    env: Record<string, string>,
    signal: AbortSignal,
    output: "inherit" | "stderr" | "pipe",
  ): Child | Promise<Child>;
  /** The user's home directory, or undefined without the permission to look it up. */
  home(): string | undefined;
  /** The runtime's flags that are missing to run a command. */
  missingRunFlags(name: string): string[];
  /** Sends a signal to this process. */
  raise(signal: EndSignal): void;
  exit(code: number): void;
}

/** A command that was started. */
export interface Child {
  /** Its output, if that is piped. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Its exit code. A signal becomes the code that a shell reports for it. */
  ended: Promise<number>;
}

/** Returns the current process. */
export function currentHost(): Host {
  return isDeno() ? denoHost() : nodeHost();
}

/** Throws an error unless a command has exited with 0. */
export function requireSuccess(command: string[], code: number): void {
  if (code !== 0) throw new Error(`${command[0]} ended with exit code ${code}`);
}

function denoHost(): Host {
  return {
    signals: signalsOn(Deno.build.os),
    stdin: () => pieces((into) => Deno.stdin.read(into)),
    noColor: () => Deno.noColor,
    isTerminal: (stream) => Deno[stream].isTerminal(),
    print: async (stream, text) => {
      let rest = new TextEncoder().encode(text);
      try {
        while (rest.length > 0) rest = rest.subarray(await Deno[stream].write(rest));
      } catch {
        // The pipe is closed, or its disk is full, so the error cannot be reported.
      }
    },
    listen: (signal, listener) => Deno.addSignalListener(signal, listener),
    unlisten: (signal, listener) => Deno.removeSignalListener(signal, listener),
    spawn: ([name, ...args], env, signal, output) => {
      const stdout = output === "inherit" ? "inherit" : "piped";
      const options = { args, env, signal, stdin: "inherit", stdout, stderr: "inherit" } as const;
      const child = new Deno.Command(name!, options).spawn();
      const shown = output === "stderr" &&
        child.stdout.pipeTo(Deno.stderr.writable, { preventClose: true });
      return {
        // A getter, because `stdout` throws an error unless it is piped.
        get output() {
          return child.stdout;
        },
        ended: Promise.all([child.status, shown]).then(([{ code }]) => code),
      };
    },
    home: () => {
      const { state } = Deno.permissions.querySync({ name: "env", variable: "HOME" });
      return state === "granted" ? Deno.env.get("HOME") : undefined;
    },
    missingRunFlags: (command) => {
      const { state } = Deno.permissions.querySync({ name: "run", command });
      return state === "granted" ? [] : [`--allow-run=${command}`];
    },
    raise: (signal) => Deno.kill(Deno.pid, signal),
    exit: (code) => Deno.exit(code),
  };
}

/** Bun's own standard streams. Its `process.stdout` takes 10 ms to load. */
interface BunOutput extends Record<"stdout" | "stderr", object> {
  write(stream: object, text: string): Promise<number>;
}

function nodeHost(): Host {
  return {
    signals: signalsOn(process.platform),
    stdin: nodeInput,
    noColor: () => (process.env["NO_COLOR"] ?? "") !== "",
    isTerminal: (stream) =>
      process.getBuiltinModule("node:tty").isatty(["stdin", "stdout", "stderr"].indexOf(stream)),
    print: async (stream, text) => {
      const bun = (globalThis as { Bun?: BunOutput }).Bun;
      // After an error (a closed pipe, a full disk), there is no stream left to report it on.
      if (bun !== undefined) return void await bun.write(bun[stream], text).catch(() => {});
      const out = process[stream];
      if (out.listenerCount("error") === 0) out.on("error", () => {});
      await new Promise<void>((resolve) => out.write(text, () => resolve()));
    },
    listen: (signal, listener) => process.on(signal, listener),
    unlisten: (signal, listener) => process.off(signal, listener),
    spawn: async ([name, ...args], env, signal, output) => {
      const child = process.getBuiltinModule("node:child_process").spawn(name!, args, {
        env: { ...process.env, ...env },
        stdio: ["inherit", output === "stderr" ? 2 : output, "inherit"],
      });
      const end = (): void => void child.kill("SIGTERM");
      signal.addEventListener("abort", end, { once: true });
      const ended = new Promise<number>((resolve, reject) => {
        child.on("error", reject);
        child.on("close", (code, by) => {
          signal.removeEventListener("abort", end);
          resolve(code ?? 128 + process.getBuiltinModule("node:os").constants.signals[by!]);
        });
      });
      // If Bun cannot start the command, it ends the output before it reports the error.
      await Promise.race([ended, new Promise((resolve) => child.once("spawn", resolve))]);
      return { output: child.stdout!, ended };
    },
    home: () => process.getBuiltinModule("node:os").homedir(),
    missingRunFlags: () => [],
    raise: (signal) => process.kill(process.pid, signal),
    exit: (code) => process.exit(code),
  };
}

/** Reads a pipe or a file directly. Leaves a terminal, and non-blocking input (EAGAIN), to the runtime. */
async function* nodeInput(): AsyncGenerator<Uint8Array> {
  const fs = process.getBuiltinModule("node:fs");
  const stat = fs.fstatSync(0);
  if (stat.isFIFO() || stat.isFile()) {
    const read = process.getBuiltinModule("node:util").promisify(fs.read);
    try {
      return yield* pieces(async (into) => (await read(0, into, 0, into.length, null)).bytesRead);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
  yield* process.stdin;
}

/** Windows has only SIGINT, which Ctrl-C sends. */
function signalsOn(system: string): readonly EndSignal[] {
  return system === "windows" || system === "win32" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
}
