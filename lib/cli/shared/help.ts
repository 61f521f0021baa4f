/** The help of a command, made of its table of options. */

import type { Command } from "./command.ts";
import type { Option } from "./options.ts";

/** The column at which descriptions of options start. */
const INDENT = 24;

/** Returns the whole help, at most 80 columns wide. */
export function helpOf({ name, usage, about, options, json, examples }: Command): string {
  const forms = usage.map((form) => `untorn ${name} ${form}`).join("\n       ");
  const lines = Object.entries(options).flatMap(([name, option]) => optionLines(name, option));
  return `Usage: ${forms}

${about}

Options:
${lines.join("\n")}

${wrap(`With --json: ${json}`, 0)}

Example:
${examples.map((example) => `  ${example}\n`).join("")}`;
}

function optionLines(name: string, { short, value, words = {}, help }: Option): string[] {
  const flags = `${short === undefined ? "" : `-${short}, `}--${name}`;
  const first = `  ${value === undefined ? flags : `${flags} ${value}`}`;
  const texts = Object.entries(words).map(([word, meaning]) => `${word}: ${meaning}`);
  return [help, ...texts].map((text, i) =>
    (i === 0 ? first : "").padEnd(INDENT) + wrap(text, INDENT)
  );
}

/** Breaks a text between words to fit into 80 columns, and indents all lines but the first. */
export function wrap(text: string, indent: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (indent + line.length + 1 + word.length <= 80) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines.join("\n" + " ".repeat(indent));
}
