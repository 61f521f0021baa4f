/**
 * Sorts the lines of text files, each in place: Untorn beside `@std/path`, `@std/cli` and `@std/assert`.
 *
 *     deno run --allow-read=DIR --allow-write=DIR examples/with_std.ts [--unique] DIR/FILE…
 *     bun examples/with_std.ts [--unique] DIR/FILE…
 *     node examples/with_std.ts [--unique] DIR/FILE…
 *
 * Deno knows the three names by `deno.json`. For Bun and Node, `npx jsr add @std/path @std/cli
 * @std/assert` installs them.
 *
 * It rests on `updateFile`: an assertion that fails in the function keeps the file as it is, and what
 * another process that sorts or adds by `updateFile` has written is not lost.
 */

import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli";
import { basename, resolve } from "@std/path";
import process from "node:process";
import { updateFile } from "../mod.ts";

/** The lines in order; with `unique`, each of them once. */
function sorted(lines: string[], unique: boolean): string[] {
  const order = new Intl.Collator("en", { numeric: true });
  return [...unique ? new Set(lines) : lines].sort(order.compare);
}

/** The text with its lines in order. One that does not end with a newline gets one. */
function sortedText(text: string, unique: boolean): string {
  const lines = text.replace(/\n$/, "").split("\n");
  const result = sorted(lines, unique);
  // Before anything is written: no line is made up, and none is lost.
  assertEquals(new Set(result), new Set(lines));
  if (!unique) assertEquals(result.length, lines.length);
  return result.map((line) => `${line}\n`).join("");
}

async function sortFile(path: string, unique: boolean): Promise<boolean> {
  const { changed } = await updateFile(path, (bytes) => {
    if (bytes === undefined) throw new Error("there is no such file");
    // What is no UTF-8 would come back as something else.
    return sortedText(new TextDecoder("utf-8", { fatal: true }).decode(bytes), unique);
  });
  return changed;
}

const { _: files, unique } = parseArgs(process.argv.slice(2), {
  boolean: ["unique"],
  string: ["_"],
});
if (files.length === 0) {
  console.error("with_std: say which files");
  process.exitCode = 1;
}
for (const file of files) {
  try {
    const changed = await sortFile(resolve(String(file)), unique);
    console.log(`${basename(String(file))}: ${changed ? "sorted" : "was in order"}`);
  } catch (error) {
    console.error(`with_std: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
