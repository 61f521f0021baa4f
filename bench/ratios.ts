/** Compares two ways of doing something, turn by turn in one process, and prints a row of a table. */

/** The runtime that is measured. */
export const runtime: string = "Deno" in globalThis ? "Deno" : "Bun" in globalThis ? "Bun" : "Node";

/** Measures each so many times after a warm-up, and prints the median of the ratios, and their spread. */
export async function compare(
  what: string,
  rounds: number,
  theirs: () => Promise<number>,
  ours: () => Promise<number>,
): Promise<void> {
  const ratios: number[] = [];
  const times: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const other = await theirs();
    const own = await ours();
    if (round < 0) continue;
    ratios.push(own / other);
    times.push(own);
  }
  const spread = [0.1, 0.9].map((part) => quantile(ratios, part).toFixed(2)).join("–");
  const median = quantile(ratios, 0.5).toFixed(2);
  const time = quantile(times, 0.5);
  console.log(
    `| ${runtime} | ${what} | ${median} | ${spread} | ${time.toFixed(time < 10 ? 2 : 0)} |`,
  );
}

/** How long something takes, in ms. */
export async function time(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

function quantile(values: number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)]!;
}
