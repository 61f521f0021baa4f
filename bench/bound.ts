/**
 * The bound: what it takes to replace a file by hand, with the same calls at the same durability and no
 * look at the target. On `node:fs`, which was the faster way on Deno too.
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
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { Durability } from "../mod.ts";

const later = {
  open: promisify(open),
  write: promisify(write),
  fsync: promisify(fsync),
  close: promisify(close),
  rename: promisify(rename),
};

let count = 0;

/** All of it at once. */
export function boundSync(path: string, bytes: Uint8Array, durability: Durability): void {
  const temp = `${path}.${count++}`;
  const file = openSync(temp, "wx", 0o666);
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
  if (durability !== "none") fsyncSync(file);
  closeSync(file);
  renameSync(temp, path);
  if (durability !== "full") return;
  const parent = openSync(dirname(path), "r");
  fsyncSync(parent);
  closeSync(parent);
}

/** All of it in the background (in Deno without the write, and without what closes): four, five or eight hops. */
export async function bound(
  path: string,
  bytes: Uint8Array,
  durability: Durability,
): Promise<void> {
  const temp = `${path}.${count++}`;
  const file = await later.open(temp, "wx", 0o666);
  for (let at = 0; at < bytes.length;) {
    at += (await later.write(file, bytes, at, bytes.length - at, null)).bytesWritten;
  }
  if (durability !== "none") await later.fsync(file);
  await later.close(file);
  await later.rename(temp, path);
  if (durability !== "full") return;
  const parent = await later.open(dirname(path), "r");
  await later.fsync(parent);
  await later.close(parent);
}
