/** `untorn write`: standard input becomes a file, whole or not at all. */

import { writeFile } from "../../file/atomic_write.ts";
import { asyncSource } from "../../stage/content.ts";
import type { Durability } from "../../core/options.ts";
import { fileSettings } from "../../file/file_options.ts";
import { systemCalls } from "../../os/system.ts";
import { toPath } from "../../core/paths.ts";
import { runAsync } from "../../core/steps.ts";
import {
  asUsage,
  type Call,
  type Command,
  COMMON,
  COMMON_HELP,
  type Context,
  octal,
  onlyArgument,
  parseArgs,
  splitCommand,
} from "../shared/command.ts";
import type { Host } from "../shared/host.ts";
import { ProgressLine } from "../shared/progress.ts";

/** The command. */
export const write: Command = {
  name: "write",
  help: `Usage: untorn write FILE [OPTIONS]
       untorn write FILE [OPTIONS] -- COMMAND [ARGUMENTS]

Replaces or creates FILE with what comes from standard input. FILE is untouched
until the input has ended, so the same pipe may read it. A pipe can't tell that
its producer failed: what came until then becomes FILE. So give the producer
as COMMAND: its output becomes FILE only if it exits with 0.

Options:
  --mode MODE           permission bits, in octal, exactly (default: those of
                        FILE; for a new one what the umask leaves of 666)
  --no-overwrite        fail if FILE exists, also if it appears meanwhile
  --no-empty            fail if nothing comes: a producer that failed early
  --if-changed          leave FILE and its time alone if the bytes are the same
  --durability LEVEL    full: the new version survives a power cut (default)
                        file: after a power cut, the old or the new, whole
                        none: nothing is synced
  --no-follow-symlink   replace a link itself, not what it leads to
  --no-create-parents   fail if the directory of FILE is missing
  --dry-run             do all but put it in place; with -v or --json, say what
                        would have been done
${COMMON_HELP}

With --json: path, bytes, changed, durability.

Example:
  jq '.port = 8080' config.json | untorn write config.json --mode 600
  untorn write config.json -- jq '.port = 8080' config.json
`,
  prepare: prepareWrite,
};

const OPTIONS = {
  ...COMMON,
  "mode": { type: "string" },
  "no-overwrite": { type: "boolean" },
  "if-changed": { type: "boolean" },
  "no-empty": { type: "boolean" },
  "durability": { type: "string" },
  "no-follow-symlink": { type: "boolean" },
  "no-create-parents": { type: "boolean" },
  "dry-run": { type: "boolean" },
} as const;

async function prepareWrite(args: string[], { host, signal, permits }: Context): Promise<Call> {
  const { own, command } = splitCommand(args);
  const { values, positionals } = parseArgs({
    args: own,
    options: OPTIONS,
    allowPositionals: true,
  });
  const file = onlyArgument("FILE", positionals);
  const target = asUsage(() => toPath(file));
  const settings = asUsage(() =>
    fileSettings({
      mode: values.mode === undefined ? undefined : octal(values.mode),
      overwrite: values["no-overwrite"] !== true,
      ifChanged: values["if-changed"] === true,
      durability: values.durability as Durability | undefined,
      followSymlink: values["no-follow-symlink"] !== true,
      createParents: values["no-create-parents"] !== true,
      signal,
    })
  );
  const asking = {
    operation: "write",
    path: target,
    why: `a temporary sibling is created beside it`,
  };
  await permits.beside(asking, { follow: settings.followSymlink });
  permits.run(asking, command?.[0]);

  const dryRun = values["dry-run"] === true;
  const incoming = (): AsyncIterable<Uint8Array> =>
    command === undefined ? input(host) : host.output(command, signal);
  const bytes = (): AsyncIterable<Uint8Array> =>
    values["no-empty"] === true ? notEmpty(incoming()) : incoming();

  return async () => {
    if (command === undefined && host.isTerminal("stdin") && values.quiet !== true) {
      await host.print("stderr", "untorn: reading from the terminal; end with Ctrl-D\n");
    }
    const isWanted = values.quiet !== true && command === undefined && !host.isTerminal("stdin");
    const line = new ProgressLine(host, isWanted);
    const source = asyncSource(counted(bytes(), line));
    // Nobody else needs the event loop: while a thread reads the next piece, this one writes.
    const os = { ...systemCalls().async, write: systemCalls().sync.write };
    const result = await line.during(
      runAsync(writeFile(os, target, source, settings, dryRun)),
    );
    if (values.json) await host.print("stdout", JSON.stringify(result) + "\n");
    else if (values.verbose) {
      const { path, bytes, changed, durability } = result;
      const wrote = dryRun ? "would write" : "wrote";
      const what = changed ? `${wrote} ${bytes} bytes to` : `the same ${bytes} bytes are in`;
      const sure = dryRun ? "" : ` (durability ${durability})`;
      await host.print("stderr", `untorn: ${what} ${JSON.stringify(path)}${sure}\n`);
    }
    return 0;
  };
}

/** In ms; see {@link input}. */
const GRACE = 20;

/**
 * Standard input. Ctrl-C ends all of a pipe: the producer's end may be seen here before the signal is,
 * and must not make a version of what came until then. So the signal gets a moment to arrive.
 */
async function* input(host: Host): AsyncGenerator<Uint8Array> {
  yield* host.stdin();
  await new Promise((resolve) => setTimeout(resolve, GRACE));
}

/** Shows how much has come. */
async function* counted(
  source: AsyncIterable<Uint8Array>,
  line: ProgressLine,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    line.update({ bytes });
    yield* [chunk];
  }
}

async function* notEmpty(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isEmpty = true;
  for await (const bytes of source) {
    isEmpty &&= bytes.length === 0;
    yield* [bytes];
  }
  if (isEmpty) throw new Error("nothing came (--no-empty)");
}
