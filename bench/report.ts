/** Measurements as Markdown: what was to be reached and what was, then every table, and on what. */

import { programs } from "../scripts/tools.ts";
import { table } from "./peers.ts";
import type { Cell } from "./measure.ts";

/** A cell, and where and in which runtime it was measured. */
export type MeasuredCell = Cell & { place: string; runtime: string };

/** What is wanted of a runtime: the median of some ratios is at most so much. */
interface Goal {
  what: string;
  table: string;
  row: RegExp;
  column?: string;
  /** All of them, unless it says. */
  runtimes?: string[];
  /** In memory there is nothing to be synced. */
  isForDisk?: boolean;
  most: number;
}

const goals: Goal[] = [
  {
    what: "4 KiB and 1 MiB, sync",
    table: "Replacing a file",
    row: /, sync,/,
    column: "Untorn",
    most: 1.1,
  },
  {
    what: "4 KiB, async (Deno)",
    table: "Replacing a file",
    row: /4 KiB, async/,
    column: "Untorn",
    runtimes: ["Deno"],
    most: 0.75,
  },
  {
    what: "4 KiB, async (Bun, Node)",
    table: "Replacing a file",
    row: /4 KiB, async/,
    column: "Untorn",
    runtimes: ["Bun", "Node"],
    most: 0.6,
  },
  {
    what: "16 durable writers: throughput 1.3 times the bound's",
    table: "Sixteen writers at a time",
    row: /directory$|directories$/,
    column: "Untorn",
    most: 0.77,
  },
  {
    what: "1 MiB and 64 MiB, async",
    table: "Large files, asynchronously",
    row: /B, \w+$/,
    most: 1.05,
  },
  { what: "1 GiB from a pipe", table: "From a pipe", row: /cat/, most: 1.1 },
  {
    what: "1,000 files, durable: 3 times as fast as a sync per file",
    table: "Replacing a directory",
    row: /1,000 files, full \/ a sync per file$/,
    column: "sync",
    isForDisk: true,
    most: 0.33,
  },
  {
    what: "the same without a sync of the file system: 1.5 times",
    table: "Replacing a directory",
    // Of Deno, the row without FFI; Bun and Node have it in the synchronous form only.
    row: /1,000 files, full \/ a sync per file/,
    column: "async",
    isForDisk: true,
    most: 0.67,
  },
  {
    what: "10,000 files carried over, durable: 5 times as fast as copying",
    table: "Replacing a directory",
    row: /carried over, full \/ copying$/,
    isForDisk: true,
    most: 0.2,
  },
  { what: "cleanup among 100,000 entries", table: "Cleaning up", row: /listing/, most: 1.5 },
  {
    what: "start of the command",
    table: "Starting the command",
    row: /empty/,
    column: "--version",
    most: 1.6,
  },
];

const number = (ratio: number): string => ratio.toFixed(2);
const RUNTIMES = ["Deno", "Bun", "Node"];

/** A goal's row: the median in each runtime, on the disk, in memory, and over both. */
function reached(goal: Goal, cells: MeasuredCell[]): string[] | undefined {
  const found = cells.filter(({ table, row, column, ratio, place }) =>
    table === goal.table && goal.row.test(row) && ratio !== undefined &&
    (place === "disk" || goal.isForDisk !== true) &&
    (goal.column === undefined || column === goal.column)
  );
  if (found.length === 0) return undefined;
  const figures = RUNTIMES.map((runtime) => {
    if (goal.runtimes?.includes(runtime) === false) return "";
    const own = found.filter((cell) => cell.runtime === runtime);
    const places = ["disk", "memory"].map((place) => own.filter((cell) => cell.place === place));
    const [all, ...each] = [own, ...places].map((some) =>
      middle(some.map(({ ratio }) => ratio![0]))
    );
    if (all === undefined) return "";
    const mark = all <= goal.most ? number(all) : `**${number(all)}**`;
    return each.includes(undefined)
      ? mark
      : `${mark} (${each.map((one) => number(one!)).join(", ")})`;
  });
  return [goal.what, `${goal.most}`, ...figures];
}

/** The median; of an even number, the mean of the middle two. */
function middle(values: number[]): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const half = (sorted.length - 1) / 2;
  return (sorted[Math.floor(half)]! + sorted[Math.ceil(half)]!) / 2;
}

/** A cell as text. */
export function shown({ ratio, ms, text }: Cell): string {
  if (ratio === undefined) return text ?? "";
  const [median, low, high] = ratio.map(number);
  const time = ms! < 1 ? `${(ms! * 1000).toFixed(0)} µs` : `${ms!.toFixed(ms! < 100 ? 1 : 0)} ms`;
  return `${median} (${low}–${high}) ${time}`;
}

/** The tables of one kind: one for each runtime and place. */
function tables(kind: string, cells: MeasuredCell[]): string {
  const own = cells.filter(({ table }) => table === kind);
  const groups = new Map<string, MeasuredCell[]>();
  for (const cell of own) {
    const group = `${cell.runtime}, ${cell.place === "disk" ? "on the disk" : "in memory"}`;
    groups.set(group, [...groups.get(group) ?? [], cell]);
  }
  const parts = [...groups].map(([group, some]) => {
    const columns = [...new Set(some.map(({ column }) => column))];
    const rows = [...new Set(some.map(({ row }) => row))].map((row) => [
      row,
      ...columns.map((column) => {
        const cell = some.find((cell) => cell.row === row && cell.column === column);
        return cell === undefined ? "" : shown(cell);
      }),
    ]);
    return table([[group, ...columns], ...rows]);
  });
  return `## ${kind}\n\n${parts.join("\n\n")}\n`;
}

/** What it was measured on. */
async function machine(places: Record<string, string>): Promise<string> {
  const read = (path: string): Promise<string> => Deno.readTextFile(path).catch(() => "");
  const model = /model name\s*: (.*)/.exec(await read("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const mounts = [...(await read("/proc/self/mounts")).matchAll(/^(\S+) (\S+) (\S+) (\S+)/gm)];
  const kinds = Object.entries(places).map(([place, dir]) => {
    const above = mounts.filter(([, , at]) => dir.startsWith(at === "/" ? at : `${at}/`));
    const longest = above.sort(([, , one], [, , other]) => other!.length - one!.length)[0];
    if (longest === undefined) return `${place}: unknown`;
    const [, device, , type, options] = longest;
    const loop = device!.startsWith("/dev/loop") ? " on a loop device" : "";
    return `${place}: ${type}${loop} (${options})`;
  });
  return `${navigator.hardwareConcurrency} cores (${model.trim()}), ${memory} GiB, ` +
    `Linux ${Deno.osRelease()}; ${kinds.join(", ")}`;
}

/** All of it; `pictures` are names and titles of those beside it. */
export async function report(
  cells: MeasuredCell[],
  pictures: Record<string, string>,
  places: Record<string, string>,
  versions: Record<string, string>,
): Promise<string> {
  const goalRows = goals.map((goal) => reached(goal, cells)).filter((row) => row !== undefined);
  const parts = [
    "# Benchmarks\n",
    "Made by `deno task bench`. Ratios of times, each measured in one process with what it is compared " +
    "with, turn by turn: the median, where 10 % and 90 % of the rounds end, and the median of the own times. " +
    "The bound is a hand-written sequence of the same calls at the same durability, with no look at the " +
    "target (`bench/bound.ts`), in the asynchronous form by the callbacks of `node:fs`, which on Deno write " +
    "and close at once, and do the rest in the background. A package stands in a row if it offers what that " +
    "asks for. [machines.md](machines.md) has what was reached on another machine.\n",
    `Measured on ${new Date().toISOString().slice(0, 10)}: ${await machine(places)}. ${
      Object.entries(await runtimes()).map(([name, version]) => `${name} ${version}`).join(", ")
    }; ${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")}.\n`,
  ];
  if (goalRows.length > 0) {
    parts.push(
      "## What was to be reached\n",
      "Ratios: the median over all of its rows, and on the disk and in memory. **Bold** is what was not " +
        "reached.\n",
      table([["work", "at most", ...RUNTIMES], ...goalRows]) + "\n",
    );
  }
  for (const [name, title] of Object.entries(pictures)) parts.push(`![${title}](${name}.svg)\n`);
  for (const kind of new Set(cells.map(({ table }) => table))) parts.push(tables(kind, cells));
  return parts.join("\n");
}

async function runtimes(): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const [name, program] of Object.entries(programs)) {
    const { stdout } = await new Deno.Command(program, { args: ["--version"] }).output();
    versions[name] = /\d+\.\d+\.\d+/.exec(new TextDecoder().decode(stdout))?.[0] ?? "";
  }
  return versions;
}
