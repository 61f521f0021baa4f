/** How each package replaces a file, in each form and at each durability that it offers. */

import type { Durability } from "../mod.ts";

/** Replaces a file. */
export type Write = (path: string, content: Buffer) => unknown;

/** What a package offers of each form and durability. */
export type Offers = Partial<Record<`${"sync" | "async"}, ${Durability}`, Write>>;

/** A name that no compiler follows: the packages need not be installed. */
async function load<Module>(name: string): Promise<Module> {
  return await import(name) as Module;
}

type Options<Of> = (path: string, content: Buffer, options: Of) => unknown;

/** Each package by its documented call; the syncs that it has no option for are as they are. */
const packages: Record<string, () => Promise<Offers>> = {
  "write-file-atomic": async () => {
    type Call = Options<{ fsync: boolean }>;
    const { default: write } = await load<{ default: Call & { sync: Call } }>("write-file-atomic");
    return {
      "sync, none": (path, content) => write.sync(path, content, { fsync: false }),
      "async, none": (path, content) => write(path, content, { fsync: false }),
      "sync, file": (path, content) => write.sync(path, content, { fsync: true }),
      "async, file": (path, content) => write(path, content, { fsync: true }),
    };
  },
  atomically: async () => {
    type Call = Options<{ fsync: boolean }>;
    const { writeFile, writeFileSync } = await load<{ writeFile: Call; writeFileSync: Call }>(
      "atomically",
    );
    return {
      "sync, none": (path, content) => writeFileSync(path, content, { fsync: false }),
      "async, none": (path, content) => writeFile(path, content, { fsync: false }),
      "sync, file": (path, content) => writeFileSync(path, content, { fsync: true }),
      "async, file": (path, content) => writeFile(path, content, { fsync: true }),
    };
  },
  steno: async () => {
    type Class = new (path: string) => { write: (content: Buffer) => Promise<void> };
    const { Writer } = await load<{ Writer: Class }>("steno");
    return { "async, none": (path, content) => new Writer(path).write(content) };
  },
  "fast-write-atomic": async () => {
    const { default: { promise } } = await load<{ default: { promise: Write } }>(
      "fast-write-atomic",
    );
    return { "async, file": promise };
  },
  "fs-jetpack": async () => {
    type Call = Options<{ atomic: true }>;
    const { default: jetpack } = await load<{ default: { write: Call; writeAsync: Call } }>(
      "fs-jetpack",
    );
    return {
      "sync, none": (path, content) => jetpack.write(path, content, { atomic: true }),
      "async, none": (path, content) => jetpack.writeAsync(path, content, { atomic: true }),
    };
  },
  "crash-safe-write-file": async () => {
    type Call = (path: string, content: Buffer, done: (error: unknown) => void) => void;
    const { default: { writeFile } } = await load<{ default: { writeFile: Call } }>(
      "crash-safe-write-file",
    );
    return {
      "async, full": (path, content) =>
        new Promise<void>((resolve, reject) =>
          writeFile(path, content, (error) => error ? reject(error) : resolve())
        ),
    };
  },
};

/** All that the packages offer. */
export async function peers(): Promise<[name: string, offers: Offers][]> {
  const all: [string, Offers][] = [];
  for (const [name, offers] of Object.entries(packages)) all.push([name, await offers()]);
  return all;
}
