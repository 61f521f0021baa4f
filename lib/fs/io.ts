/** Whole contents, read and written with as many calls as needed, and handles that are closed after use. */

import { OsError } from "../core/errors.ts";
import type { Steps } from "../core/steps.ts";
import type { Handle, Os } from "../os/port.ts";

/** Node refuses more bytes than this in one call, and write(2) writes at most 2 GiB. */
const MOST_AT_ONCE = 2 ** 30;

/** Writes all bytes to an open file. */
export function* writeFully(os: Os, file: Handle, bytes: Uint8Array): Steps<void> {
  for (let at = 0; at < bytes.length;) {
    const whole = at === 0 && bytes.length <= MOST_AT_ONCE;
    const count = yield* os.write(file, whole ? bytes : bytes.subarray(at, at + MOST_AT_ONCE));
    if (count === 0) throw new OsError("EIO", "write");
    at += count;
  }
}

/** Reads a whole file. */
export function* readAll(os: Os, path: string): Steps<Uint8Array> {
  const file = yield* os.open(path);
  try {
    // One byte more than the size, to reach the end without a larger buffer.
    let bytes = new Uint8Array((yield* os.fstat(file)).size + 1);
    for (let length = 0;;) {
      const count = yield* os.read(file, bytes.subarray(length));
      length += count;
      if (count === 0) return bytes.subarray(0, length);
      if (length < bytes.length) continue;
      const longer = new Uint8Array(bytes.length * 2);
      longer.set(bytes);
      bytes = longer;
    }
  } finally {
    yield* os.close(file);
  }
}

/** Runs steps on an open file or directory, and closes it. */
export function* closing<T>(os: Os, open: Handle, steps: Steps<T>): Steps<T> {
  try {
    return yield* steps;
  } finally {
    yield* os.close(open);
  }
}

/** Opens a directory for `use`, and closes it; does nothing where directories can't be opened (Windows). */
export function* withDir<T>(
  os: Os,
  path: string,
  use: (open: Handle) => Steps<T>,
): Steps<T | undefined> {
  const open = yield* os.openDir(path);
  return open === undefined ? undefined : yield* closing(os, open, use(open));
}
