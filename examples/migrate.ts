/**
 * A migration: a folder of notes in format 1 becomes one in format 2, all of it or nothing.
 *
 *     deno run --allow-read=DIR --allow-write=DIR examples/migrate.ts DIR/notes
 *     bun examples/migrate.ts DIR/notes
 *     node examples/migrate.ts DIR/notes
 *
 *     1   format.json: {"format": 1}, and in each other NAME.json {"title", "date", "tags": "a, b"}
 *     2   {"format": 2}, {"title", "created": a time, "tags": ["a", "b"]}, and tags.json, the names
 *         of the notes by tag
 *
 * It rests on `transaction`: after a crash or a power cut, all of it is there or nothing, once the next
 * transaction or a `cleanup` of the folder has run. Run again, it does nothing; a fault in one note
 * leaves all as it was, and is told with the note's name.
 */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { type Transaction, transaction, type UntornError } from "../mod.ts";

interface NewNote {
  title: string;
  created: string;
  tags: string[];
}

async function readJson(dir: string, name: string): Promise<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(join(dir, name), "utf8"));
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== "object" || value === null) throw new Error(`${name}: it is no JSON object`);
  return value as Record<string, unknown>;
}

/** A note in the new format. What it has besides is none of this migration's business, and stays. */
function migrated(name: string, note: Record<string, unknown>): NewNote {
  const { title, date, tags = "", ...others } = note;
  if (typeof title !== "string") throw new Error(`${name}: "title" is no text`);
  if (typeof date !== "string" || Number.isNaN(Date.parse(date))) {
    throw new Error(`${name}: "date" is no date`);
  }
  if (typeof tags !== "string") throw new Error(`${name}: "tags" is no text`);
  if ("created" in others) throw new Error(`${name}: it has "created" already`);
  return {
    ...others,
    title,
    created: new Date(date).toISOString(),
    tags: tags.split(",").map((tag) => tag.trim()).filter((tag) => tag !== ""),
  };
}

/** Stages the changes; returns how many notes there are, or nothing if they have the new format. */
async function migrate(dir: string, tx: Transaction): Promise<number | undefined> {
  // Read in the transaction, under its lock: of two migrations at once, the second finds format 2.
  const { format } = await readJson(dir, "format.json");
  if (format === 2) return undefined;
  if (format !== 1) throw new Error(`format.json: format ${format} is unknown`);
  const names = (await readdir(dir)).filter((name) => /^[^.].*\.json$/.test(name)).sort();
  if (names.includes("tags.json")) throw new Error("tags.json: a note must not be called that");
  const notes = names.filter((name) => name !== "format.json");
  const byTag = new Map<string, string[]>();
  for (const name of notes) {
    const note = migrated(name, await readJson(dir, name));
    for (const tag of note.tags) byTag.set(tag, [...byTag.get(tag) ?? [], name]);
    await tx.writeJson(name, note);
  }
  await tx.writeJson("tags.json", Object.fromEntries(byTag));
  await tx.writeJson("format.json", { format: 2 });
  return notes.length;
}

async function main([dir]: string[]): Promise<string> {
  if (dir === undefined) throw new TypeError("say which folder");
  let count: number | undefined;
  await transaction(dir, async (tx) => {
    count = await migrate(dir, tx);
  });
  return count === undefined ? "nothing to do" : `${count} notes are in format 2 now`;
}

try {
  console.log(await main(process.argv.slice(2)));
} catch (error) {
  const { message, outcome } = error as UntornError;
  console.error(`migrate: ${message}`);
  process.exitCode = outcome === "replaced" || outcome === "unknown" ? 2 : 1;
}
