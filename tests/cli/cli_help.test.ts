/** What the command line tells a user: helps, completions, JSON, the progress line, colours. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { COMMANDS } from "../../lib/cli/registry.ts";
import { optionsOf } from "../../lib/cli/commands/completions.ts";
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
    assertEquals(command.name, name);
    assertMatch(command.help, new RegExp(`^Usage: untorn ${name}`));
    assertMatch(command.help, new RegExp(`\n\nExample:\n  .*\\buntorn ${name} [^]*\n$`));
    assertMatch(command.help, /\n {2}--json .*\n/);
    assertMatch(command.help, /\n\nWith --json: .*/);
    for (const line of command.help.split("\n")) assert(line.length <= 80, line);
  }
});

test(
  "each option that a help lists is taken",
  shared(0),
  inTemp(async (dir) => {
    for (const { name, load } of COMMANDS) {
      const help = (await load()).help;
      const options = optionsOf(help).filter(({ name }) => name !== "help");
      assert(options.length >= 2, name);
      const typed = options.flatMap(({ name, value }) =>
        value === undefined ? [`--${name}`] : [`--${name}`, "1"]
      );
      // An argument too many, so that nothing is done.
      const { code, stderr } = await untorn([name, "no", "such", "--quiet", ...typed], dir);
      assertEquals(code, 2, stderr);
      assert(!/unknown option/i.test(stderr), `${name}: ${stderr}`);
    }
  }),
);

test(
  "with --json each command prints the fields that its help tells",
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
    const report = "path restored removed rolledForward quarantined kept failed";
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
      const told = /With --json: ([^]*?)\n\n/.exec((await load()).help)![1]!;
      if (told === 'as "untorn cleanup".') continue;
      for (const field of fields.split(" ")) assertMatch(told, new RegExp(`\\b${field}\\b`), name);
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

test(
  "bash completes commands, options and their values",
  { skip: has("bash") ? false : "bash is not here" },
  async () => {
    const { stdout: script } = await untorn(["completions", "bash"], ".");
    const body = `${script}
COMP_WORDS=(untorn "$@"); COMP_CWORD=$#
_untorn; printf '%s\n' "\${COMPREPLY[@]}"`;
    for (const [words, completed] of typed) {
      const { stdout, stderr } = await run(["bash", "-c", body, "bash", ...words]);
      assertEquals([stderr, stdout.trimEnd().split("\n")], ["", completed], words.join(" "));
    }
  },
);

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
