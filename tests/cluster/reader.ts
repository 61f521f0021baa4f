/**
 * reader.ts FILE STOP: reads the file of `tests/fixtures/writer.ts` until STOP exists; prints as JSON how often, how many
 * versions it saw, what was torn, and which errors it met.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

const [file, stop] = process.argv.slice(2) as [string, string];
let reads = 0;
const versions = new Set<string>();
const torn: string[] = [];
const errors: Record<string, number> = {};
console.log("reading");
while (!existsSync(stop)) {
  try {
    const text = readFileSync(file, "utf8");
    reads++;
    const [version, length] = text.split("\n") as [string, string];
    versions.add(version);
    const whole = `${version}\n${length}\n`.padEnd(Number(length), `${version},`);
    if (text !== whole) torn.push(`${text.length} of ${length} bytes of ${version}`);
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    // Neither Node nor Deno's `node:fs` has its name.
    const isStale = code === "UNKNOWN" || /system error -116/.test(message);
    const name = isStale ? "ESTALE" : code;
    errors[name] = (errors[name] ?? 0) + 1;
    // Which lets the kernel forget what it remembers (docs/guarantees.md).
    if (name === "ESTALE") readdirSync(dirname(file));
  }
}
console.log(JSON.stringify({ reads, versions: versions.size, torn, errors }));
