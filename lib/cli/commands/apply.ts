/** `untorn apply`: makes the changes of a plan in one transaction. */

import { dirname, isAbsolute, join, resolve } from "node:path";
import { copyTree } from "../../fs/copy_tree.ts";
import { asyncSource, syncSource, unlessAborted } from "../../stage/content.ts";
import {
  partSettings,
  type TransactionResult,
  type TransactionSettings,
  transactionSettings,
} from "../../transaction/transaction_options.ts";
import { systemCalls } from "../../os/system.ts";
import type { Handle, Os } from "../../os/port.ts";
import { inside } from "../../core/paths.ts";
import { readAll } from "../../fs/io.ts";
import { runAsync, type Steps } from "../../core/steps.ts";
import type { TransactionStage } from "../../transaction/transaction_stage.ts";
import { TransactionSteps } from "../../transaction/transaction_steps.ts";
import { type Call, type Command, type Context, count, printResult } from "../shared/command.ts";
import { requireSource } from "../shared/copy_source.ts";
import {
  asUsage,
  COMMON,
  DURABILITY,
  LOCKING,
  parse,
  STAGE_ONLY,
  UsageError,
} from "../shared/options.ts";
import { inspecting, type PermissionCheck } from "../shared/permission_check.ts";
import { counting, ProgressLine } from "../shared/progress.ts";
import { parsePlan, type Step } from "./plan.ts";

const OPTIONS = { ...DURABILITY, ...LOCKING, ...STAGE_ONLY, ...COMMON } as const;

/** The command. */
export const apply: Command = {
  name: "apply",
  usage: ["PLAN.json [OPTIONS]"],
  about: `Makes the changes that a plan lists: all of them or none, even after a crash. If
PLAN.json is -, the plan is read from standard input.

  {"root": ".", "steps": [
    {"write": "settings.json", "content": "{}", "mode": "600"},
    {"write": "logo.svg", "from": "../build/logo.svg"},
    {"persist": "public", "from": "../build/public"},
    {"remove": "old"},
    {"rename": "draft", "to": "final"}
  ]}

The paths of "root" and "from" are relative to the plan's directory, or to the
working directory if the plan is read from standard input. All other paths are
below root. docs/plan.schema.json describes all fields.`,
  options: OPTIONS,
  json: "path, changes (a list of do and path; a rename also has to, a persist the fields of " +
    '"untorn persist"), durability, warnings (a list); with --dry-run only path.',
  examples: ["untorn apply release.json"],
  prepare: prepareApply,
};

/** The size of the blocks in which a file is copied, in bytes. */
const BLOCK = 1024 * 1024;

async function prepareApply(args: string[], context: Context): Promise<Call> {
  const { path: file, values } = parse(OPTIONS, "PLAN.json", args);
  const settings = asUsage(() =>
    transactionSettings({
      durability: values.durability,
      lock: !values["no-lock"],
      wait: values.wait,
      signal: context.signal,
    })
  );
  const { root: given, steps } = parsePlan(await readPlan(file, context));
  const base = file === "-" ? "." : dirname(file);
  const from = (path: string): string => isAbsolute(path) ? path : join(base, path);
  const root = from(given);
  await requireAll(root, steps, from, settings, context.permissions);

  return async () => {
    const os = systemCalls().async;
    const line = new ProgressLine(context.host, !values.quiet);
    const onFile = counting(line);
    const apply = function* (): Steps<TransactionResult | undefined> {
      const transaction = new TransactionSteps(os, root, settings);
      yield* transaction.open();
      for (const [index, step] of steps.entries()) {
        try {
          yield* transaction.change((stage) => stageStep(os, stage, step, from, settings, onFile));
        } catch (error) {
          throw ofStep(index, error);
        }
      }
      if (!values["dry-run"]) return yield* transaction.commit();
      yield* transaction.discard();
      return undefined;
    };
    const result = await line.during(runAsync(apply()));
    const what = `${count(steps.length, "change")} in ${JSON.stringify(root)}`;
    await printResult(context.host, values, result ?? { path: root }, () => {
      if (result === undefined) return [`would make ${what}`];
      return [...result.changes.map(changeLine), `made ${what} (durability ${result.durability})`];
    });
    return 0;
  };
}

function changeLine(change: TransactionResult["changes"][number]): string {
  const to = change.do === "rename" ? ` to ${JSON.stringify(change.to)}` : "";
  return `${change.do} ${JSON.stringify(change.path)}${to}`;
}

/** Reads the plan from a file or from standard input. */
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
  const request = { operation: "read", path: file, why: "to read the plan" };
  context.permissions.require(request, [{ kind: "read", of: resolve(file) }]);
  const bytes = await inspecting(request, () => runAsync(readAll(systemCalls().async, file)));
  return decoder.decode(bytes);
}

/** Requires the permissions for all steps, and refuses sources that cannot be copied. */
async function requireAll(
  root: string,
  steps: readonly Step[],
  from: (path: string) => string,
  { lock }: TransactionSettings,
  permissions: PermissionCheck,
): Promise<void> {
  const given = resolve(root);
  const why = `to stage changes in ${root}, and to create the lock file beside it`;
  const request = { operation: "change", path: root, why };
  permissions.require(request, [{ kind: "read", of: given }]);
  const real = await inspecting(request, () => runAsync(systemCalls().async.realpath(given)));
  const of = lock ? dirname(real) : real;
  permissions.require(request, [{ kind: "read", of }, { kind: "write", of }]);
  for (const [index, step] of steps.entries()) {
    if (!("from" in step)) continue;
    const source = from(step.from);
    const request = { operation: "read", path: source, why: "to read the source of the copy" };
    try {
      if ("persist" in step) {
        await requireSource(permissions, request, source, inside(real, step.persist));
      } else permissions.require(request, [{ kind: "read", of: resolve(source) }]);
    } catch (error) {
      throw ofStep(index, error);
    }
  }
}

/** Adds the step to a mistake in the plan, such as a path outside of root or one that is changed twice. */
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

/** Returns a stream of a file's content, and calls `onBlock` with the size of each block. */
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
