/**
 * A store of sessions, one directory each, called by its number and its title. What a crash left is
 * cleaned up at each start.
 *
 *     deno run --allow-read=DIR --allow-write=DIR examples/sessions.ts DIR/store COMMAND
 *     bun examples/sessions.ts DIR/store COMMAND
 *     node examples/sessions.ts DIR/store COMMAND
 *
 *     new TITLE          rename ID TITLE          list
 *     add ID TEXT        remove ID                show ID
 *
 * It rests on `transaction`: a new title changes the directory's name and the metadata in it, both or
 * neither, at whatever moment the process is killed. A config that somebody has edited is not
 * overwritten (`writeOnce`), and what else is in a session's directory stays.
 */

import { cp, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { atomicRemove, cleanup, lock, type Transaction, transaction } from "../mod.ts";

type Metadata = { id: number; title: string };

const inJson = (value: unknown): string => JSON.stringify(value, null, 2) + "\n";

async function readJson<T>(...parts: string[]): Promise<T> {
  const path = join(...parts);
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

function nameOf({ id, title }: Metadata): string {
  if (title === "") throw new TypeError("a session needs a title");
  const words = title.toLowerCase().match(/[a-z0-9]+/g) ?? ["untitled"];
  return `${id}-${words.join("-").slice(0, 60)}`;
}

/** The sessions' directories, by number. They stay as they are as long as the store is locked. */
async function names(store: string): Promise<string[]> {
  const found = (await readdir(store)).filter((name) => /^\d+-/.test(name));
  return found.sort((a, b) => parseInt(a) - parseInt(b));
}

async function find(store: string, id: string): Promise<string> {
  const found = (await names(store)).find((name) => name.startsWith(`${id}-`));
  if (found === undefined) throw new Error(`there is no session ${id}`);
  return found;
}

async function save(tx: Transaction, name: string, data: Metadata, events: unknown): Promise<void> {
  await tx.persistDir(name, {
    "metadata.json": inJson(data),
    "base_config.json": inJson({ model: "small" }),
    "events.json": inJson(events),
  }, { writeOnce: ["base_config.json"] });
}

async function create(store: string, tx: Transaction, title: string): Promise<void> {
  const id = parseInt((await names(store)).at(-1) ?? "0") + 1;
  await save(tx, nameOf({ id, title }), { id, title }, []);
}

async function add(store: string, tx: Transaction, id: string, text: string): Promise<void> {
  const name = await find(store, id);
  const data = await readJson<Metadata>(store, name, "metadata.json");
  const events = await readJson<unknown[]>(store, name, "events.json");
  await save(tx, name, data, [...events, { at: new Date().toISOString(), text }]);
}

async function rename(store: string, tx: Transaction, id: string, title: string): Promise<void> {
  const name = await find(store, id);
  const [dir, old] = [join(store, name), join(store, name, "metadata.json")];
  const data = { ...await readJson<Metadata>(old), title };
  if (nameOf(data) === name) return await tx.writeJson(`${name}/metadata.json`, data);
  // What a transaction renames can't be changed in it: the new directory is a changed copy.
  await tx.remove(name);
  await tx.persistDir(nameOf(data), async (stage) => {
    const filter = (path: string): boolean => path !== old;
    const asItIs = { recursive: true, preserveTimestamps: true, verbatimSymlinks: true };
    await cp(dir, stage.path, { ...asItIs, filter });
    await stage.write("metadata.json", inJson(data));
  });
}

async function list(store: string): Promise<void> {
  for (const name of await names(store)) {
    const { title } = await readJson<Metadata>(store, name, "metadata.json");
    console.log(`${name}\t${title}`);
  }
}

async function show(store: string, id: string): Promise<void> {
  const name = await find(store, id);
  for (const file of ["metadata.json", "base_config.json", "events.json"]) {
    console.log(`${file}: ${JSON.stringify(await readJson(store, name, file))}`);
  }
}

/** Brings everything to one whole version, and tells what there was to do. */
async function start(store: string): Promise<void> {
  await mkdir(store, { recursive: true });
  // A version whose metadata can't be read never takes another's place.
  const validate = async (dir: string): Promise<boolean> =>
    typeof (await readJson<Partial<Metadata>>(dir, "metadata.json")).title === "string";
  const { restored, rolledForward, quarantined, failed } = await cleanup(store, { validate });
  for (const { path, reason } of [...restored, ...rolledForward, ...quarantined, ...failed]) {
    console.error(`sessions: ${path}: ${reason}`);
  }
}

/** All that a command reads holds until its end: transactions take the store's lock, and so do others. */
async function main([store, command, first = "", text = ""]: string[]): Promise<void> {
  if (store === undefined) throw new TypeError("say STORE COMMAND");
  await start(store);
  if (command === "new") return void await transaction(store, (tx) => create(store, tx, first));
  if (command === "add") return void await transaction(store, (tx) => add(store, tx, first, text));
  if (command === "rename") {
    return void await transaction(store, (tx) => rename(store, tx, first, text));
  }
  const held = await lock(store);
  try {
    if (command === "list") await list(store);
    else if (command === "show") await show(store, first);
    else if (command === "remove") await atomicRemove(join(store, await find(store, first)));
    else throw new TypeError("say STORE new, add, rename, list, show or remove");
  } finally {
    await held.release();
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`sessions: ${(error as Error).message}`);
  process.exitCode = 1;
}
