/** Colours, used on a terminal only, and not if NO_COLOR (https://no-color.org) is set. */

import type { Host } from "./host.ts";

/** The SGR parameters of the terminal's own colours (ECMA-48, 8.3.117). */
const COLORS = { red: 31, green: 32, yellow: 33 } as const;

/** Returns a text in a colour. */
export function color(
  host: Host,
  stream: "stdout" | "stderr",
  name: keyof typeof COLORS,
  text: string,
): string {
  return host.noColor() || !host.isTerminal(stream) ? text : `\x1b[${COLORS[name]}m${text}\x1b[m`;
}
