/** Whole contents, read and written by as many calls as it takes. */

import { OsError } from "../core/errors.ts";
import type { Handle, Os } from "../os/port.ts";
import type { Steps } from "../core/steps.ts";

/** More than this in one call is an error in Node; write(2) takes no more than 2 GiB either. */
const MOST_AT_ONCE = 2 ** 30;

/** Writes bytes to an open file, all of them. */
export function* writeFully(os: Os, file: Handle, bytes: Uint8Array): Steps<void> {
  for (let at = 0; at < bytes.length;) {
    const whole = at === 0 && bytes.length <= MOST_AT_ONCE;
    const count = yield* os.write(file, whole ? bytes : bytes.subarray(at, at + MOST_AT_ONCE));
    if (count === 0) throw new OsError("EIO", "write");
    at += count;
  }
}

/** A file's bytes. */
export function* readAll(os: Os, path: string): Steps<Uint8Array> {
  const file = yield* os.open(path);
  try {
    // One more than there are, so that the end is seen without a larger buffer.
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
