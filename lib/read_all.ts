/** A file, read whole. */

import type { Os } from "./os/port.ts";
import type { Steps } from "./steps.ts";

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
