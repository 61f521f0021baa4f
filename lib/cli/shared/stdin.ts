/**
 * Reads standard input in large pieces. A pipe delivers at most 64 KiB at a time, and each piece costs a hop
 * to a thread and back. So the pipe is enlarged, where that is possible, once the input proves to be large.
 */

import { growPipe } from "../../os/native.ts";

/** The size of a read: the capacity of the largest pipe that a user may make (fs.pipe-max-size). */
const PIECE = 1024 * 1024;

/** When to enlarge the pipe. The code for that takes milliseconds to load, too many for a small input. */
const LARGE = 1024 * 1024;

/**
 * Yields pieces of the input until `read` returns null or 0. The next piece is read while the caller uses
 * this one. A piece is overwritten after that.
 */
export async function* pieces(
  read: (into: Uint8Array) => Promise<number | null>,
): AsyncGenerator<Uint8Array> {
  let [piece, other] = [aligned(PIECE), aligned(PIECE)];
  let reading = read(piece);
  let isGrown = false;
  for (let total = 0;;) {
    const count = await reading ?? 0;
    if (count === 0) return;
    [piece, other] = [other, piece];
    reading = read(piece);
    // The next turn of the loop throws the error, unless the caller stops before that.
    reading.catch(() => {});
    yield* [other.subarray(0, count)];
    total += count;
    if (isGrown || total < LARGE) continue;
    growPipe(0, PIECE);
    isGrown = true;
  }
}

/**
 * Allocates memory at the start of a page, as WebAssembly does. The C library's memory starts 16 bytes after
 * that, and the kernel's copies (`rep movsb`) to and from there take half as long again on some processors.
 */
function aligned(bytes: number): Uint8Array {
  const pages = bytes / 65536;
  try {
    return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
  } catch {
    // WebAssembly is missing (Node's --jitless), or the process's size is limited: it reserves gigabytes.
    return new Uint8Array(bytes);
  }
}
