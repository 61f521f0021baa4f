/** looker.ts FILE STOP: opens a file by its path until STOP exists; prints how often, and for how long, it was missing. */

import { existsSync, readFileSync } from "node:fs";

const [file, stop] = process.argv.slice(2) as [string, string];
let [looks, missing, windows, longest, since] = [0, 0, 0, 0, 0];
while (!existsSync(stop)) {
  looks++;
  try {
    readFileSync(file);
    since = 0;
  } catch {
    missing++;
    if (since === 0) {
      windows++;
      since = performance.now();
    }
    longest = Math.max(longest, performance.now() - since);
  }
}
console.log(
  `by path: missing in ${missing} of ${looks} looks, ${windows} windows, ${
    longest.toFixed(1)
  } ms at most`,
);
