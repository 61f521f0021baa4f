/**
 * Draws what a power cut may leave of each operation, on the model of a disk, into `docs/states.svg`: how
 * many states there are at each moment, and which version stands after a cleanup of each.
 *
 *     deno run -A scripts/draw_states.ts
 */

import { join } from "node:path";
import { explore } from "../tests/crash/explore.ts";
import { deep, dirs, files, type Scenario } from "../tests/crash/scenarios.ts";
import { numbers } from "../tests/helpers/random.ts";
import { box, COLOURS, picture, text } from "./svg.ts";
import { main, project } from "./tools.ts";

const WIDTH = 1120;
const LEFT = 424;
const TOP = 108;
const ROW = 46;
const CELL = 50;

/** An operation, and what was found of it. */
interface Row {
  name: string;
  moments: { old: number; new: number; lost: number }[];
  /** How many of its syncs were missed when they were taken out, and how many there are. */
  missed: number;
  syncs: number;
}

await main(async () => {
  const scenarios = [...files, ...dirs, deep].filter(({ prepare }) => prepare === undefined);
  const rows = scenarios.map(rowOf);
  await Deno.writeTextFile(join(project, "docs/states.svg"), draw(rows));
  const sum = rows.flatMap(({ moments }) => moments)
    .reduce((sum, moment) => sum + moment.old + moment.new + moment.lost, 0);
  console.log(`${sum} states of ${rows.length} operations: docs/states.svg`);
});

function rowOf(scenario: Scenario): Row {
  const options = { durability: "full", most: Infinity, random: numbers(1) } as const;
  const { moments, syncs } = explore(scenario, options);
  let missed = 0;
  for (let without = 1; without <= syncs; without++) {
    const { violations } = explore(scenario, { ...options, without, isBrief: true });
    if (violations.length > 0) missed++;
  }
  return { name: scenario.name, moments, missed, syncs };
}

function draw(rows: Row[]): string {
  const height = TOP + rows.length * ROW + 24;
  return picture(WIDTH, height, [
    text(
      24,
      34,
      "What a power cut may leave, and which version stands after a cleanup",
      "start",
      18,
    ),
    ...legend(),
    text(
      LEFT,
      TOP - 12,
      "states that are new before sync 1, 2, 3 …; last: acknowledged",
      "start",
    ),
    text(WIDTH - 24, TOP - 12, "without it, a version is lost", "end"),
    ...rows.flatMap((row, i) => drawRow(row, TOP + i * ROW)),
  ]);
}

function legend(): string[] {
  const entries = [["old", "the old version"], ["new", "the new version"], ["lost", "neither"]];
  return entries.flatMap(([key, label], i) => [
    box(24 + i * 150, 52, 12, 12, COLOURS[key as "old"]),
    text(42 + i * 150, 63, label!, "start"),
  ]);
}

function drawRow({ name, moments, missed, syncs }: Row, top: number): string[] {
  const bottom = top + ROW - 18;
  const parts = [
    `<line x1="24" x2="${WIDTH - 24}" y1="${top}" y2="${top}" stroke="#e3e7ec"/>`,
    text(24, top + 24, name, "start"),
    text(WIDTH - 24, top + 24, `${missed} of ${syncs} syncs`, "end"),
  ];
  for (const [i, moment] of moments.entries()) {
    const x = LEFT + i * CELL;
    const all = moment.old + moment.new + moment.lost;
    let y = bottom;
    for (const key of ["new", "old", "lost"] as const) {
      // By the logarithm of all states, shared out by the number of each kind.
      const part = all === 0 ? 0 : (3 + 6 * Math.log10(all)) * moment[key] / all;
      if (part === 0) continue;
      y -= part;
      parts.push(box(x, y, CELL - 10, part, COLOURS[key]));
    }
    parts.push(
      text(
        x + (CELL - 10) / 2,
        bottom + 13,
        all === 0 ? "·" : all.toLocaleString("en"),
        "middle",
        11,
      ),
    );
  }
  return parts;
}
