/**
 * victim.ts OPERATION DIR FROM ACKS: generation after generation from number FROM on, by turns synchronous and
 * asynchronous; adds the number of each to ACKS when it is done.
 */

import { appendFileSync } from "node:fs";
import { systemCalls } from "../../lib/os/system.ts";
import { runAsync, runSync } from "../../lib/core/steps.ts";
import { operations } from "../helpers/operations.ts";

const [name, dir, from, acks] = process.argv.slice(2) as [string, string, string, string];
const { change } = operations[name]!;
const { sync, async } = systemCalls();
for (let generation = Number(from);; generation++) {
  if (generation % 2 === 0) runSync(change(sync, dir, generation, "none"));
  else await runAsync(change(async, dir, generation, "none"));
  appendFileSync(acks, `${generation}\n`);
}
