/**
 * Standard input in large pieces. What runs through a pipe comes in pieces of 64 KiB at most, and costs a hop
 * to a thread and back for each: where it can be made larger, it is, as soon as there proves to be much.
 */

import { growPipe } from "../../os/native.ts";

/** So much is read at a time: what the largest pipe holds that a user may make (fs.pipe-max-size). */
const PIECE = 1024 * 1024;

/** A small input is not worth the milliseconds that it takes to load what makes a pipe larger. */
const MUCH = 1024 * 1024;

/**
 * Pieces of what `read` reads: null or 0 is the end. The next one is read while a piece is used, which is
 * overwritten after that.
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
    // It is thrown when it is waited for, unless nobody wants to know any more.
    reading.catch(() => {});
    yield* [other.subarray(0, count)];
    total += count;
    if (isGrown || total < MUCH) continue;
    growPipe(0, PIECE);
    isGrown = true;
  }
}

/**
 * Memory that begins a page, as that of WebAssembly does. What the C library gives begins 16 bytes after one, and
 * from there and to there the kernel's copies (`rep movsb`) take half as long again on some processors.
 */
function aligned(bytes: number): Uint8Array {
  const pages = bytes / 65536;
  try {
    return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
  } catch {
    // Not without a compiler (Node's --jitless), nor where the size of a process is limited: it sets aside gigabytes.
    return new Uint8Array(bytes);
  }
}
