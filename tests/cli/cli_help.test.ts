/** What the command line shows to a user: help, completions, JSON, the progress line, colours. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { COMMANDS } from "../../lib/cli/registry.ts";
import { helpOf } from "../../lib/cli/shared/help.ts";
import { assert, assertEquals, assertMatch } from "../helpers/assert.ts";
import { type Ended, programCommand, run } from "../helpers/runtime.ts";
import { shared } from "../helpers/share.ts";
import { inTemp } from "../helpers/temp.ts";

function untorn(args: string[], cwd: string, input = ""): Promise<Ended> {
  return run(programCommand("cli.ts", args), input, { cwd });
}

function has(program: string): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}

/** Runs a shell's command line on a terminal; what it showed there is the output. */
function onTerminal(
  script: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const line = [script, "sh", ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(
    " ",
  );
  return run(["script", "-qec", `sh -c ${line}`, "/dev/null"], "", {
    env: { ...process.env, NO_COLOR: "", ...env },
  });
}

const hasTerminal = {
  skip: has("script") ? false : "there is no program called script (util-linux)",
};

test("each command has a help of 80 columns, with an example of itself", async () => {
  for (const { name, load } of COMMANDS) {
    const command = await load();
    const help = helpOf(command);
    assertEquals(command.name, name);
    assertMatch(help, new RegExp(`^Usage: untorn ${name}`));
    assertMatch(help, new RegExp(`\n\nExample:\n  .*\\buntorn ${name} [^]*\n$`));
    assertMatch(help, /\n {2}--json .*\n/);
    assertMatch(help, /\n\nWith --json: .*/);
    for (const line of help.split("\n")) assert(line.length <= 80, line);
  }
});

test("each summary and each line of the overview fits into 80 columns, and starts with a verb", async () => {
  const { stdout } = await untorn(["--help"], ".");
  for (const { name, summary } of COMMANDS) {
    assert(stdout.includes(`\n  ${name.padEnd(11)}  ${summary}\n`), name);
    assertMatch(summary, /^[A-Z][a-z]+ .*[^.]$/);
    assert(!/^\w+s /.test(summary), summary);
  }
  for (const line of stdout.split("\n")) assert(line.length <= 80, line);
});

/** Finds the options that a help lists, in all their forms, and whether they take a value. */
function listedIn(help: string): { flags: string[]; hasValue: boolean }[] {
  const block = /\n\nOptions:\n([^]*?)\n\n/.exec(help)![1]!;
  return [...block.matchAll(/^ {2}(?:(-\w), )?(--[\w-]+)( [A-Z]+)? {2,}\S/gm)]
    .map(([, short, long, value]) => ({
      flags: short === undefined ? [long!] : [short, long!],
      hasValue: value !== undefined,
    }));
}

test(
  "the help lists the options that the command takes, and no others",
  shared(0),
  inTemp(async (dir) => {
    for (const { name, load } of COMMANDS) {
      const command = await load();
      const listed = listedIn(helpOf(command));
      assert(listed.length >= 3, name);
      const inTable = Object.entries(command.options).map(([name, { short, value }]) => ({
        flags: short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`],
        hasValue: value !== undefined,
      }));
      assertEquals(listed, inTable, name);
      const typed = listed.filter(({ flags }) => !flags.includes("--help"))
        .flatMap(({ flags, hasValue }) => flags.flatMap((flag) => hasValue ? [flag, "1"] : [flag]));
      // Two arguments are one too many, so nothing is done.
      const { code, stderr } = await untorn([name, "no", "such", ...typed], dir);
      assertEquals(code, 2, stderr);
      const expected = name === "permissions"
        ? /no command "no"/
        : /only one [A-Z]+.*not also such/;
      assertMatch(stderr, expected, name);
      if (name === "permissions") continue;
      const { stderr: unknown } = await untorn([name, "no", "--such"], dir);
      assertMatch(unknown, /^untorn: Unknown option '--such'/);
    }
  }),
);

test(
  "with --json each command prints the fields that its help lists",
  shared(1),
  inTemp(async (dir) => {
    for (const name of ["site", "src"]) mkdirSync(join(dir, name));
    writeFileSync(join(dir, "src/a"), "a");
    for (const name of ["a", "old"]) writeFileSync(join(dir, name), "");
    const steps = [{ write: "w", content: "" }, { persist: "p", from: "src" }, {
      rename: "a",
      to: "b",
    }];
    writeFileSync(join(dir, "plan.json"), JSON.stringify({ root: ".", steps }));
    const report = "path restored removed rolledForward quarantined skipped failed";
    const calls: Record<string, [args: string[], fields: string]> = {
      write: [["file"], "path bytes changed durability"],
      persist: [
        ["site", "--from", "src", "--keep", "2"],
        "path swap written carried rescued durability warnings",
      ],
      cleanup: [["."], report],
      status: [["."], report],
      remove: [["old"], "path removed durability warnings"],
      history: [["site"], "path versions"],
      rollback: [["site"], "path version kept swap durability warnings"],
      apply: [["plan.json"], "path changes durability warnings"],
      lock: [["site", "--", "true"], "path code"],
      doctor: [
        ["site"],
        "path fileSystem shared exchange hardLinks reflinks directorySync syncFs locks durable reasons selfTest ok",
      ],
      permissions: [["write", "file"], "command flags optional"],
      completions: [["bash"], "shell script"],
    };
    for (const { name, load } of COMMANDS) {
      const [args, fields] = calls[name]!;
      const { code, stdout, stderr } = await untorn([name, "--json", ...args], dir);
      assertEquals(code, 0, `${name}: ${stderr}`);
      assertEquals(stdout.split("\n").length, 2, `${name}: not one line`);
      assertEquals(Object.keys(JSON.parse(stdout)).sort(), fields.split(" ").sort(), name);
      const { json } = await load();
      for (const field of fields.split(" ")) assertMatch(json, new RegExp(`\\b${field}\\b`), name);
    }
    assertEquals(Object.keys(JSON.parse((await untorn(["--version", "--json"], dir)).stdout)), [
      "version",
    ]);
  }),
);

const typed: [words: string[], completed: string[]][] = [
  [["wri"], ["write"]],
  [["write", "--no-e"], ["--no-empty"]],
  [["write", "--durability", ""], ["full", "file", "none"]],
  [["persist", "site", "--swap", "ex"], ["exchange"]],
  [["permissions", "persist", "--fr"], ["--from"]],
  [["completions", "f"], ["fish"]],
  [["help", "sta"], ["status"]],
];

const hasBash = { skip: has("bash") ? false : "bash is not here" };

/** Returns a function that completes words as bash does. */
async function bash(): Promise<(words: string[]) => Promise<string[]>> {
  const { stdout: script } = await untorn(["completions", "bash"], ".");
  const body = `${script}
COMP_WORDS=(untorn "$@"); COMP_CWORD=$#
_untorn; printf '%s\n' "\${COMPREPLY[@]}"`;
  return async (words) => {
    const { stdout, stderr } = await run(["bash", "-c", body, "bash", ...words]);
    assertEquals(stderr, "", words.join(" "));
    return stdout.trimEnd().split("\n");
  };
}

test("bash completes commands, options and their values", hasBash, async () => {
  const complete = await bash();
  for (const [words, completed] of typed) {
    assertEquals(await complete(words), completed, words.join(" "));
  }
});

test("bash completes the options that the help lists, and no others", hasBash, async () => {
  const complete = await bash();
  for (const { name, load } of COMMANDS) {
    const all = listedIn(helpOf(await load())).flatMap(({ flags }) => flags);
    assertEquals(await complete([name, "-"]), all, name);
  }
});

test(
  "fish completes the same",
  { skip: has("fish") ? false : "fish is not here" },
  inTemp(async (dir) => {
    const { stdout: script } = await untorn(["completions", "fish"], dir);
    for (const [words, completed] of typed) {
      const body = `${script}\ncomplete -C 'untorn ${words.join(" ")}'`;
      const { stdout, stderr } = await run(["fish", "--no-config", "-c", body], "", { cwd: dir });
      const found = stdout.trimEnd().split("\n").map((line) => line.split("\t")[0]!);
      assertEquals([stderr, found], ["", completed.toSorted()], words.join(" "));
    }
  }),
);

test(
  "zsh takes its script",
  { skip: has("zsh") ? false : "zsh is not here" },
  inTemp(async (dir) => {
    const { stdout: script } = await untorn(["completions", "zsh"], dir);
    writeFileSync(join(dir, "_untorn"), script);
    assertEquals((await run(["zsh", "-n", join(dir, "_untorn")])).stderr, "");
  }),
);

test("untorn completions refuses another shell", async () => {
  const { code, stderr } = await untorn(["completions", "tcsh"], ".");
  assertEquals([code, /bash, zsh, fish/.test(stderr)], [2, true], stderr);
});

// Long enough for a program that is slow to start.
const slow = "{ echo one; sleep 2.5; echo two; }";

test(
  "on a terminal, work of over a second shows how far it is, and takes that away again",
  hasTerminal,
  inTemp(async (dir) => {
    const shown = async (script: string, file: string): Promise<string> => {
      const write = programCommand("cli.ts", ["write", join(dir, file)]);
      return (await onTerminal(script, write)).stdout.replaceAll("\x1b", "ESC");
    };
    const [line, ...others] = await Promise.all([
      shown(`${slow} | "$@"`, "one"),
      shown(`${slow} | "$@" --quiet`, "two"),
      shown(`${slow} | "$@" 2>&1 | cat`, "three"),
      shown('echo one | "$@"', "four"),
    ]);
    assertMatch(line, /^\rESC\[Kuntorn: 8 B, \d B\/s\rESC\[K$/);
    assertEquals(others, ["", "", ""]);
  }),
);

test(
  "an error is red on a terminal, unless NO_COLOR is set",
  hasTerminal,
  async () => {
    const write = programCommand("cli.ts", ["write"]);
    const text = "FILE is missing; see untorn write --help";
    const coloured = await onTerminal('"$@"', write);
    assertEquals(coloured.stdout, `\x1b[31muntorn:\x1b[m ${text}\r\n`);
    assertEquals(
      (await onTerminal('"$@"', write, { NO_COLOR: "1" })).stdout,
      `untorn: ${text}\r\n`,
    );
    assertEquals((await onTerminal('"$@" 2>&1 | cat', write)).stdout, `untorn: ${text}\r\n`);
  },
);
