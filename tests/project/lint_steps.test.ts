/** The project's own lint rules: what they let pass, and what they find. */

import { join } from "node:path";
import { test } from "node:test";
import plugin from "../../scripts/lint_steps.ts";
import { assertEquals, assertStringIncludes } from "../helpers/assert.ts";
import { project, runtime } from "../helpers/runtime.ts";

const options = { skip: runtime === "deno" ? false : "only Deno runs lint plugins" };

function lint(file: string, source: string): Deno.lint.Diagnostic[] {
  return Deno.lint.runPlugin(plugin, join(project, file), source);
}

/** The pieces of the source that a rule finds fault with. */
function found(file: string, source: string): string[] {
  return lint(file, source).map(({ range }) => source.slice(...range));
}

/** A statement, and what is to be found in it. */
type Case = [statement: string, ...found: string[]];

/** Finds in each statement what its case says, no more and no less. */
function expectFound(file: string, cases: Case[], wrap = (code: string): string => code): void {
  const actual = cases.map(([statement]) => [statement, ...found(file, wrap(statement))]);
  assertEquals<string[][]>(actual, cases);
}

/** A file of `lib/` in which the statements are part of a method. */
function sample(statements: string): string {
  return `import { type Comparison, trySync } from "./comparison.ts";
import { FileStage } from "./file_stage.ts";
import { locate as find } from "./target.ts";

export class Sample {
  readonly #os: Os;
  readonly #stage: FileStage;
  readonly #given: (text: string) => Steps<void>;
  readonly #sink: Sink;
  #comparison: Comparison | undefined;

  *method(port: Os, os: Os, stages: FileStage[], set: Set<string>): Steps<unknown> {
    const inner = function* (path: string): Steps<void> {};
    ${statements}
  }

  *#own<T>(steps: Steps<T>): Steps<T> {
    return yield* steps;
  }

  plain(): void {}
}

interface Sink {
  write(bytes: Uint8Array): Steps<void>;
  size(): number;
}

function* local(): Steps<void> {}

function plain(): void {}
`;
}

const good = [
  "yield* os.fsync(file);",
  "const count = (yield* this.#os.read(file, into)) + 1;",
  "yield* done ? this.#own(local()) : local();",
  "yield* known ?? local();",
  "yield* this.#comparison?.close()!;",
  "if (!(yield* trySync(os, file))) return yield* this.#own(local());",
  "return os.fsync(file);",
  "return done ? local() : this.#stage.discard();",
  "return enqueue(() => this.#stage.discard());",
  "runSync(local());",
  "new Runner(local());",
  "const result = yield* caught(os.unlink(path));",
  "const all = [local(), this.#comparison?.close(), find(os, path, settings)];",
  "const steps: Steps<void> = local();",
  "this.#steps = local();",
  "plain();",
  "this.plain();",
  "set.add(path); stages.find(plain); set.delete(path);",
  "const stream: WritableStream = writable; stream.close();",
  "const encoder = new Encoder(); encoder.write(chunk);",
  "this.#sink.size();",
  "other.fsync(file);",
];

const bad: Case[] = [
  ["os.fsync(file);", "os.fsync(file)"],
  ["this.#os.fsync(file);", "this.#os.fsync(file)"],
  ["settings.os.fsync(file);", "settings.os.fsync(file)"],
  ["port.fsync(file);", "port.fsync(file)"],
  ["this.#os?.fsync(file)!;", "this.#os?.fsync(file)"],
  ["void local();", "local()"],
  ["await local();", "local()"],
  ["done && local();", "local()"],
  ["done || local();", "local()"],
  ["done ? local() : plain();", "local()"],
  ["if (this.#stage.holds(content)) return;", "this.#stage.holds(content)"],
  ["while (!local()) {}", "local()"],
  ["if (local() === undefined) return;", "local()"],
  ["yield* local() || local();", "local()"],
  ["const { length } = [...local()];", "local()"],
  ["const length = os.read(file).length;", "os.read(file)"],
  ["const text = `${local()}`;", "local()"],
  ["for (const step of local()) {}", "local()"],
  ["throw this.#stage.fail(error);", "this.#stage.fail(error)"],
  ["const error = this.#stage.discard();", "this.#stage.discard()"],
  ["const f = () => { local(); };", "local()"],
  ["this.#own(local());", "this.#own(local())"],
  ["this.#comparison?.close();", "this.#comparison?.close()"],
  ["const comparison = this.#comparison!; comparison.close();", "comparison.close()"],
  ["const stage = new FileStage(os, path, settings); stage.create();", "stage.create()"],
  ["new FileStage(os, path, settings).create();", "new FileStage(os, path, settings).create()"],
  ["for (const stage of stages) stage.discard();", "stage.discard()"],
  ["stages[0]!.commit();", "stages[0]!.commit()"],
  ["inner(path);", "inner(path)"],
  ["this.#given(text);", "this.#given(text)"],
  ["this.#sink.write(bytes);", "this.#sink.write(bytes)"],
  ["trySync(os, file);", "trySync(os, file)"],
  ["find(os, path, settings);", "find(os, path, settings)"],
  ["yield local();", "yield local()"],
  ["yield steps;", "yield steps"],
  ["steps;", "steps;"],
];

test("yield-steps lets pass what is run or handed over", options, () => {
  expectFound("lib/sample.ts", good.map((statement) => [statement]), sample);
});

test("yield-steps finds each call that is not", options, () => {
  expectFound("lib/sample.ts", bad, sample);
});

test("yield-steps says what happens and what to write", options, () => {
  const [fault] = lint("lib/sample.ts", sample("this.#stage.create();"));
  assertEquals(fault!.id, "untorn/yield-steps");
  assertStringIncludes(fault!.message, "nothing of `this.#stage.create()` runs here");
  assertStringIncludes(fault!.hint!, "write `yield* this.#stage.create()`");
});

test("yield-steps looks at lib/ only, and lets lib/core/steps.ts yield plainly", options, () => {
  assertEquals(found("tests/sample.ts", sample("os.fsync(file);")), []);
  assertEquals(found("lib/core/steps.ts", "function* settle() { return yield answer; }"), []);
});

const imports: Case[] = [
  [`import { a } from "./a.ts";`],
  [`import type { a } from "../a.ts";`],
  [`import { join } from "node:path";`],
  [`export * from "./a.ts";`],
  [`export const a = 1;`],
  [`await import("./a.ts");`],
  [`let fs: typeof import("node:fs");`],
  [`import { join } from "@std/path";`, `"@std/path"`],
  [`import { join } from "path";`, `"path"`],
  [`import { join } from "npm:path@1";`, `"npm:path@1"`],
  [`import { a } from "https://example.com/a.ts";`, `"https://example.com/a.ts"`],
  [`import { a } from "./a.js";`, `"./a.js"`],
  [`import { a } from "./a";`, `"./a"`],
  [`export { a } from "@std/path";`, `"@std/path"`],
  [`export * from "@std/path";`, `"@std/path"`],
  [`await import("@std/path");`, `"@std/path"`],
  [`await import(name);`, "name"],
  [`let path: typeof import("@std/path");`, `"@std/path"`],
];

for (const file of ["lib/os/sample.ts", "mod.ts", "cli.ts"]) {
  test(`relative-imports finds what has no place in ${file}`, options, () => {
    expectFound(file, imports);
  });
}

test("relative-imports leaves the other files alone", options, () => {
  assertEquals(found("tests/sample.ts", `import { join } from "@std/path";`), []);
});
