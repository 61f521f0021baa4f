/** A line on a terminal that shows the progress and the speed of work that takes over a second. */

import type { Host } from "./host.ts";

/** The progress so far. A count that does not apply is absent. */
export interface Progress {
  files?: number;
  directories?: number;
  bytes?: number;
}

/** When the line is first shown, in ms. */
const DELAY = 1000;

/** The time between two updates, in ms. */
const INTERVAL = 100;

/** Moves to the start of the line and erases it (ECMA-48, 8.3.41: EL). */
const ERASE = "\r\x1b[K";

/** The line. It appears when its time has come, and is erased at the end. In a pipe it never appears. */
export class ProgressLine {
  readonly #host: Host;
  readonly #start: number = performance.now();
  #next: number = DELAY;
  #shown: Promise<void> | undefined;

  constructor(host: Host, isWanted: boolean) {
    this.#host = host;
    if (!isWanted || !host.isTerminal("stderr")) this.#next = Infinity;
  }

  /** Waits for the work to end, and then erases the line. */
  async during<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      this.#next = Infinity;
      await this.#shown;
      if (this.#shown !== undefined) await this.#host.print("stderr", ERASE);
    }
  }

  /** Shows the progress, unless the line was updated a moment ago. */
  update(progress: Progress): void {
    const passed = performance.now() - this.#start;
    if (passed < this.#next) return;
    this.#next = passed + INTERVAL;
    this.#shown = this.#host.print("stderr", ERASE + text(progress, passed / 1000));
  }
}

/** Returns a function that counts files, and is called with the size of each. */
export function counting(line: ProgressLine): (bytes: number) => void {
  const done = { files: 0, bytes: 0 };
  return (bytes) => {
    done.files++;
    done.bytes += bytes;
    line.update(done);
  };
}

function text({ files, directories, bytes }: Progress, seconds: number): string {
  const parts: string[] = [];
  if (files !== undefined) parts.push(`${files.toLocaleString("en")} files`);
  if (directories !== undefined) parts.push(`${directories.toLocaleString("en")} directories`);
  if (bytes !== undefined) parts.push(size(bytes), `${size(bytes / seconds)}/s`);
  return `untorn: ${parts.join(", ")}`;
}

function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${value.toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
