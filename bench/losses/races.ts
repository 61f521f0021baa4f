/** The experiments in which packages write files while others write, read, or kill. */

import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Experiment } from "./experiment.ts";
import { pause, type Place, run, start } from "./processes.ts";
import { writers } from "./packages.ts";

const names = Object.keys(writers);

const LETTERS = ["A", "B", "C", "D"];
const WRITERS = LETTERS.length;
const WRITES = 500;
const SIZE = 256 * 1024;

const processes: Experiment = {
  name: "processes",
  question:
    `${WRITERS} processes write one file, ${WRITES} times each, while another one reads it.`,
  packages: names,
  async run(name, place) {
    const path = join(place.dir, "file");
    Deno.writeFileSync(path, new Uint8Array(SIZE).fill(65));
    const contents = LETTERS.map((letter) => Buffer.alloc(SIZE, letter));
    const jobs = LETTERS.map((letter) => {
      const given = { dir: place.dir, count: WRITES, size: SIZE, letter };
      return start<Record<string, number>>("repeat", name, place, given);
    });
    await Promise.race(jobs.map(({ ready }) => ready));
    let [reads, torn, missing] = [0, 0, 0];
    while (jobs.some((job) => job.running())) {
      try {
        const bytes = Deno.readFileSync(path);
        if (!contents.some((content) => content.compare(bytes) === 0)) torn++;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
        missing++;
      }
      if (++reads % 100 === 0) await pause();
    }
    const errors: Record<string, number> = {};
    for (const result of await Promise.all(jobs.map((job) => job.result))) {
      for (const [code, count] of Object.entries(result!)) {
        errors[code] = (errors[code] ?? 0) + count;
      }
    }
    const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
    return {
      good: failed + torn + missing === 0,
      cell: failed + torn + missing === 0
        ? "no errors"
        : `${failed} failed, ${torn + missing} torn reads`,
      details: {
        writes: WRITERS * WRITES,
        failed,
        errors: Object.keys(errors).join(", ") || "–",
        reads,
        torn,
        missing,
      },
    };
  },
};

const FILES = 100;
const ROUNDS = 12;

const threads: Experiment = {
  name: "threads",
  question:
    `2 worker threads write ${FILES} files each, in one directory, ${ROUNDS} times, and read them back.`,
  packages: names,
  async run(name, place) {
    const given = { dir: place.dir, files: FILES, count: ROUNDS };
    type Result = { failed: number; wrong: number };
    const { failed, wrong } = await run<Result>("threads", name, place, given);
    return {
      good: failed + wrong === 0,
      cell: failed + wrong === 0 ? "no errors" : `${failed} failed, ${wrong} wrong`,
      details: { writes: 2 * FILES * ROUNDS, failed, "other bytes than written": wrong },
    };
  },
};

const KILLS = 6;

const kills: Experiment = {
  name: "after a kill",
  question:
    `${KILLS} processes are killed while they write 4 MiB; then one writes, and cleans up if it can.`,
  packages: names,
  async run(name, place) {
    const size = 4 * 1024 * 1024;
    const path = join(place.dir, "file");
    let torn = 0;
    Deno.writeFileSync(path, new Uint8Array(size).fill(110));
    for (let i = 0; i < KILLS; i++) {
      const given = { dir: place.dir, count: 1e9, size, letter: "n" };
      const job = start("repeat", name, place, given);
      await job.ready;
      await pause(5 + Math.random() * 60);
      job.kill();
      await job.result;
      if (Deno.statSync(path).size !== size) torn++;
    }
    const left = count(place);
    await run("clean", name, place, { dir: place.dir });
    const later = count(place);
    return {
      good: torn === 0 && later === 0,
      cell: torn > 0 ? `${torn} torn` : later === 0 ? "nothing left" : `${later} left`,
      details: { kills: KILLS, "torn files": torn, left, "left later": later },
    };
  },
};

/** What there is besides the one file. */
function count({ dir, temp }: Place): number {
  return [...Deno.readDirSync(dir), ...Deno.readDirSync(temp)].length - 1;
}

/** In the order in which they are run. */
export const raceExperiments: Experiment[] = [processes, threads, kills];
