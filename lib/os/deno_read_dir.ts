/**
 * Deno's synchronous listings, `node:fs`'s too, return a short list where reading breaks off; only the
 * asynchronous one fails. What is not in the list would be lost, so a worker lists for those who wait.
 */

import type { Entry } from "./port.ts";

/** How much of a list is handed over at a time. */
const BLOCK = 256 * 1024;

/**
 * The worker's own program: answers each path with its entries, each a letter for its kind, its name and
 * a NUL, which no name has; or with "e" and an error's facts as JSON.
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
  if (text.startsWith("e")) throw Object.assign(new Error(), JSON.parse(text.slice(1)));
  return text.split("\0").slice(0, -1).map((entry) => ({
    name: entry.slice(1),
    kind: KINDS[entry[0]!]!,
  }));
}

const KINDS: Record<string, Entry["kind"]> = {
  f: "file",
  d: "directory",
  s: "symlink",
  o: "other",
};

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
