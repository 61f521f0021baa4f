/**
 * bench/writes.ts DIR ROUNDS: how long a 4 KiB and a 1 MiB replace take against the bound, a
 * hand-written sequence of the same calls that does not look at the target. Both run in this process,
 * turn by turn; what counts is the ratio within a round. Prints rows of a Markdown table.
 */

import {
  close,
  closeSync,
  fsync,
  fsyncSync,
  open,
  openSync,
  rename,
  renameSync,
  write,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { atomicWrite, atomicWriteSync, type Durability } from "../mod.ts";
import { compare, time } from "./ratios.ts";

const [dir, rounds] = [process.argv[2]!, Number(process.argv[3])];
const on = { open: promisify(open), close: promisify(close), fsync: promisify(fsync) };
const also = { write: promisify(write), rename: promisify(rename) };
let count = 0;

function boundSync(path: string, bytes: Uint8Array, durability: Durability): void {
  const temp = `${path}.${count++}`;
  const file = openSync(temp, "wx", 0o666);
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
  if (durability !== "none") fsyncSync(file);
  closeSync(file);
  renameSync(temp, path);
  if (durability !== "full") return;
  const parent = openSync(dir, "r");
  fsyncSync(parent);
  closeSync(parent);
}

async function bound(path: string, bytes: Uint8Array, durability: Durability): Promise<void> {
  const temp = `${path}.${count++}`;
  const file = await on.open(temp, "wx", 0o666);
  for (let at = 0; at < bytes.length;) {
    at += (await also.write(file, bytes, at, bytes.length - at, null)).bytesWritten;
  }
  if (durability !== "none") await on.fsync(file);
  await on.close(file);
  await also.rename(temp, path);
  if (durability !== "full") return;
  const parent = await on.open(dir, "r");
  await on.fsync(parent);
  await on.close(parent);
}

const forms = {
  sync: [
    async (...[path, bytes, durability]: Parameters<typeof bound>) =>
      await boundSync(path, bytes, durability),
    async (...[path, bytes, durability]: Parameters<typeof bound>) =>
      void await atomicWriteSync(path, bytes, { durability }),
  ],
  async: [
    bound,
    async (...[path, bytes, durability]: Parameters<typeof bound>) =>
      void await atomicWrite(path, bytes, { durability }),
  ],
} as const;

/** The ms that a call takes, of so many. */
async function each(calls: number, call: () => Promise<void>): Promise<number> {
  const all = await time(async () => {
    for (let i = 0; i < calls; i++) await call();
  });
  return all / calls;
}

const path = join(dir, "file");
for (const [size, name] of [[4096, "4 KiB"], [1024 * 1024, "1 MiB"]] as const) {
  const bytes = new Uint8Array(size).fill(120);
  writeFileSync(path, bytes);
  for (const durability of ["none", "file", "full"] as const) {
    for (const [form, [theirs, ours]] of Object.entries(forms)) {
      const calls = size === 4096 ? 20 : 3;
      await compare(
        `${name}, ${form}, ${durability}`,
        rounds,
        () => each(calls, () => theirs(path, bytes, durability)),
        () => each(calls, () => ours(path, bytes, durability)),
      );
    }
  }
}
