/** `untorn apply`: makes the changes of a plan in one transaction. */

import { dirname, isAbsolute, join, resolve } from "node:path";
import { inside } from "../../core/paths.ts";
import { runAsync, type Steps } from "../../core/steps.ts";
import type { Os } from "../../os/port.ts";
import { runOnSystem } from "../../os/system.ts";
import { copyTree } from "../../fs/copy_tree.ts";
import { readAll } from "../../fs/io.ts";
import { asyncSource, syncSource, unlessAborted } from "../../stage/content.ts";
import {
  partSettings,
  type TransactionResult,
  type TransactionSettings,
  transactionSettings,
} from "../../transaction/transaction_options.ts";
import type { TransactionStage } from "../../transaction/transaction_stage.ts";
import { TransactionSteps } from "../../transaction/transaction_steps.ts";
import { type Call, type Command, type Context, count, printResult } from "../shared/command.ts";
import { requireSource } from "../shared/copy_source.ts";
import {
  asUsage,
  COMMON,
  LOCKED,
  lockedOptions,
  parse,
  STAGE_ONLY,
  UsageError,
} from "../shared/options.ts";
import { access, inspect, type PermissionCheck } from "../shared/permission_check.ts";
import { counting, ProgressLine } from "../shared/progress.ts";
import { parsePlan, type Step } from "./plan.ts";

const OPTIONS = { ...LOCKED, ...STAGE_ONLY, ...COMMON } as const;

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

async function prepareApply(args: string[], context: Context): Promise<Call> {
  const { path: file, values } = parse(OPTIONS, "PLAN.json", args);
  const settings = asUsage(() => transactionSettings(lockedOptions(values, context.signal)));
  const plan = parsePlan(await readPlan(file, context));
  const base = file === "-" ? "." : dirname(file);
  const from = (path: string): string => isAbsolute(path) ? path : join(base, path);
  const root = from(plan.root);
  const steps = plan.steps.map((step) =>
    "from" in step ? { ...step, from: from(step.from) } : step
  );
  await requireAll(root, steps, settings, context.permissions);

  return async () => {
    const line = new ProgressLine(context.host, !values.quiet);
    const onFile = counting(line);
    const apply = function* (os: Os): Steps<TransactionResult | void> {
      const transaction = new TransactionSteps(os, root, settings);
      yield* transaction.open();
      for (const [index, step] of steps.entries()) {
        try {
          yield* transaction.change((stage) => stageStep(os, stage, step, settings, onFile));
        } catch (error) {
          throw ofStep(index, error);
        }
      }
      return yield* values["dry-run"] ? transaction.discard() : transaction.commit();
    };
    const result = await line.during(runOnSystem(apply));
    await printResult(context.host, values, result ?? { path: root }, () => {
      const what = `${count(steps.length, "change")} in ${JSON.stringify(root)}`;
      if (result === undefined) return [`would make ${what}`];
      return [...result.changes.map(changeLine), `made ${what} (durability ${result.durability})`];
    });
  };
}

/** Reads the plan from a file or from standard input. */
async function readPlan(file: string, context: Context): Promise<string> {
  if (file === "-") return await unlessAborted(textOf(context.host.stdin()), context.signal);
  const request = { operation: "read", path: file, why: "to read the plan" };
  context.permissions.require(request, access(resolve(file), ["read"]));
  return new TextDecoder().decode(await inspect(request, (os) => readAll(os, file)));
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunks) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}

/** Requires the permissions for all steps, and refuses sources that cannot be copied. */
async function requireAll(
  root: string,
  steps: readonly Step[],
  { lock }: TransactionSettings,
  permissions: PermissionCheck,
): Promise<void> {
  const given = resolve(root);
  const why = `to stage changes in ${root}, and to create the lock file beside it`;
  const request = { operation: "change", path: root, why };
  permissions.require(request, access(given, ["read"]));
  const real = await inspect(request, (os) => os.realpath(given));
  permissions.require(request, access(lock ? dirname(real) : real));
  for (const [index, step] of steps.entries()) {
    if (!("from" in step)) continue;
    const path = step.from;
    const request = { operation: "read", path, why: "to read the source of the copy" };
    try {
      if (!("persist" in step)) permissions.require(request, access(resolve(path), ["read"]));
      else await requireSource(permissions, request, path, inside(real, step.persist));
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
  settings: TransactionSettings,
  onFile: (bytes: number) => void,
): Steps<void> {
  if ("remove" in step) return void (yield* stage.remove(step.remove));
  if ("rename" in step) return yield* stage.rename(step.rename, step.to);
  if ("persist" in step) {
    const { persist, carryOver, writeOnce } = step;
    return yield* stage.persist(
      persist,
      partSettings({ carryOver, writeOnce }, settings),
      (dir) => copyTree(os, step.from, dir.path, settings.signal, onFile),
    );
  }
  const mode = step.mode === undefined ? undefined : parseInt(step.mode, 8);
  const source = "content" in step
    ? syncSource(step.content)
    : asyncSource(blocksOf(os, step.from, onFile));
  yield* stage.write(step.write, source, mode);
}

/** The size of the blocks in which a file is copied, in bytes. */
const BLOCK = 1024 * 1024;

/** Yields a file's content, and calls `onEnd` with its size. */
async function* blocksOf(
  os: Os,
  path: string,
  onEnd: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const file = await runAsync(os.open(path));
  try {
    for (let size = 0;;) {
      const block = new Uint8Array(BLOCK);
      const count = await runAsync(os.read(file, block));
      if (count === 0) return onEnd(size);
      yield* [block.subarray(0, count)];
      size += count;
    }
  } finally {
    await runAsync(os.close(file));
  }
}

function changeLine(change: TransactionResult["changes"][number]): string {
  const to = change.do === "rename" ? ` to ${JSON.stringify(change.to)}` : "";
  return `${change.do} ${JSON.stringify(change.path)}${to}`;
}
