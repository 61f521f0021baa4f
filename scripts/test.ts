/**
 * Runs the same tests on Deno, Bun and Node, side by side, and says what they came to: as its last line
 * `N passed, N failed`, and `, N skipped` where some were. The counts are those of the runtimes' JUnit
 * reports. What no report counts is a failure too: a runtime that ends with an error, that writes no
 * report or one without tests of each file, an uncaught error.
 *
 *     deno run -A scripts/test.ts [--only deno|bun|node] [PART OF A FILE NAME]...
 */

import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  ensureDependencies,
  Failure,
  main,
  programs,
  project,
  run,
  type Runtime,
} from "./tools.ts";

/** What a runtime's tests came to. */
interface Outcome {
  runtime: Runtime;
  tests: TestCase[];
  /** What went wrong without being counted as a test; empty if nothing did. */
  problem: string;
  seconds: number;
}

/** A test, as a report has it. */
interface TestCase {
  name: string;
  file: string;
  result: "passed" | "failed" | "skipped";
  /** Why it was skipped; only Node says that. */
  reason: string | undefined;
}

/** A test takes no longer, in milliseconds; Bun would allow five seconds, Node any time. */
const LIMIT = 60_000;

/** Nor does a whole runtime. */
const RUNTIME_LIMIT = 15 * 60_000;

await main(async () => {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    options: { only: { type: "string" } },
    allowPositionals: true,
  });
  const runtimes = (Object.keys(programs) as Runtime[])
    .filter((runtime) => values.only === undefined || values.only === runtime);
  if (runtimes.length === 0) throw new Failure("--only takes deno, bun or node");
  const files = findFiles(positionals);
  if (files.length === 0) throw new Failure("no test file has such a name");

  await ensureDependencies();
  const isOne = runtimes.length === 1;
  const outcomes = await Promise.all(runtimes.map((one) => runTests(one, files, !isOne)));
  Deno.exit(report(outcomes) ? 0 : 1);
});

function findFiles(parts: string[]): string[] {
  const below = (dir: string): string[] =>
    [...Deno.readDirSync(join(project, dir))].flatMap(({ name, isDirectory }) =>
      isDirectory ? below(`${dir}/${name}`) : [`${dir}/${name}`]
    );
  return below("tests")
    // A cluster's tests are run on it (tests/cluster/README.md).
    .filter((file) => file.endsWith(".test.ts") && !file.startsWith("tests/cluster/"))
    .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
    .sort();
}

/** Runs the tests on one runtime; what it prints is shown at its end if it is not the only one. */
async function runTests(runtime: Runtime, files: string[], together: boolean): Promise<Outcome> {
  const temp = await Deno.makeTempDir({ prefix: "untorn-tests-" });
  try {
    const [xml, uncaught] = [join(temp, "junit.xml"), join(temp, "uncaught.txt")];
    const title = `\n== ${runtime}\n`;
    if (!together) console.log(title);
    const output = together ? join(temp, "output.txt") : undefined;
    const { problem, seconds } = await run(testCommand(runtime, files, xml), {
      // Node starts our programs in a third of the time where it need not compile them again.
      env: { UNTORN_UNCAUGHT: uncaught, NODE_COMPILE_CACHE: join(temp, "cache") },
      signal: AbortSignal.timeout(RUNTIME_LIMIT),
      ...output === undefined ? {} : { output },
    });
    if (output !== undefined) console.log(`${title}\n${await textOf(output)}`);
    const tests = testCases(await textOf(xml), files);
    const stray = await textOf(uncaught);
    const silent = files.filter((file) => !tests.some((test) => test.file === file));
    const problems = [
      tests.some(({ result }) => result === "failed") ? "" : problem,
      silent.length === 0 ? "" : `no test reported of ${silent.join(", ")}`,
      stray === "" ? "" : `uncaught error: ${stray.trimEnd()}`,
    ];
    return { runtime, tests, problem: problems.filter(Boolean).join("; "), seconds };
  } finally {
    await Deno.remove(temp, { recursive: true });
  }
}

function testCommand(runtime: Runtime, files: string[], xml: string): [string, ...string[]] {
  const program = programs[runtime];
  const preload = "--preload=./scripts/deno_uncaught.ts";
  switch (runtime) {
    case "deno":
      return [program, "test", "-A", "--no-prompt", preload, `--junit-path=${xml}`, ...files];
    case "bun": {
      const report = ["--reporter=junit", `--reporter-outfile=${xml}`];
      return [
        program,
        "test",
        `--timeout=${LIMIT}`,
        ...report,
        ...files.map((file) => `./${file}`),
      ];
    }
    case "node": {
      const shown = ["--test-reporter=spec", "--test-reporter-destination=stdout"];
      const report = ["--test-reporter=junit", `--test-reporter-destination=${xml}`];
      const limits = [`--test-timeout=${LIMIT}`, "--test-isolation=none"];
      return [program, "--test", ...limits, ...shown, ...report, ...files];
    }
  }
}

/** The tests of a JUnit report. */
function testCases(xml: string, files: string[]): TestCase[] {
  // Deno says ./tests/a.test.ts, Bun tests/a.test.ts; Node gives the whole path.
  const pathOf = (head: string): string =>
    relative(project, resolve(project, attribute(head, "file") ?? attribute(head, "classname")!));
  return [...xml.matchAll(/<testcase((?:\s[\w:-]+="[^"]*")*)\s*(?:\/>|>([^]*?)<\/testcase>)/g)]
    .map(([, head, body = ""]): TestCase => {
      const skipped = /<skipped(?:\s[^>]*?message="([^"]*)")?/.exec(body);
      return {
        name: unescape(attribute(head!, "name") ?? ""),
        file: pathOf(head!),
        result: /<(failure|error)\b/.test(body) ? "failed" : skipped ? "skipped" : "passed",
        reason: skipped?.[1] === undefined || skipped[1] === "true"
          ? undefined
          : unescape(skipped[1]),
      };
    })
    // Node reports a file that has no tests, or that ended before they had, as a test that passed.
    .filter(({ name, result }) =>
      result !== "passed" || !files.some((file) => name.endsWith(file))
    );
}

function attribute(head: string, name: string): string | undefined {
  return new RegExp(`\\s${name}="([^"]*)"`).exec(head)?.[1];
}

function unescape(text: string): string {
  const named: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(\w+);/g, (whole, name) => named[name] ?? whole);
}

/** A file's text; empty if there is none. */
async function textOf(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Shows the outcomes; returns whether all is well. */
function report(outcomes: Outcome[]): boolean {
  const rows = outcomes.map((outcome) => {
    const count = (result: TestCase["result"]): number =>
      outcome.tests.filter((test) => test.result === result).length;
    const failed = count("failed") || (outcome.problem === "" ? 0 : 1);
    return { ...outcome, passed: count("passed"), failed, skipped: count("skipped") };
  });
  const line = (cells: string[]): string =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(8) : cell.padStart(9)).join("");
  console.log("\n" + line(["", "passed", "failed", "skipped", "seconds"]));
  for (const { runtime, passed, failed, skipped, seconds } of rows) {
    console.log(line([runtime, ...[passed, failed, skipped].map(String), seconds.toFixed(1)]));
  }
  console.log();
  for (const skip of skips(outcomes)) console.log(skip);
  for (const { runtime, problem } of rows) {
    if (problem !== "") console.log(`${runtime}: ${problem}`);
  }

  const sum = (key: "passed" | "failed" | "skipped"): number =>
    rows.reduce((sum, row) => sum + row[key], 0);
  const skipped = sum("skipped") === 0 ? "" : `, ${sum("skipped")} skipped`;
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed${skipped}`);
  return sum("failed") === 0;
}

/** Why tests were skipped; where no runtime says why, which ones. */
function skips(outcomes: Outcome[]): string[] {
  const tests = outcomes.flatMap(({ tests }) => tests.filter(({ result }) => result === "skipped"));
  const reasons = new Map(
    tests.map(({ name, reason }) => [name, reason] as const)
      .filter(([, reason]) => reason !== undefined),
  );
  const others = outcomes.flatMap(({ tests }) =>
    tests.filter(({ result }) => result !== "skipped")
  );
  const elsewhere = new Set(others.map(({ name }) => name));
  const counts = new Map<string, Map<Runtime, number>>();
  for (const { runtime, tests } of outcomes) {
    for (const { name, result } of tests) {
      if (result !== "skipped") continue;
      const unknown = elsewhere.has(name)
        ? "run on another runtime in this run"
        : `no reason reported for "${name}"`;
      const why = reasons.get(name) ?? unknown;
      const count = counts.get(why) ?? new Map();
      counts.set(why, count.set(runtime, (count.get(runtime) ?? 0) + 1));
    }
  }
  return [...counts].map(([why, count]) =>
    `skipped: ${why} (${[...count].map(([runtime, times]) => `${runtime} ${times}`).join(", ")})`
  );
}
