/** How long the event loop is held: what a timer of a millisecond comes too late. */

import { quantile } from "./measure.ts";

/** Watches the event loop from now on. */
export class LoopWatch {
  readonly #delays: number[] = [];
  #last: number = performance.now();
  readonly #timer: ReturnType<typeof setInterval> = setInterval(() => this.#tick(), 1);

  #tick(): void {
    const now = performance.now();
    this.#delays.push(Math.max(0, now - this.#last - 1));
    this.#last = now;
  }

  /** Ends it; how long, in ms, each turn of the loop made the timer wait. */
  end(): number[] {
    clearInterval(this.#timer);
    this.#tick();
    return this.#delays;
  }
}

/** Delays in short: one in a hundred is longer than the first number. */
export function inShort(delays: readonly number[]): string {
  const [p99, longest] = [quantile(delays, 0.99), quantile(delays, 1)];
  return `${p99.toFixed(1)} ms, at most ${longest.toFixed(1)} ms`;
}
