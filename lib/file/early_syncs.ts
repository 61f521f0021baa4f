/**
 * Syncs of a file that is still written. By itself, Linux begins to write to a disk when a tenth of the
 * memory waits for that, or after 30 s (Documentation/admin-guide/sysctl/vm.rst, dirty_*): the disk would
 * be idle until all of a large content has come.
 */

import type { Handle, Os } from "../os/port.ts";
import { begin, settle, type Steps } from "../core/steps.ts";

/** So many bytes come before a sync of them is begun. */
const ENOUGH = 16 * 1024 * 1024;

/** So many may come beside one. The next is for no more than them, so that an abort needs not wait for long. */
const MOST = 128 * 1024 * 1024;

/** Syncs of one file, each in the background, one at a time. */
export class EarlySyncs {
  readonly #os: Os;
  #begun = 0;
  #last: Promise<void> | undefined;
  #isUnderWay = false;

  constructor(os: Os) {
    this.#os = os;
  }

  /** Begins one if enough has come since the last; `bytes` are those that were written up to now. */
  *moreComes(file: Handle, path: string, bytes: number): Steps<void> {
    const fresh = bytes - this.#begun;
    if (fresh < ENOUGH || this.#isUnderWay && fresh < MOST) return;
    yield* this.end();
    this.#begun = bytes;
    this.#last = begin(this.#os.fsync(file, path, true));
    this.#isUnderWay = this.#last !== undefined;
    const note = (): void => void (this.#isUnderWay = false);
    this.#last?.then(note, note);
  }

  /** Waits for the last one. What it failed with, the kernel tells only once: the sync that comes then may succeed. */
  *end(): Steps<void> {
    if (this.#last !== undefined) yield* settle(this.#last);
  }

  /** The same where nobody wants to know any more: it must not come to sync what gets the descriptor next. */
  *abandon(): Steps<void> {
    if (this.#last !== undefined) yield* settle(this.#last.catch(() => {}));
  }
}
