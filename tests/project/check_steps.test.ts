/** The check for calls that are not made: what it finds, what it lets pass, and that `lib/` has none. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkSteps } from "../../scripts/check_steps.ts";
import { assertEquals } from "../helpers/assert.ts";
import { project, runtime } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

const options = { skip: runtime === "deno" ? false : "the sources are the same on each runtime" };

const NAMES = `
import type { Steps } from ${JSON.stringify(join(project, "lib", "core", "steps.ts"))};
declare function call(): Steps<boolean>;
declare const port: { call(): Steps<boolean>; kept?: Steps<boolean> } | undefined;
declare const done: boolean, later: Promise<boolean>, all: Set<Steps<boolean>>;
let known: boolean | undefined, steps: Steps<boolean> | undefined;`;

/** Statements, by what the check says of each. */
// deno-fmt-ignore
const STATEMENTS: Record<string, string[]> = {
  "nothing runs here without `yield*`": [
    "call();", "port?.call();", "void call();", "yield call();", "await call();", "steps;",
    "done && call();", "call() && done;", "done ? call() : done;", "done, call();", "throw call();",
    "if (call()) return;", "while (!call());", "for (const each of call());", "done === call();",
    "`${call()}`;", "[...call()];", "return call();", "console.log(call());", "call().next();",
    "const [first] = call();", "const both = [call(), done];", "const error = port?.call();",
    "const error = done && call();", "const error = call(); if (error !== undefined) return;",
    "Object.assign(all, call());", "all.forEach(() => call());", "(function* () {})();",
  ],
  "no call if the left side is set": [
    "known ??= yield* call();", "known ||= yield* call();", "known &&= yield* call();",
    "known ??= done || (yield* call());", "async () => known ||= await later;",
  ],
  "": [
    "yield* call();", "yield* (call())!;", "yield* done ? call() : steps ?? port!.call();",
    "const answer = known ?? (yield* call());", "known = yield* call();", "return yield* call();",
    "if (!(yield* call())) return;", "steps = call();", "const given: Steps<boolean> = call();",
    "if (port?.kept === undefined) return;", "if (steps === undefined) return;", "all.add(call());",
    "for (const each of [call(), steps]) if (each !== undefined) yield* each;",
    "const make = (): Steps<boolean> => call();", "const make = () => call();", "known ??= done;",
    "const begun = call(); begun.next();", "steps ??= call();",
    "known ??= [1].some(function* () { yield* call(); });",
  ],
};

test(
  "the check finds the calls that are not made, and nothing else",
  options,
  inTemp((dir) => {
    const all = Object.entries(STATEMENTS).flatMap(([says, of]) => of.map((each) => [each, says]));
    const functions = all.map(([each]) => `(function* (): Steps<unknown> { ${each} });\n`);
    writeFileSync(join(dir, "a.ts"), functions.join("") + NAMES);
    const found = checkSteps([join(dir, "a.ts")]).map((finding) => {
      const [, line, message] = /:(\d+):\d+ (.*)/.exec(finding)!;
      return [all[Number(line) - 1]![0], message];
    });
    assertEquals(found, all.filter(([, says]) => says !== ""));
  }),
);

test("mod.ts, cli.ts and what they import make all of their calls", options, () => {
  assertEquals(checkSteps(["mod.ts", "cli.ts"].map((name) => join(project, name))), []);
});
