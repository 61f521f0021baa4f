/**
 * `untorn completions`: scripts that complete what is typed, for three shells. They are made of the
 * helps, so that each option that is documented is completed, and none besides.
 */

import {
  type Call,
  type Command,
  COMMON,
  COMMON_HELP,
  type Context,
  type Entry,
  onlyArgument,
  parseArgs,
  UsageError,
} from "../shared/command.ts";
import { bashScript, type Described, fishScript, type Option, zshScript } from "./shells.ts";

/** The command. */
export const completions: Command = {
  name: "completions",
  help: `Usage: untorn completions bash|zsh|fish [OPTIONS]

Prints a script that completes the commands and options of untorn. It belongs in

  bash:  ~/.local/share/bash-completion/completions/untorn
  zsh:   _untorn, in a directory of $fpath
  fish:  ~/.config/fish/completions/untorn.fish

Options:
${COMMON_HELP}

With --json: shell, script.

Example:
  source <(untorn completions bash)
`,
  prepare: prepareCompletions,
};

const SHELLS: Readonly<Record<string, (commands: Described[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** What values of these names are one of, as far as an option's help mentions it. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  LEVEL: ["full", "file", "none"],
  HOW: ["auto", "exchange", "rename", "journal"],
};

function prepareCompletions(args: string[], { host, commands }: Context): Call {
  const { values, positionals } = parseArgs({ args, options: COMMON, allowPositionals: true });
  const shell = onlyArgument("SHELL", positionals);
  if (!Object.hasOwn(SHELLS, shell)) {
    throw new UsageError(
      `there is no script for ${shell}, but for ${Object.keys(SHELLS).join(", ")}`,
    );
  }
  return async () => {
    const script = SHELLS[shell]!(
      await Promise.all(commands.map(async (entry) => ({
        name: entry.name,
        summary: entry.summary,
        options: optionsOf((await entry.load()).help),
        words: wordsOf(entry.name, commands),
      }))),
    );
    const json = JSON.stringify({ shell, script }) + "\n";
    await host.print("stdout", values.json ? json : script);
    return 0;
  };
}

function wordsOf(command: string, commands: readonly Entry[]): string[] {
  if (command === "completions") return Object.keys(SHELLS);
  return command === "permissions" ? commands.map(({ name }) => name) : [];
}

/** The options that a help lists. */
export function optionsOf(help: string): Option[] {
  // An option's own line, and those that are indented as far as its text.
  const blocks = help.matchAll(
    /^ {2}(?:-(\w), )?--([\w-]+)(?: ([A-Z]+))? {2,}(.+(?:\n {20,}.*)*)/gm,
  );
  return [...blocks].map(([, short, name, value, text]) => ({
    name: name!,
    short,
    value,
    words: (WORDS[value ?? ""] ?? []).filter((word) => new RegExp(`\\b${word}\\b`).test(text!)),
    // Its first line, without a parenthesis that goes on in the next.
    text: text!.split("\n")[0]!.replace(/ \([^)]*$/, ""),
  }));
}
