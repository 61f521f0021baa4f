/** Curves as a picture: a panel for each runtime, both axes logarithmic. */

import { line, picture, text } from "../scripts/svg.ts";
import type { Point } from "./measure.ts";

/** A curve's point, and in which runtime it was measured. */
export type Measured = Point & { runtime: string };

/** What a picture is about. */
export interface Chart {
  title: string;
  xLabel: string;
  yLabel: string;
  /** How a number on an axis is written. */
  x: (value: number) => string;
  y: (value: number) => string;
}

const [WIDTH, HEIGHT, TOP, LEFT, GAP] = [400, 280, 84, 64, 88] as const;
const COLOURS = ["#2f9e5f", "#3b6fd4", "#c2571a", "#8a4fbf", "#8896a8"];
const GRID = "#dde3ea";

/** Draws the curves of a chart. */
export function draw({ title, xLabel, yLabel, ...format }: Chart, points: Measured[]): string {
  const runtimes = [...new Set(points.map(({ runtime }) => runtime))];
  const series = [...new Set(points.map(({ series }) => series))];
  const xs = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const ys = points.map(({ y }) => y);
  const ticks = ticksOf(Math.min(...ys), Math.max(...ys));
  const scale = (value: number, [from, to]: readonly [number, number], length: number): number =>
    Math.log(value / from) / Math.log(to / from) * length;
  const yRange = [ticks[0]!, ticks.at(-1)!] as const;
  const colour = (name: string): string =>
    name === "Untorn" ? COLOURS[0]! : name === "bound" ? COLOURS.at(-1)! : COLOURS[
      series.filter((other) => other !== "bound").indexOf(name)
    ]!;
  const parts = [text(24, 30, title, "start", 17)];
  let at = 24;
  for (const name of series) {
    parts.push(line([[at, 52], [at + 22, 52]], colour(name), 3));
    parts.push(text(at + 28, 56, name, "start"));
    at += 60 + name.length * 7;
  }
  for (const [i, runtime] of runtimes.entries()) {
    const left = LEFT + i * (WIDTH + GAP);
    const x = (value: number): number => left + scale(value, [xs[0]!, xs.at(-1)!], WIDTH);
    const y = (value: number): number => TOP + 20 + HEIGHT - scale(value, yRange, HEIGHT);
    parts.push(text(left + WIDTH / 2, TOP + 6, runtime, "middle", 14));
    for (const tick of ticks) {
      parts.push(line([[left, y(tick)], [left + WIDTH, y(tick)]], GRID, 1));
      parts.push(text(left - 6, y(tick) + 4, format.y(tick), "end", 11));
    }
    for (const value of xs) {
      parts.push(line([[x(value), y(yRange[0])], [x(value), y(yRange[1])]], GRID, 1));
      parts.push(text(x(value), TOP + HEIGHT + 38, format.x(value), "middle", 11));
    }
    for (const name of series) {
      const curve = points.filter((point) => point.runtime === runtime && point.series === name)
        .sort((a, b) => a.x - b.x);
      parts.push(line(curve.map((point) => [x(point.x), y(point.y)]), colour(name), 2));
    }
    parts.push(text(left + WIDTH / 2, TOP + HEIGHT + 58, xLabel, "middle", 12));
    if (i === 0) parts.push(text(24, TOP + 6, yLabel, "start", 12));
  }
  const width = LEFT + runtimes.length * (WIDTH + GAP) - GAP + 40;
  return picture(width, TOP + HEIGHT + 76, parts);
}

/** 1, 2 and 5 of each power of ten around these numbers; only the powers where these are many. */
function ticksOf(least: number, most: number): number[] {
  const powers = Array.from({ length: 24 }, (_, i) => 10 ** (i - 9));
  const fine = powers.flatMap((power) => [power, 2 * power, 5 * power]);
  for (const all of [fine, powers]) {
    const first = all.findLastIndex((tick) => tick <= least);
    const ticks = all.slice(first, all.findIndex((tick) => tick >= most) + 1);
    if (ticks.length <= 10 || all === powers) return ticks;
  }
  return [];
}
