/**
 * Measures all there is on each runtime, in memory (where there is a file system for that) and on the disk of
 * the temporary directory: `[--quick] [--only FILE]…`. Without either it writes `docs/benchmarks/`, else it
 * prints the tables.
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  ensureDependencies,
  Failure,
  main,
  programs,
  project,
  run,
  type Runtime,
} from "../scripts/tools.ts";
import { type Chart, draw, type Measured } from "./chart.ts";
import { measure } from "./child.ts";
import { installPeers } from "./peers.ts";
import { type MeasuredCell, report } from "./report.ts";

const [QUICK, FULL] = [25, 1500] as const;

/** What is run where, and by which runtimes (all, unless it says). */
interface Bench {
  file: string;
  places?: string[];
  runtimes?: Runtime[];
  flags?: string[];
}

const benches: Bench[] = [
  { file: "writes" },
  { file: "writers" },
  { file: "dirs" },
  { file: "dirs", places: ["disk"], runtimes: ["deno"], flags: ["--deny-ffi"] },
  { file: "cleanup" },
  { file: "startup", places: ["disk"] },
  { file: "calls", places: ["disk"], runtimes: ["node"] },
  { file: "curves", places: ["disk"], runtimes: ["deno", "bun"] },
  // For a while after large files, a disk has other things to do.
  { file: "large" },
  { file: "stdin" },
];

const NAMES: Record<Runtime, string> = { deno: "Deno", bun: "Bun", node: "Node" };
const ALL: Runtime[] = ["deno", "bun", "node"];
const QUICKLY = ALL.slice(0, 2);

const KIB = (bytes: number): string =>
  bytes < 2 ** 20 ? `${bytes / 1024} KiB` : `${bytes / 2 ** 20} MiB`;
const MS = (ms: number): string => ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;

const charts: Record<string, Chart> = {
  growth: {
    title: "Time by the number of files in a directory, asynchronously, nothing synced",
    xLabel: "files",
    yLabel: "time",
    x: (count) => count < 1000 ? `${count}` : `${Math.round(count / 100) / 10}k`,
    y: MS,
  },
  writers: {
    title: "Durable writes of 4 KiB by the number of writers in one directory",
    xLabel: "writers at a time",
    yLabel: "writes per second",
    x: String,
    y: (count) => count.toLocaleString("en"),
  },
  sizes: {
    title: "Replacing a file, asynchronously, with a sync of the file: time against the bound",
    xLabel: "size",
    yLabel: "ratio",
    x: KIB,
    y: (ratio) => `${Math.round(ratio * 100) / 100}`,
  },
};

/** A directory on the disk, and one in memory where there is a file system for that. */
async function makePlaces(): Promise<Record<string, string>> {
  const prefix = "untorn-bench-";
  const places: Record<string, string> = { disk: await Deno.makeTempDir({ prefix }) };
  try {
    places["memory"] = await Deno.makeTempDir({ prefix, dir: "/dev/shm" });
  } catch {
    console.error("There is no /dev/shm to measure on.");
  }
  return places;
}

await main(async () => {
  const { values: { quick = false, only } } = parseArgs({
    args: Deno.args,
    options: { quick: { type: "boolean" }, only: { type: "string", multiple: true } },
  });
  const unknown = only?.find((name) => !benches.some(({ file }) => file === name));
  if (unknown !== undefined) {
    throw new Failure(
      `unknown ${unknown}: there are ${[...new Set(benches.map((b) => b.file))].join(", ")}`,
    );
  }
  await ensureDependencies();
  const versions = await installPeers();
  const places = await makePlaces();
  const remove = (): void => {
    for (const dir of Object.values(places)) Deno.removeSync(dir, { recursive: true });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      remove();
      Deno.exit(1);
    });
  }
  const cells: MeasuredCell[] = [];
  const points: Measured[] = [];
  let number = 0;
  const budget = quick ? QUICK : FULL;
  try {
    for (const bench of benches) {
      if (only !== undefined && !only.includes(bench.file)) continue;
      for (const [place, dir] of Object.entries(places)) {
        if (bench.places?.includes(place) === false) continue;
        for (const runtime of bench.runtimes ?? (quick ? QUICKLY : ALL)) {
          console.error(`${bench.file} (${NAMES[runtime]}, ${place})`);
          // Nothing is deleted before the end: ext4 makes files slowly where many were deleted.
          const own = join(dir, String(++number));
          await Deno.mkdir(own);
          const file = `bench/${bench.file}.ts`;
          for (const what of await measure(file, runtime, own, budget, bench.flags)) {
            if ("chart" in what) points.push({ ...what, runtime: NAMES[runtime] });
            else cells.push({ ...what, place, runtime: NAMES[runtime] });
          }
        }
      }
    }
    const drawn = Object.fromEntries(
      Object.entries(charts).filter(([name]) => points.some(({ chart }) => chart === name))
        .map((
          [name, chart],
        ) => [name, draw(chart, points.filter((point) => point.chart === name))]),
    );
    const text = await report(
      cells,
      Object.fromEntries(
        Object.keys(drawn).map((name) => [name, charts[name]!.title]),
      ),
      places,
      versions,
    );
    if (quick || only !== undefined) console.log(text);
    else {
      const docs = join(project, "docs", "benchmarks");
      await Deno.mkdir(docs, { recursive: true });
      const readme = join(docs, "README.md");
      await Deno.writeTextFile(readme, text);
      await run([programs.deno, "fmt", "--quiet", readme]);
      for (const [name, svg] of Object.entries(drawn)) {
        await Deno.writeTextFile(join(docs, `${name}.svg`), svg);
      }
      console.error(`docs/benchmarks/README.md and ${Object.keys(drawn).length} pictures`);
    }
  } finally {
    remove();
  }
});
