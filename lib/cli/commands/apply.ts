/** `untorn apply`: a transaction from a plan. */

import { dirname, isAbsolute, join, resolve } from "node:path";
import { copyTree } from "../../fs/copy_tree.ts";
import { asyncSource, syncSource, unlessAborted } from "../../stage/content.ts";
import {
  partSettings,
  type TransactionResult,
  type TransactionSettings,
  transactionSettings,
} from "../../transaction/transaction_options.ts";
import type { Durability } from "../../core/options.ts";
import { systemCalls } from "../../os/system.ts";
import type { Handle, Os } from "../../os/port.ts";
import { inside, toPath } from "../../core/paths.ts";
import { readAll } from "../../fs/io.ts";
import { Staging } from "../../stage/lifecycle.ts";
import { runAsync, type Steps } from "../../core/steps.ts";
import { TransactionStage } from "../../transaction/transaction_stage.ts";
import {
  asUsage,
  type Call,
  type Command,
  COMMON,
  COMMON_HELP,
  type Context,
  onlyArgument,
  parseArgs,
  printWarnings,
  seconds,
  UsageError,
} from "../shared/command.ts";
import { demandSource } from "../shared/copy_source.ts";
import { counting, ProgressLine } from "../shared/progress.ts";
import { inWords, type Permits } from "../shared/permission_check.ts";
import { parsePlan, type Step } from "./plan.ts";

/** The command. */
export const apply: Command = {
  name: "apply",
  help: `Usage: untorn apply PLAN.json [OPTIONS]

Makes the changes that a plan lists, all or none, crashes included. A plan of -
is read from standard input. Relative paths in it are those of its directory;
what the steps change is below root.

  {"root": ".", "steps": [
    {"write": "settings.json", "content": "{}", "mode": "600"},
    {"write": "logo.svg", "from": "../build/logo.svg"},
    {"persist": "public", "from": "../build/public"},
    {"remove": "old"},
    {"rename": "draft", "to": "final"}
  ]}

docs/plan.schema.json has all fields.

Options:
  --durability LEVEL    full: all of it survives a power cut (default)
                        file: after a power cut, all or nothing
                        none: nothing is synced
  --no-lock             do not keep other transactions out
  --wait SECONDS        how long to wait for locks (default: 10)
  --dry-run             stage all, and change nothing
${COMMON_HELP}

With --json: path, changes (a list of do, path, and to, or what "untorn persist"
tells), durability, warnings (a list); with --dry-run only path.

Example:
  untorn apply release.json
`,
  prepare: prepareApply,
};

const OPTIONS = {
  ...COMMON,
  "durability": { type: "string" },
  "no-lock": { type: "boolean" },
  "wait": { type: "string" },
  "dry-run": { type: "boolean" },
} as const;

/** So much of a file that is copied is in memory, in bytes. */
const BLOCK = 1024 * 1024;

async function prepareApply(args: string[], context: Context): Promise<Call> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  const file = onlyArgument("PLAN.json", positionals);
  const settings = asUsage(() =>
    transactionSettings({
      durability: values.durability as Durability | undefined,
      lock: values["no-lock"] !== true,
      wait: values.wait === undefined ? undefined : seconds("wait", values.wait),
      signal: context.signal,
    })
  );
  const { root: given, steps } = parsePlan(await readPlan(asUsage(() => toPath(file)), context));
  const base = file === "-" ? "." : dirname(file);
  const from = (path: string): string => isAbsolute(path) ? path : join(base, path);
  const root = from(given);
  await demandAll(root, steps, from, settings, context.permits);

  return async () => {
    const os = systemCalls().async;
    const stage = new TransactionStage(os, root, settings);
    const staging = new Staging<TransactionResult>(root, stage);
    const line = new ProgressLine(context.host, values.quiet !== true);
    const onFile = counting(line);
    const change = async (): Promise<TransactionResult | undefined> => {
      await runAsync(staging.attempt(stage.open()));
      for (const [index, step] of steps.entries()) {
        try {
          await runAsync(staging.attempt(stageStep(os, stage, step, from, settings, onFile)));
        } catch (error) {
          const told = ofStep(index, error);
          if (staging.isOpen) await runAsync(staging.failed(told));
          throw told;
        }
      }
      if (values["dry-run"] !== true) return await runAsync(staging.commit());
      await runAsync(staging.discard());
    };
    const result = await line.during(change());
    if (result !== undefined) await tell(result, context, values);
    else if (values.json) {
      await context.host.print("stdout", JSON.stringify({ path: root }) + "\n");
    } else if (values.verbose) {
      const what = `would make ${steps.length} changes in ${JSON.stringify(root)}`;
      await context.host.print("stderr", `untorn: ${what}\n`);
    }
    return 0;
  };
}

async function tell(
  result: TransactionResult,
  { host }: Context,
  values: { json?: boolean; verbose?: boolean },
): Promise<void> {
  const { changes, warnings, durability, path } = result;
  await printWarnings(host, warnings);
  if (values.json) return await host.print("stdout", JSON.stringify(result) + "\n");
  if (!values.verbose) return;
  for (const change of changes) {
    const to = change.do === "rename" ? ` to ${JSON.stringify(change.to)}` : "";
    await host.print("stderr", `untorn: ${change.do} ${JSON.stringify(change.path)}${to}\n`);
  }
  const what = `${changes.length} changes in ${JSON.stringify(path)}`;
  await host.print("stderr", `untorn: ${what} (durability ${durability})\n`);
}

/** Reads the plan, which may be what comes in. */
async function readPlan(file: string, context: Context): Promise<string> {
  const decoder = new TextDecoder();
  if (file === "-") {
    let text = "";
    const chunks = context.host.stdin()[Symbol.asyncIterator]();
    for (;;) {
      const next = await unlessAborted(chunks.next(), context.signal);
      if (next.done) return text + decoder.decode();
      text += decoder.decode(next.value, { stream: true });
    }
  }
  const asking = { operation: "read", path: file, why: "to read the plan" };
  context.permits.demand(asking, [{ kind: "read", of: resolve(file) }]);
  try {
    return decoder.decode(await runAsync(readAll(systemCalls().async, file)));
  } catch (error) {
    throw inWords("read", file, error);
  }
}

/** Demands what is needed to change what is below the root, and refuses sources that can't be copied. */
async function demandAll(
  root: string,
  steps: readonly Step[],
  from: (path: string) => string,
  { lock }: TransactionSettings,
  permits: Permits,
): Promise<void> {
  const operation = "change";
  const os = systemCalls().async;
  const given = resolve(root);
  const why = `what is staged, and the lock, are in ${root} and beside it`;
  permits.demand({ operation, path: root, why }, [{ kind: "read", of: given }]);
  let real;
  try {
    real = await runAsync(os.realpath(given));
  } catch (error) {
    throw inWords(operation, root, error);
  }
  const of = lock ? dirname(real) : real;
  permits.demand({ operation, path: root, why }, [{ kind: "read", of }, { kind: "write", of }]);
  for (const [index, step] of steps.entries()) {
    if (!("from" in step)) continue;
    const source = from(step.from);
    const asking = { operation: "read", path: source, why: "to read what is copied" };
    try {
      if ("persist" in step) {
        await demandSource(permits, asking, source, inside(real, step.persist));
      } else permits.demand(asking, [{ kind: "read", of: resolve(source) }]);
    } catch (error) {
      throw ofStep(index, error);
    }
  }
}

/** What the plan itself has wrong (a path outside, or one that is named twice) is told with its step. */
function ofStep(index: number, error: unknown): unknown {
  const isUsage = error instanceof TypeError || error instanceof UsageError;
  return isUsage ? new UsageError(`steps[${index}]: ${error.message}`) : error;
}

function* stageStep(
  os: Os,
  stage: TransactionStage,
  step: Step,
  from: (path: string) => string,
  settings: TransactionSettings,
  onFile: (bytes: number) => void,
): Steps<void> {
  if ("remove" in step) return void (yield* stage.remove(step.remove));
  if ("rename" in step) return yield* stage.rename(step.rename, step.to);
  if ("persist" in step) {
    const { persist, carryOver, writeOnce } = step;
    const part = partSettings({ carryOver, writeOnce }, settings);
    return yield* stage.persist(
      persist,
      part,
      (dir) => copyTree(os, from(step.from), dir.path, settings.signal, onFile),
    );
  }
  const mode = step.mode === undefined ? undefined : parseInt(step.mode, 8);
  if ("content" in step) return yield* stage.write(step.write, syncSource(step.content), mode);
  let size = 0;
  const content = contentOf(os, from(step.from), (bytes) => size += bytes);
  yield* stage.write(step.write, asyncSource(content), mode);
  onFile(size);
}

/** A file's content, block by block, the size of each of which is told. */
function contentOf(
  os: Os,
  path: string,
  onBlock: (bytes: number) => void,
): ReadableStream<Uint8Array> {
  let file: Handle;
  return new ReadableStream({
    start: async () => {
      file = await runAsync(os.open(path));
    },
    pull: async (controller) => {
      const bytes = new Uint8Array(BLOCK);
      let count = 0;
      try {
        count = await runAsync(os.read(file, bytes));
      } finally {
        if (count === 0) await runAsync(os.close(file));
      }
      onBlock(count);
      if (count === 0) controller.close();
      else controller.enqueue(bytes.subarray(0, count));
    },
    cancel: () => runAsync(os.close(file)),
  });
}
