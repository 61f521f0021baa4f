/**
 * Synchronous listings for Deno, made by a worker. Deno's own, and `node:fs`'s, return a partial list if
 * reading fails midway, and the other entries would be lost; only the asynchronous one fails.
 */

import type { Entry } from "./port.ts";

/** Size of the buffer in which the worker hands over a listing. */
const BLOCK = 256 * 1024;

/**
 * The worker's program. It answers a path with its entries, each a letter for its kind, its name and a NUL,
 * which no name contains; or with "e" and an error's properties as JSON.
 */
const PROGRAM = `self.onmessage = async ({ data: { path, flags, block } }) => {
  let answer = "";
  try {
    for await (const { name, isFile, isDirectory, isSymlink } of Deno.readDir(path)) {
      answer += (isFile ? "f" : isDirectory ? "d" : isSymlink ? "s" : "o") + name + "\\0";
    }
  } catch ({ name, code, message }) {
    answer = "e" + JSON.stringify({ name, code, message });
  }
  const bytes = new TextEncoder().encode(answer);
  for (let at = 0; at === 0 || at < bytes.length; at += block.length) {
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

/** Lists a directory; fails unless the listing is complete. */
export function listSync(path: string): Entry[] {
  const flags = new Int32Array(new SharedArrayBuffer(12));
  const block = new Uint8Array(new SharedArrayBuffer(BLOCK));
  lister().postMessage({ path, flags, block });
  const decoder = new TextDecoder();
  let text = "";
  for (let rest = 1; rest > 0;) {
    if (Atomics.wait(flags, 0, 0, 60_000) === "timed-out") {
      throw Object.assign(new Error("listing the directory timed out"), { code: "ETIMEDOUT" });
    }
    text += decoder.decode(block.slice(0, flags[1]), { stream: true });
    rest = flags[2]!;
    Atomics.store(flags, 0, 0);
    Atomics.notify(flags, 0);
  }
  if (text.startsWith("e")) throw Object.assign(new Error(), JSON.parse(text.slice(1)));
  const entries = text.split("\0").slice(0, -1);
  return entries.map((entry) => ({ name: entry.slice(1), kind: KINDS[entry[0]!]! }));
}

const KINDS: Record<string, Entry["kind"]> = {
  f: "file",
  d: "directory",
  s: "symlink",
  o: "other",
};

/** The worker, terminated as soon as the program returns to the event loop. */
function lister(): Worker {
  if (worker === undefined) {
    const url = `data:application/javascript,${encodeURIComponent(PROGRAM)}`;
    worker = new Worker(url, { type: "module" });
    setTimeout(() => {
      worker?.terminate();
      worker = undefined;
    }, 0);
  }
  return worker;
}
