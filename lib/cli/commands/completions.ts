/**
 * `untorn completions`: prints shell completions. They are made of the tables of options, so they offer
 * exactly the options that the commands take.
 */

import { type Call, type Command, type Context, type Entry, printJson } from "../shared/command.ts";
import { COMMON, parse, UsageError } from "../shared/options.ts";
import { bashScript, type Described, fishScript, zshScript } from "./shells.ts";

/** The command. */
export const completions: Command = {
  name: "completions",
  usage: ["bash|zsh|fish [OPTIONS]"],
  about: `Prints a script that completes the commands and options of untorn. Save it as

  bash:  ~/.local/share/bash-completion/completions/untorn
  zsh:   _untorn, in a directory of $fpath
  fish:  ~/.config/fish/completions/untorn.fish`,
  options: COMMON,
  json: "shell, script.",
  examples: ["source <(untorn completions bash)"],
  prepare: prepareCompletions,
};

const SHELLS: Readonly<Record<string, (commands: Described[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

function prepareCompletions(args: string[], { host, commands }: Context): Call {
  const { path: shell, values } = parse(COMMON, "SHELL", args);
  if (!Object.hasOwn(SHELLS, shell)) {
    const known = Object.keys(SHELLS);
    throw new UsageError(`SHELL must be one of ${known.join(", ")}, not "${shell}"`);
  }
  return async () => {
    const described = commands.map(async ({ name, summary, load }) => {
      const { options } = await load();
      return { name, summary, options: optionsOf(options), words: wordsOf(name, commands) };
    });
    const script = SHELLS[shell]!(await Promise.all(described));
    if (values.json) await printJson(host, { shell, script });
    else await host.print("stdout", script);
  };
}

/** Returns the words that the argument of a command is one of, or none if it is a path. */
function wordsOf(command: string, commands: readonly Entry[]): string[] {
  if (command === "completions") return Object.keys(SHELLS);
  return command === "permissions" ? commands.map(({ name }) => name) : [];
}

function optionsOf(table: Command["options"]): Described["options"] {
  return Object.entries(table).map(([name, { short, value, words = {}, help }]) => ({
    flags: short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`],
    hasValue: value !== undefined,
    words: Object.keys(words),
    text: help.split(/;| \(/)[0]!,
  }));
}
