/** The format of a lock file: each holder appends a line, so that no crash destroys an earlier one. */

import type { Steps } from "../core/steps.ts";
import type { Handle, Os } from "../os/port.ts";

/** The start of a lock file. A file that starts otherwise is the user's, whatever its name. */
const MARK = '{"untorn":1';

/** The end of a lock file whose first block a power failure has left as NULs. */
const TAIL = /"pid":\d+(,"transaction":"[^"]*")?\}\n$/;

/** The maximum length of a line, in bytes: a name of 255 bytes and a transaction fit in. */
export const LINE = 4096;

/** The maximum size of a lock file. To fill it, hundreds of its holders must die in succession. */
export const READABLE: number = 16 * LINE;

/** The facts in a line of a lock file. */
export interface Facts {
  target: string;
  pid: number;
  /** The transaction that the lock was taken for, as a path from the lock's directory; only upwards. */
  transaction?: string | undefined;
}

/** A holder's line, such as `{"untorn":1,"target":"X","pid":123}`. It begins anew, since the one before may be torn. */
export function lineOf(facts: Facts, isFirst: boolean): Uint8Array {
  const text = JSON.stringify({ untorn: 1, ...facts });
  return new TextEncoder().encode(isFirst ? `${text}\n` : `\n${text}\n`);
}

/** Reads the facts in the last complete line of a lock file; returns undefined if the file is the user's. */
export function* readLines(
  os: Os,
  handle: Handle,
): Steps<Partial<Facts> & { claims: boolean } | undefined> {
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(LINE);
  let [all, size] = ["", 0];
  for (let count = LINE; count === LINE;) {
    count = yield* os.read(handle, bytes);
    all += decoder.decode(bytes.subarray(0, count), { stream: true });
    size += count;
    if (size > READABLE) return undefined;
  }
  // A power failure may keep a file's size, and leave NULs where a line was not written yet.
  const text = all.replaceAll("\0", "");
  const claims = text.startsWith(MARK) || text.startsWith(`\n${MARK}`);
  const isTorn = all.startsWith("\0") && TAIL.test(text);
  if (!claims && !isTorn && (text !== "" || size >= LINE)) return undefined;
  const facts = text.split("\n").slice(0, -1).map(factsOf).findLast((line) => line !== undefined);
  return { ...facts, claims };
}

function factsOf(line: string): Facts | undefined {
  try {
    const value = JSON.parse(line);
    if (value?.untorn !== 1) return undefined;
    const { target, pid, transaction } = value;
    const facts = { target: String(target), pid: Number(pid) };
    return isUpwards(transaction) ? { ...facts, transaction } : facts;
  } catch (error) {
    // The line is torn: its process died, or the power failed, while it was written.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A lock file may be planted: it may lead only to what a cleanup of a directory above completes, too. */
function isUpwards(transaction: unknown): transaction is string {
  return typeof transaction === "string" && /^(?:\.\.\/)*\.commit-[0-9a-f]{12}$/.test(transaction);
}
