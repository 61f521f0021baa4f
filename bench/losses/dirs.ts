/** The experiments with packages that swap directories. */

import { join } from "node:path";
import type { Experiment } from "./experiment.ts";
import { pause, start } from "./processes.ts";
import { swaps } from "./packages.ts";

const packages = Object.keys(swaps);
const SWAPS = 300;

const readers: Experiment = {
  name: "reader of a swap",
  question:
    `A directory of 40 files is replaced ${SWAPS} times while another process looks for it.`,
  packages,
  async run(name, place) {
    type Result = { failed: number; byRename: number };
    const job = start<Result>("swapOften", name, place, { dir: place.dir, count: SWAPS });
    await job.ready;
    const file = join(place.dir, "target", "f39");
    let [looks, gaps, there] = [0, 0, true];
    while (job.running()) {
      const now = exists(file);
      if (there && !now) gaps++;
      there = now;
      if (++looks % 200 === 0) await pause();
    }
    const { failed, byRename } = (await job.result)!;
    return {
      good: gaps + failed === 0,
      cell: failed > 0 ? `${failed} failed` : gaps > 0 ? `missing ${gaps} times` : "never missing",
      details: {
        swaps: SWAPS,
        looks,
        "times missing": gaps,
        failed,
        "without exchange": byRename,
      },
    };
  },
};

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const KILLS = 25;

const kills: Experiment = {
  name: "kill of a swap",
  question: `A process that replaces such a directory again and again is killed, ${KILLS} times.`,
  packages,
  async run(name, place) {
    const states: Record<string, number> = { whole: 0, missing: 0, incomplete: 0 };
    for (let i = 0; i < KILLS; i++) {
      const dir = join(place.dir, String(i));
      Deno.mkdirSync(dir);
      const job = start("swapOften", name, place, { dir, count: 1e9 });
      await job.ready;
      await pause(5 + Math.random() * 80);
      job.kill();
      await job.result;
      states[state(join(dir, "target"))]!++;
    }
    const lost = KILLS - states.whole!;
    return {
      good: lost === 0,
      cell: lost === 0
        ? "always whole"
        : `missing ${states.missing}, incomplete ${states.incomplete} of ${KILLS}`,
      details: { kills: KILLS, ...states },
    };
  },
};

/** Whether a directory has all files of one version. */
function state(target: string): "whole" | "missing" | "incomplete" {
  if (!exists(target)) return "missing";
  const files = [...Deno.readDirSync(target)].map(({ name }) => join(target, name));
  const versions = new Set(files.map((file) => Deno.readTextFileSync(file)));
  return files.length === 40 && versions.size === 1 ? "whole" : "incomplete";
}

/** In the order in which they are run. */
export const dirExperiments: Experiment[] = [readers, kills];
