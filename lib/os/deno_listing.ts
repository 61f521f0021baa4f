/**
 * Deno's synchronous listings, `node:fs`'s too, return a short list where reading breaks off; only the
 * asynchronous one fails. What is not in the list would be lost, so a worker lists for those who wait.
 */

import type { Entry } from "./port.ts";

/** How much of a list is handed over at a time. */
const BLOCK = 256 * 1024;

/** The worker's own program: answers each path with its entries, or with an error's facts, as JSON. */
const PROGRAM = `self.onmessage = async ({ data: { path, flags, block } }) => {
  let answer;
  try {
    const entries = [];
    for await (const { name, isFile, isDirectory, isSymlink } of Deno.readDir(path)) {
      const kind = isFile ? "file" : isDirectory ? "directory" : isSymlink ? "symlink" : "other";
      entries.push({ name, kind });
    }
    answer = { entries };
  } catch ({ name, code, message }) {
    answer = { error: { name, code, message } };
  }
  const bytes = new TextEncoder().encode(JSON.stringify(answer));
  for (let at = 0; at < bytes.length; at += block.length) {
    const part = bytes.subarray(at, at + block.length);
    block.set(part);
    flags[1] = part.length;
    flags[2] = bytes.length - at - part.length;
    Atomics.store(flags, 0, 1);
    Atomics.notify(flags, 0);
    Atomics.wait(flags, 0, 1);
  }
};`;

let worker: Worker | undefined;

/** Lists a directory, wholly or not at all. */
export function listSync(path: string): Entry[] {
  const flags = new Int32Array(new SharedArrayBuffer(12));
  const block = new Uint8Array(new SharedArrayBuffer(BLOCK));
  lister().postMessage({ path, flags, block });
  const decoder = new TextDecoder();
  let text = "";
  for (let rest = 1; rest > 0;) {
    if (Atomics.wait(flags, 0, 0, 60_000) === "timed-out") {
      throw Object.assign(new Error("the listing does not end"), { code: "ETIMEDOUT" });
    }
    text += decoder.decode(block.slice(0, flags[1]), { stream: true });
    rest = flags[2]!;
    Atomics.store(flags, 0, 0);
    Atomics.notify(flags, 0);
  }
  const { entries, error } = JSON.parse(text);
  if (error !== undefined) throw Object.assign(new Error(), error);
  return entries;
}

/** A worker for as long as the program does not return to the event loop. */
function lister(): Worker {
  if (worker === undefined) {
    worker = new Worker(`data:application/javascript,${encodeURIComponent(PROGRAM)}`, {
      type: "module",
    });
    setTimeout(() => {
      worker?.terminate();
      worker = undefined;
    }, 0);
  }
  return worker;
}
