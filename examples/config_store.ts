/**
 * A program's settings in one JSON file, typed, for several processes at a time.
 *
 *     deno run --allow-read=DIR --allow-write=DIR examples/config_store.ts DIR/config.json COMMAND
 *     bun examples/config_store.ts DIR/config.json COMMAND
 *     node examples/config_store.ts DIR/config.json COMMAND
 *
 *     get KEY          set KEY VALUE          add KEY NUMBER
 *
 * It rests on `updateJson`: an update sees what the one before wrote, so that the changes of several
 * processes add up. A file that is broken, or that a check refuses, is told and stays as it is. No one
 * but its owner can read it at any moment, not even while it is written (`mode`).
 */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { updateJson } from "../mod.ts";

/** Every setting, with the value that it has until somebody sets it. */
const defaults = { port: 8080, theme: "light", visits: 0 };

type Config = typeof defaults;
type Key = keyof Config;

/** What the file holds: only what was set, so that a later release can have other defaults. */
type Stored = Partial<Config>;

/** One setting, or its default. A reader needs no lock: the file is the old or the new one, whole. */
export async function get<K extends Key>(file: string, key: K): Promise<Config[K]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return defaults[key];
    throw error;
  }
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`cannot read "${file}": ${(error as Error).message}`, { cause: error });
  }
  return checked(found)[key] ?? defaults[key];
}

/** Changes one setting to what the function makes of its value, and returns that. */
export async function set<K extends Key>(
  file: string,
  key: K,
  change: (value: Config[K]) => Config[K],
): Promise<Config[K]> {
  let value = defaults[key];
  await updateJson(file, (found = {}) => {
    const stored = checked(found);
    value = change(stored[key] ?? defaults[key]);
    return { ...stored, [key]: value };
  }, { mode: 0o600 });
  return value;
}

/** What was read, if it has the right types. Settings that only another release knows are kept. */
function checked(found: unknown): Stored {
  if (typeof found !== "object" || found === null || Array.isArray(found)) {
    throw new TypeError("the settings are no JSON object");
  }
  for (const [key, value] of Object.entries(found)) {
    if (isKey(key) && typeof value !== typeof defaults[key]) {
      throw new TypeError(`the setting "${key}" is no ${typeof defaults[key]}`);
    }
  }
  return found;
}

function isKey(key: string | undefined): key is Key {
  return key !== undefined && Object.hasOwn(defaults, key);
}

/** A value from the command line, of the type that the setting has. */
function parsed<K extends Key>(key: K, text: string): Config[K] {
  const value: string | number = typeof defaults[key] === "number" ? toNumber(text) : text;
  return value as Config[K];
}

function toNumber(text = ""): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) throw new TypeError(`"${text}" is no number`);
  return number;
}

async function main([file, command, key, text]: string[]): Promise<unknown> {
  if (file !== undefined && isKey(key)) {
    if (command === "get") return await get(file, key);
    if (command === "set" && text !== undefined) {
      const value = parsed(key, text);
      return await set(file, key, () => value);
    }
    if (command === "add" && (key === "port" || key === "visits")) {
      const step = toNumber(text);
      return await set(file, key, (value) => value + step);
    }
  }
  const keys = Object.keys(defaults).join(", ");
  throw new TypeError(`say FILE get KEY, set KEY VALUE or add KEY NUMBER; keys are ${keys}`);
}

try {
  console.log(await main(process.argv.slice(2)));
} catch (error) {
  console.error(`config_store: ${(error as Error).message}`);
  process.exitCode = 1;
}
