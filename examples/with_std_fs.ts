/**
 * Mirrors a folder into a directory: Untorn beside `@std/fs` and `@std/path`.
 *
 *     deno run --allow-read=FROM,OUT --allow-write=OUT examples/with_std_fs.ts FROM OUT/mirror
 *     bun examples/with_std_fs.ts FROM OUT/mirror
 *     node examples/with_std_fs.ts FROM OUT/mirror
 *
 * Deno knows the names by `deno.json`. For Bun and Node, `npx jsr add @std/fs @std/path` installs them.
 *
 * It rests on `persistDir`: whoever comes to the mirror finds all that one run has copied, also while
 * the next one is under way, and a file that can't be read leaves the mirror as it was. What is gone
 * from the folder goes from the mirror. Files are copied as streams, in constant memory; their modes,
 * links and empty directories are not taken over (`untorn persist --from` does that).
 */

import { walk } from "@std/fs";
import { relative } from "@std/path";
import { createReadStream } from "node:fs";
import process from "node:process";
import { persistDir } from "../mod.ts";

/** A file's bytes; it is opened when they are asked for, and closed after. */
async function* bytesOf(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path);
}

/** Every file of a folder, by its relative path; what is no file, nor a folder, is left out. */
async function* filesOf(from: string): AsyncGenerator<[string, AsyncIterable<Uint8Array>]> {
  for await (const { path, isFile } of walk(from, { includeDirs: false })) {
    if (isFile) yield [relative(from, path).replaceAll("\\", "/"), bytesOf(path)];
  }
}

async function main([from, to]: string[]): Promise<string> {
  if (from === undefined || to === undefined) throw new TypeError("say FROM and TO");
  const { written, swap } = await persistDir(to, filesOf(from), { carryOver: false });
  return `${written} files (${swap})`;
}

try {
  console.log(await main(process.argv.slice(2)));
} catch (error) {
  console.error(`with_std_fs: ${(error as Error).message}`);
  process.exitCode = 1;
}
