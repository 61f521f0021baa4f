/**
 * bench/writes.ts DIR BUDGET: how long it takes to replace a file of 4 KiB and of 1 MiB, against the bound
 * of the same durability, beside the packages that offer that durability.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { atomicWrite, atomicWriteSync, type Durability } from "../mod.ts";
import { bound, boundSync } from "./bound.ts";
import { dir, race, repeat } from "./measure.ts";

type Write = (path: string, content: Buffer) => unknown;

/** What a package offers of each form and durability. */
type Offers = Partial<Record<`${"sync" | "async"}, ${Durability}`, Write>>;

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

const peers: [string, Offers][] = [];
for (const [name, offers] of Object.entries(packages)) peers.push([name, await offers()]);

const path = join(dir, "file");
for (const [size, name] of [[4096, "4 KiB"], [1024 * 1024, "1 MiB"]] as const) {
  const content = Buffer.alloc(size, "x");
  writeFileSync(path, content);
  for (const form of ["sync", "async"] as const) {
    for (const durability of ["none", "file", "full"] as const) {
      const calls = size === 4096 ? 20 : 3;
      const sync = form === "sync";
      const each = (write: Write) => repeat(calls, () => write(path, content));
      await race({
        table: "Replacing a file",
        row: `${name}, ${form}, ${durability}`,
        contestants: {
          bound: each((path, content) => (sync ? boundSync : bound)(path, content, durability)),
          Untorn: each((path, content) =>
            (sync ? atomicWriteSync : atomicWrite)(path, content, { durability })
          ),
          ...Object.fromEntries(
            peers.flatMap(([peer, offers]) => {
              const write = offers[`${form}, ${durability}`];
              return write === undefined ? [] : [[peer, each(write)]];
            }),
          ),
        },
      });
    }
  }
}
