/** `untorn write`: replaces a file with standard input or with the output of a command. */

import { runAsync } from "../../core/steps.ts";
import { systemCalls } from "../../os/system.ts";
import { asyncSource } from "../../stage/content.ts";
import { writeFile } from "../../file/atomic_write.ts";
import { fileSettings } from "../../file/file_options.ts";
import {
  type Call,
  type Command,
  type Context,
  count,
  note,
  printResult,
} from "../shared/command.ts";
import { type Host, requireSuccess } from "../shared/host.ts";
import { asUsage, COMMON, LOCKED, parse, splitCommand, STAGE_ONLY } from "../shared/options.ts";
import { ProgressLine } from "../shared/progress.ts";

const OPTIONS = {
  "mode": {
    value: "MODE",
    help: "set exactly these permission bits, in octal; default: those of FILE, or 666 less the " +
      "umask for a new file",
  },
  "no-overwrite": { help: "fail if FILE exists or appears before the commit" },
  "no-empty": { help: "fail on empty input, as from a failed producer" },
  "if-changed": { help: "keep FILE and its times if the content is the same" },
  "durability": LOCKED.durability,
  "no-follow-symlink": { help: "replace a symbolic link itself, not its target" },
  "no-create-parents": { help: "fail if the directory of FILE does not exist" },
  ...STAGE_ONLY,
  ...COMMON,
} as const;

/** The command. */
export const write: Command = {
  name: "write",
  usage: ["FILE [OPTIONS]", "FILE [OPTIONS] -- COMMAND [ARGUMENTS]"],
  about: `Replaces or creates FILE with the content of standard input. FILE is unchanged
until the input ends, so the same pipeline may read it.

A pipe does not report that its producer has failed, and FILE would get
truncated input. To prevent that, give the producer as COMMAND: its output
replaces FILE only if it exits with 0.`,
  options: OPTIONS,
  json: "path, bytes, changed, durability.",
  examples: [
    "jq '.port = 8080' config.json | untorn write config.json --mode 600",
    "untorn write config.json -- jq '.port = 8080' config.json",
  ],
  prepare: prepareWrite,
};

async function prepareWrite(args: string[], { host, signal, permissions }: Context): Promise<Call> {
  const { own, command } = splitCommand(args);
  const { path, values } = parse(OPTIONS, "FILE", own);
  const settings = asUsage(() =>
    fileSettings({
      mode: values.mode,
      overwrite: !values["no-overwrite"],
      ifChanged: values["if-changed"],
      durability: values.durability,
      followSymlink: !values["no-follow-symlink"],
      createParents: !values["no-create-parents"],
      signal,
    })
  );
  const request = { operation: "write", path, why: "to create a temporary file beside it" };
  await permissions.requireDirOf(request, { follow: settings.followSymlink });
  permissions.requireRun(request, command?.[0]);

  const dryRun = values["dry-run"];
  return async () => {
    const isTerminal = command === undefined && host.isTerminal("stdin");
    if (isTerminal && !values.quiet) {
      await note(host, "reading standard input from the terminal; press Ctrl-D to end it");
    }
    const line = new ProgressLine(host, !values.quiet && command === undefined && !isTerminal);
    const input = command === undefined ? standardInput(host) : outputOf(command, host, signal);
    const name = command === undefined ? "standard input" : `the output of ${command[0]}`;
    const source = asyncSource(checked(input, line, values["no-empty"] ? name : undefined));
    // No other task needs the event loop, so this thread can write while another one reads.
    const os = { ...systemCalls().async, write: systemCalls().sync.write };
    const result = await line.during(runAsync(writeFile(os, path, source, settings, dryRun)));
    await printResult(host, values, result, () => {
      const { bytes, changed, durability } = result;
      const [size, target] = [count(bytes, "byte"), JSON.stringify(path)];
      const what = changed
        ? `${dryRun ? "would write" : "wrote"} ${size} to ${target}`
        : `${dryRun ? "would leave" : "left"} ${target} as it is, with the same ${size}`;
      return [dryRun ? what : `${what} (durability ${durability})`];
    });
  };
}

/** The time to wait at the end of the input, in ms; see {@link standardInput}. */
const GRACE = 20;

/**
 * Reads standard input. Ctrl-C ends all programs of a pipeline, and this one may see the end of the input
 * before it receives the signal. It must not commit truncated input then, so it waits a moment.
 */
async function* standardInput(host: Host): AsyncGenerator<Uint8Array> {
  yield* host.stdin();
  await new Promise((resolve) => setTimeout(resolve, GRACE));
}

/**
 * Runs a command and yields its standard output. Fails at the end unless the command exits with 0. An abort
 * sends it SIGTERM, and so does a caller that stops reading.
 */
async function* outputOf(
  command: string[],
  host: Host,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  signal.addEventListener("abort", abort, { once: true });
  const child = await host.spawn(command, {}, stop.signal, "pipe");
  try {
    yield* child.output;
    requireSuccess(command, await child.ended);
  } finally {
    abort();
  }
}

/** Passes content through, and shows the number of bytes; a source with a name must not be empty. */
async function* checked(
  source: AsyncIterable<Uint8Array>,
  line: ProgressLine,
  name: string | undefined,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    line.update({ bytes });
    yield* [chunk];
  }
  if (name !== undefined && bytes === 0) throw new Error(`${name} was empty (--no-empty)`);
}
