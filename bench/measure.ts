/**
 * Measures ways of doing something against each other, turn by turn in one process: what else the
 * machine does meets all of them alike. What counts are the ratios within a round.
 */

import process from "node:process";

/** The runtime that is measured. */
export const runtime: string = "Deno" in globalThis ? "Deno" : "Bun" in globalThis ? "Bun" : "Node";

/** `FILE DIR BUDGET`: where to measure, and for how many ms each comparison. */
export const dir: string = process.argv[2]!;
const budget: number = Number(process.argv[3]);

/** Whether a glance is enough: fewer rounds and smaller directories. */
export const isQuick: boolean = budget < 500;

/** Who is to be told from the bound by a hundredth is measured longer. */
const OURS = "Untorn";
const LONGER = isQuick ? 1 : 4;

/** A cell of a table: what was measured, and for whom. */
export interface Cell {
  table: string;
  row: string;
  column: string;
  /** The median of the ratios, and where 10 and 90 % of them end. */
  ratio?: [median: number, low: number, high: number];
  /** The median of the own times, in ms. */
  ms?: number;
  /** What is no ratio. */
  text?: string;
}

/** A point of a curve. */
export interface Point {
  chart: string;
  series: string;
  x: number;
  y: number;
}

/** Hands a cell or a point to who puts tables and pictures together. */
export function tell(what: Cell | Point): void {
  console.log(JSON.stringify(what));
}

/** Does something and says how many ms it took. */
export type Run = () => number | Promise<number>;

/** A comparison; the first of the contestants is what the others are measured against. */
export interface Race {
  table: string;
  row: string;
  contestants: Record<string, Run>;
  /** So many rounds before those that count. */
  warm?: number;
  /** So many rounds at least, where few say little. */
  least?: number;
  /** No more rounds than this, where each costs something besides its time. */
  most?: number;
}

/**
 * Runs a comparison, each of the others alone with the first for as long as the budget says, and tells its cells.
 * All together, those that share functions would keep them in the caches for each other.
 */
export async function race({ table, row, contestants, ...rounds }: Race): Promise<void> {
  const [bound, ...others] = Object.entries(contestants);
  for (const [column, run] of others) {
    const times = await duel([bound![1], run], column === OURS ? budget * LONGER : budget, rounds);
    const ratios = times.map(([theirs, own]) => own / theirs);
    const ratio = [0.5, 0.1, 0.9].map((part) => quantile(ratios, part));
    const ms = quantile(times.map(([, own]) => own), 0.5);
    tell({ table, row, column, ratio: ratio as Cell["ratio"], ms });
  }
}

/** The times of two, round by round. */
async function duel(
  pair: [Run, Run],
  ms: number,
  { warm = 2, least = 3, most = 1000 }: Pick<Race, "warm" | "least" | "most">,
): Promise<[number, number][]> {
  const round = async (): Promise<[number, number]> => {
    const times: [number, number] = [0, 0];
    // Who would be the first each time would find what the other has left in the caches, and who is the last, its own.
    const order = Math.random() < 0.5 ? [0, 1] as const : [1, 0] as const;
    for (const who of order) times[who] = await pair[who]();
    return times;
  };
  const [before, enough] = isQuick ? [0, 1] : [warm, least];
  for (let i = 0; i < before; i++) await round();
  const rounds: [number, number][] = [];
  const start = performance.now();
  while (
    rounds.length < most && (rounds.length < enough || performance.now() - start < ms)
  ) rounds.push(await round());
  return rounds;
}

/** How many ms something takes. */
export async function time(run: () => unknown): Promise<number> {
  const start = performance.now();
  const answer = run();
  if (answer instanceof Promise) await answer;
  return performance.now() - start;
}

/** Does it so many times, and says how many ms each took. */
export function repeat(times: number, run: () => unknown): Run {
  return async () =>
    await time(async () => {
      for (let i = 0; i < times; i++) {
        const answer = run();
        if (answer instanceof Promise) await answer;
      }
    }) / times;
}

/** The value below which such a part of them is. */
export function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)]!;
}
