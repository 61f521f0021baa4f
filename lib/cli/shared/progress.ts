/** One line on a terminal, for work that takes over a second: how much is done, and how fast. */

import type { Host } from "./host.ts";

/** What has been done so far; what is not counted is absent. */
export interface Done {
  files?: number;
  directories?: number;
  bytes?: number;
}

/** It is shown after so long, and again after so long, in ms. */
const [AFTER, EVERY] = [1000, 100] as const;

/** Back to the line's start, and away with what is there (ECMA-48, 8.3.41: EL). */
const ERASE = "\r\x1b[K";

/** The line: told what is done, it is shown when it is time, and taken away at the end; none in a pipe. */
export class ProgressLine {
  readonly #host: Host;
  readonly #start: number = performance.now();
  #next: number = AFTER;
  #shown: Promise<void> | undefined;

  constructor(host: Host, isWanted: boolean) {
    this.#host = host;
    if (!isWanted || !host.isTerminal("stderr")) this.#next = Infinity;
  }

  /** Shows the line as long as this work takes. */
  async during<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      this.#next = Infinity;
      await this.#shown;
      if (this.#shown !== undefined) await this.#host.print("stderr", ERASE);
    }
  }

  /** Tells what is done by now. */
  update(done: Done): void {
    const passed = performance.now() - this.#start;
    if (passed < this.#next) return;
    this.#next = passed + EVERY;
    this.#shown = this.#host.print("stderr", ERASE + text(done, passed / 1000));
  }
}

/** Counts files as they are told by their sizes. */
export function counting(line: ProgressLine): (bytes: number) => void {
  const done = { files: 0, bytes: 0 };
  return (bytes) => {
    done.files++;
    done.bytes += bytes;
    line.update(done);
  };
}

/** So much, and how fast. */
function text({ files, directories, bytes }: Done, seconds: number): string {
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
