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
  signals(): readonly EndSignal[];
  stdin(): AsyncIterable<Uint8Array>;
  /** Whether the user has turned off colours (NO_COLOR). */
  noColor(): boolean;
  isTerminal(stream: "stdin" | "stdout" | "stderr"): boolean;
  /** Waits until the text is written. Errors are ignored, because the files are already changed by then. */
  print(stream: "stdout" | "stderr", text: string): Promise<void>;
  listen(signal: EndSignal, listener: () => void): void;
  unlisten(signal: EndSignal, listener: () => void): void;
  /**
   * Runs a command with these variables added to its environment, and returns its exit code. An abort
   * sends it SIGTERM. If standard output is taken, the command's output goes to standard error.
   */
  run(
    command: string[],
    env: Record<string, string>,
    signal: AbortSignal,
    outputTaken: boolean,
  ): Promise<number>;
  /**
   * Runs a command and yields its standard output. Fails at the end unless the command exits with 0. An
   * abort sends it SIGTERM, and so does a caller that stops reading.
   */
  output(command: string[], signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** The user's home directory, or undefined without the permission to look it up. */
  home(): string | undefined;
  /** The runtime's flags that are missing to run a command. */
  missingRunFlags(name: string): string[];
  /** Sends a signal to this process. */
  raise(signal: EndSignal): void;
  exit(code: number): void;
}

/** Returns the current process. */
export function currentHost(): Host {
  return isDeno() ? denoHost() : nodeHost();
}

function denoHost(): Host {
  return {
    signals: () => signalsOn(Deno.build.os),
    stdin: () => pieces((into) => Deno.stdin.read(into)),
    noColor: () => Deno.noColor,
    isTerminal: (stream) => Deno[stream].isTerminal(),
    print: async (stream, text) => {
      let rest = new TextEncoder().encode(text);
      try {
        while (rest.length > 0) rest = rest.subarray(await Deno[stream].write(rest));
      } catch {
        // The pipe is closed, or its disk is full, so the error cannot be reported.
        return;
      }
    },
    listen: (signal, listener) => Deno.addSignalListener(signal, listener),
    unlisten: (signal, listener) => Deno.removeSignalListener(signal, listener),
    run: async ([name, ...args], env, signal, outputTaken) => {
      const stdout = outputTaken ? "piped" : "inherit";
      const options = { args, env, signal, stdin: "inherit", stdout, stderr: "inherit" } as const;
      const child = new Deno.Command(name!, options).spawn();
      if (outputTaken) await child.stdout.pipeTo(Deno.stderr.writable, { preventClose: true });
      return (await child.status).code;
    },
    output: async function* ([name, ...args], signal) {
      const options = {
        args,
        signal,
        stdin: "inherit",
        stdout: "piped",
        stderr: "inherit",
      } as const;
      const child = new Deno.Command(name!, options).spawn();
      let ended = false;
      try {
        yield* child.stdout;
        const { code } = await child.status;
        ended = true;
        if (code !== 0) throw new Error(endedWith(name!, code));
      } finally {
        if (!ended) {
          child.kill("SIGTERM");
          await child.status;
        }
      }
    },
    home: () => {
      const variable = "HOME";
      const { state } = Deno.permissions.querySync({ name: "env", variable });
      return state === "granted" ? Deno.env.get(variable) : undefined;
    },
    missingRunFlags: (name) => {
      const { state } = Deno.permissions.querySync({ name: "run", command: name });
      return state === "granted" ? [] : [`--allow-run=${name}`];
    },
    raise: (signal) => Deno.kill(Deno.pid, signal),
    exit: (code) => Deno.exit(code),
  };
}

/** Bun's own standard streams. Its `process.stdout` takes 10 ms to load. */
interface BunOutput {
  stdout: object;
  stderr: object;
  write(stream: object, text: string): Promise<number>;
}

function nodeHost(): Host {
  const heard = new Set<string>();
  return {
    signals: () => signalsOn(process.platform),
    stdin: nodeInput,
    noColor: () => (process.env["NO_COLOR"] ?? "") !== "",
    isTerminal: (stream) =>
      process.getBuiltinModule("node:tty").isatty(["stdin", "stdout", "stderr"].indexOf(stream)),
    print: async (stream, text) => {
      const bun = (globalThis as unknown as { Bun?: BunOutput }).Bun;
      // After an error (a closed pipe, a full disk), there is no stream left to report it on.
      if (bun !== undefined) return void await bun.write(bun[stream], text).catch(() => {});
      if (!heard.has(stream)) process[stream].on("error", () => {});
      heard.add(stream);
      await new Promise<void>((resolve) => void process[stream].write(text, () => resolve()));
    },
    listen: (signal, listener) => process.on(signal, listener),
    unlisten: (signal, listener) => process.off(signal, listener),
    run: ([name, ...args], env, signal, outputTaken) => {
      const { spawn } = process.getBuiltinModule("node:child_process");
      return new Promise((resolve, reject) => {
        const child = spawn(name!, args, {
          env: { ...process.env, ...env },
          stdio: ["inherit", outputTaken ? 2 : "inherit", "inherit"],
        });
        const end = (): void => void child.kill("SIGTERM");
        signal.addEventListener("abort", end, { once: true });
        child.on("error", reject);
        child.on("close", (code, by) => {
          signal.removeEventListener("abort", end);
          resolve(codeOf(code, by));
        });
      });
    },
    output: async function* ([name, ...args], signal) {
      const { spawn } = process.getBuiltinModule("node:child_process");
      const child = spawn(name!, args, { stdio: ["inherit", "pipe", "inherit"] });
      const end = (): void => void child.kill("SIGTERM");
      const closed = new Promise<number>((resolve, reject) => {
        child.on("error", reject);
        child.on("close", (code, by) => resolve(codeOf(code, by)));
      });
      // The error is thrown where the promise is awaited.
      closed.catch(() => {});
      signal.addEventListener("abort", end, { once: true });
      let ended = false;
      try {
        // If Bun cannot start the command, it ends the output before it reports the error.
        await Promise.race([closed, new Promise((resolve) => child.once("spawn", resolve))]);
        yield* child.stdout;
        const code = await closed;
        ended = true;
        if (code !== 0) throw new Error(endedWith(name!, code));
      } finally {
        signal.removeEventListener("abort", end);
        if (!ended) end();
      }
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
    const read = (into: Uint8Array): Promise<number> =>
      new Promise((resolve, reject) => {
        fs.read(0, into, 0, into.length, null, (error, count) => {
          if (error) reject(error);
          else resolve(count);
        });
      });
    try {
      return yield* pieces(read);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
  yield* process.stdin;
}

/** Returns a program's exit code. A signal becomes the code that a shell reports for it. */
function codeOf(code: number | null, by: NodeJS.Signals | null): number {
  const { signals } = process.getBuiltinModule("node:os").constants;
  return code ?? 128 + (by === null ? 0 : signals[by]);
}

/** Returns the message for a command that failed. */
export function endedWith(command: string, code: number): string {
  return `${command} ended with exit code ${code}`;
}

/** Windows has only SIGINT, which Ctrl-C sends. */
function signalsOn(system: string): readonly EndSignal[] {
  return system === "windows" || system === "win32" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
}
