/**
 * What a command needs of the process it runs in: arguments, standard streams, signals, the end.
 * Deno's own calls are used in Deno: to touch `process` there would double the start-up time.
 */

import { isDeno } from "../os/runtime.ts";

/** A signal that asks a process to end. */
export type EndSignal = "SIGINT" | "SIGTERM" | "SIGHUP";

/** The process, as commands see it. */
export interface Host {
  args: string[];
  /** The signals that can be listened to. */
  signals: readonly EndSignal[];
  stdin(): AsyncIterable<Uint8Array>;
  isTerminal(stream: "stdin" | "stdout" | "stderr"): boolean;
  /** Ends when all is written, or nobody reads it any more. */
  print(stream: "stdout" | "stderr", text: string): Promise<void>;
  listen(signal: EndSignal, listener: () => void): void;
  unlisten(signal: EndSignal, listener: () => void): void;
  /** Sends itself a signal. */
  raise(signal: EndSignal): void;
  exit(code: number): void;
}

/** The process this runs in. */
export function currentHost(): Host {
  return isDeno() ? denoHost() : nodeHost();
}

function denoHost(): Host {
  return {
    args: Deno.args,
    signals: signalsOn(Deno.build.os),
    stdin: () => Deno.stdin.readable,
    isTerminal: (stream) => Deno[stream].isTerminal(),
    print: async (stream, text) => {
      let rest = new TextEncoder().encode(text);
      try {
        while (rest.length > 0) rest = rest.subarray(await Deno[stream].write(rest));
      } catch (error) {
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    },
    listen: (signal, listener) => Deno.addSignalListener(signal, listener),
    unlisten: (signal, listener) => Deno.removeSignalListener(signal, listener),
    raise: (signal) => Deno.kill(Deno.pid, signal),
    exit: (code) => Deno.exit(code),
  };
}

function nodeHost(): Host {
  return {
    args: process.argv.slice(2),
    signals: signalsOn(process.platform),
    stdin: () => process.stdin,
    isTerminal: (stream) => process[stream].isTTY === true,
    print: (stream, text) =>
      new Promise((resolve, reject) => {
        const ended = (error?: Error | null): void => {
          if (error && (error as { code?: string }).code !== "EPIPE") reject(error);
          else resolve();
        };
        process[stream].once("error", ended);
        process[stream].write(text, ended);
      }),
    listen: (signal, listener) => process.on(signal, listener),
    unlisten: (signal, listener) => process.off(signal, listener),
    raise: (signal) => process.kill(process.pid, signal),
    exit: (code) => process.exit(code),
  };
}

/** Windows knows only what Ctrl-C sends. */
function signalsOn(system: string): readonly EndSignal[] {
  return system === "windows" || system === "win32" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
}
