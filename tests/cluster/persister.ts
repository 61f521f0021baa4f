/**
 * persister.ts ROOT SWAP FROM COUNT ACKS: persists ROOT/site, so many versions from number FROM on; adds to ACKS what each
 * came to: its number if it was acknowledged, or its number, the error's code, outcome and message.
 */

import { appendFileSync } from "node:fs";
import { type DirOptions, persistDir, type UntornError } from "../../mod.ts";

const [root, swap, from, count, acks] = process.argv.slice(2) as [
  string,
  DirOptions["swap"],
  string,
  string,
  string,
];
for (let number = Number(from); number < Number(from) + Number(count); number++) {
  const text = `${number}`;
  try {
    await persistDir(`${root}/site`, { left: text, "sub/middle": text, right: text }, {
      swap,
      carryOver: (path) => path === "own",
    });
    appendFileSync(acks, `${number}\n`);
    // Readers of what is replaced in place need a time between.
    if (swap === "journal") await new Promise((resolve) => setTimeout(resolve, 500));
  } catch (error) {
    const { name, code, outcome, message } = error as UntornError;
    if (name !== "UntornError") throw error;
    appendFileSync(acks, `${number} ${code} ${outcome} ${message}\n`);
  }
}
