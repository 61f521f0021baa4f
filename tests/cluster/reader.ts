/**
 * reader.ts FILE STOP: reads the file of `tests/fixtures/writer.ts` until STOP exists; prints as JSON how often, how many
 * versions it saw, of which it got another length (and for how long, in ms), what else was torn, which errors it met,
 * and how often the file was not listed then.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";

const [file, stop] = process.argv.slice(2) as [string, string];
let [reads, missing] = [0, 0];
const versions = new Set<string>();
const lengths: Record<string, { since: number; ms: number }> = {};
const torn = new Set<string>();
const errors: Record<string, number> = {};
console.log("reading");
while (!existsSync(stop)) {
  try {
    // Node would end where closing fails, if it read text (ReadFileUtf8 in its src/node_file.cc, 26.10).
    const text = String(readFileSync(file));
    reads++;
    const [version, length] = text.split("\n") as [string, string];
    versions.add(version);
    const whole = `${version}\n${length}\n`.padEnd(Number(length), `${version},`);
    if (text === whole) continue;
    const what = `${text.length} of ${length} bytes of ${version}`;
    const full = text.length > whole.length ? whole.padEnd(text.length, "\0") : whole;
    if (!full.startsWith(text)) torn.add(what);
    const { since } = lengths[what] ??= { since: performance.now(), ms: 0 };
    lengths[what] = { since, ms: Math.round(performance.now() - since) };
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    // Neither Node nor Deno's `node:fs` has its name.
    const isStale = code === "UNKNOWN" || /system error -116/.test(message);
    const name = isStale ? "ESTALE" : code;
    errors[name] = (errors[name] ?? 0) + 1;
    // What it remembers is renewed by a listing (docs/guarantees.md).
    if (!readdirSync(dirname(file)).includes(basename(file))) missing++;
  }
}
console.log(
  JSON.stringify({ reads, versions: versions.size, lengths, torn: [...torn], missing, errors }),
);
