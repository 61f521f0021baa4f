/** Colours: on a terminal alone, and only where NO_COLOR (https://no-color.org) is not set. */

import type { Host } from "./host.ts";

/** SGR parameters (ECMA-48, 8.3.117) of the terminal's own colours. */
const COLOURS = { red: 31, green: 32, yellow: 33 } as const;

/** A text in a colour. */
export function paint(
  host: Host,
  stream: "stdout" | "stderr",
  colour: keyof typeof COLOURS,
  text: string,
): string {
  return host.noColor() || !host.isTerminal(stream)
    ? text
    : `\x1b[${COLOURS[colour]}m${text}\x1b[m`;
}
