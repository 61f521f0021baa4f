/** The format of a lock file: a line for each holder, so that no crash takes the line of the last. */

import type { Handle, Os } from "../os/port.ts";
import type { Steps } from "../core/steps.ts";

/** How a line in a lock file starts; a file of that name that starts otherwise is the user's. */
const MARK = '{"untorn":1';

/** How one ends whose first block a power cut has left as NULs. */
const TAIL = /"pid":\d+(,"transaction":"[^"]*")?\}\n$/;

/** No line is longer, in bytes: a name of 255 and a transaction. */
export const LINE = 4096;

/** Nor is a lock file; some hundred processes must die under it, one after the other, to fill it. */
export const READABLE: number = 16 * LINE;

/** What is found in a lock file. */
interface Content extends Partial<Facts> {
  /** Whether a line was written, and came to the disk. */
  claims: boolean;
}

/**
 * What the last whole line says: each holder adds one, so that no crash takes the line of the last.
 * Nothing if the file is the user's.
 */
export function* readLines(os: Os, handle: Handle): Steps<Content | undefined> {
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(LINE);
  let [all, size] = ["", 0];
  for (let count = LINE; count === LINE;) {
    count = yield* os.read(handle, bytes);
    all += decoder.decode(bytes.subarray(0, count), { stream: true });
    size += count;
    if (size > READABLE) return undefined;
  }
  // A power cut may leave a file its size, and NULs where a line was not written yet.
  const text = all.replaceAll("\0", "");
  const claims = text.startsWith(MARK) || text.startsWith(`\n${MARK}`);
  const isTorn = all.startsWith("\0") && TAIL.test(text);
  if (!claims && !isTorn && (text !== "" || size >= LINE)) return undefined;
  const facts = text.split("\n").slice(0, -1).map(factsOf).findLast((line) => line !== undefined);
  return { ...facts, claims };
}

/** What a lock's line says. */
export interface Facts {
  target: string;
  pid: number;
  /** The path of the transaction that it was taken for, from its directory; only upwards. */
  transaction?: string | undefined;
}

function factsOf(line: string): Facts | undefined {
  try {
    const value = JSON.parse(line);
    if (value?.untorn !== 1) return undefined;
    const { target, pid, transaction } = value;
    const facts = { target: String(target), pid: Number(pid) };
    return isUpwards(transaction) ? { ...facts, transaction } : facts;
  } catch (error) {
    // A process or a disk died while it was written.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A lock file may be planted: it leads to nothing but what a cleanup further up would bring to its end. */
function isUpwards(transaction: unknown): transaction is string {
  return typeof transaction === "string" && /^(?:\.\.\/)*\.commit-[0-9a-f]{12}$/.test(transaction);
}
