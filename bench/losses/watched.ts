/** The experiments in which a write is watched from outside: by strace, and by looking at its modes. */

import { join } from "node:path";
import type { Experiment } from "./experiment.ts";
import { pause, type Place, run, start, works } from "./processes.ts";
import { writers } from "./packages.ts";

const names = Object.keys(writers);
const octal = (mode: number): string => mode.toString(8);

const straceWorks = await works("strace", "-e", "trace=none", "true");

/** The command that logs some calls of the one that follows. */
const traced = (
  log: string,
  calls: string,
): string[] => ["strace", "-f", "-y", "-qq", "-o", log, "-e", `trace=${calls}`];

const planted: Experiment = {
  name: "planted link",
  question: "A link stands at the name that the temporary file is going to have, if that is known.",
  packages: names,
  async run(name, place) {
    type Result = { predictable: boolean; victim: string; error?: string };
    const log = join(place.temp, "strace");
    const before = straceWorks ? traced(log, "open,openat") : [];
    const given = { dir: place.dir };
    const { predictable, victim, error } = await run<Result>("plant", name, place, given, before);
    const through = victim !== "precious";
    const exclusive = straceWorks ? createdExclusively(log, place) : "not known";
    return {
      good: !through,
      cell: through ? "written through" : predictable ? "not followed" : "name is random",
      details: {
        "name can be known": predictable ? "yes" : "no",
        "file behind the link": through ? "overwritten" : predictable ? "kept" : "–",
        call: error ?? "succeeded",
        "created exclusively (O_EXCL)": exclusive,
      },
    };
  },
};

/** Whether temporary files were opened in the way that follows no link. */
function createdExclusively(log: string, { dir, temp }: Place): string {
  const opened = Deno.readTextFileSync(log).split("\n").filter((line) =>
    line.includes("O_CREAT") && !line.includes(`${dir}/victim"`) &&
    !line.includes(`${dir}/file"`) &&
    (line.includes(`"${dir}/`) || line.includes(`"${temp}/`))
  );
  if (opened.length === 0) return "not seen";
  return opened.every((line) => line.includes("O_EXCL")) ? "yes" : "no";
}

const modes: Experiment = {
  name: "mode",
  question: "A file of mode 600, then one of 640, is replaced 10 times; what modes are ever seen?",
  packages: names,
  async run(name, place) {
    Deno.chmodSync(place.dir, 0o775);
    const seen: string[] = [];
    let [good, wider] = [true, 0];
    let dir = 0o775;
    for (const mode of [0o600, 0o640]) {
      Deno.removeSync(place.temp, { recursive: true });
      Deno.mkdirSync(place.temp);
      if (mode === 0o640) Deno.removeSync(join(place.dir, "file"));
      type Result = { error?: string; mode: number; dirMode: number };
      const job = start<Result>("keepMode", name, place, { dir: place.dir, mode });
      await job.ready;
      let widest = 0;
      for (let looks = 1; job.running(); looks++) {
        widest |= widestMode(place);
        if (looks % 50 === 0) await pause();
      }
      const after = (await job.result)!;
      if (after.error !== undefined) throw new Error(`${name} failed: ${after.error}`);
      wider |= widest & ~mode;
      dir = after.dirMode;
      seen.push(
        after.mode === mode ? `${octal(mode)} kept` : `${octal(mode)}→${octal(after.mode)}`,
      );
      good &&= after.mode === mode && (widest & ~mode) === 0 && dir === 0o775;
    }
    if (dir !== 0o775) seen.push(`directory 775→${octal(dir)}`);
    const open = wider === 0 ? "no" : `yes, by ${octal(wider)}`;
    return {
      good,
      cell: good ? "kept" : seen.filter((text) => text.includes("→")).join(", ") ||
        "wider at times",
      details: { modes: seen.join(", "), "wider at some time": open },
    };
  },
};

/** All permission bits of the files that are there now. */
function widestMode({ dir, temp }: Place): number {
  let widest = 0;
  for (const place of [dir, temp]) {
    for (const { name } of Deno.readDirSync(place)) {
      try {
        widest |= Deno.lstatSync(join(place, name)).mode! & 0o777;
      } catch (error) {
        // Renamed meanwhile.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
  return widest;
}

const syncs: Experiment = {
  name: "syncs",
  question: "Is the file synced before the rename, and the directory after it (strace)?",
  packages: names,
  unavailable: () =>
    Promise.resolve(straceWorks ? undefined : "strace is not installed here, or may not trace"),
  async run(name, place) {
    const log = join(place.temp, "strace");
    const given = { dir: place.dir, count: 1, size: 1000, letter: "n" };
    await run("repeat", name, place, given, traced(log, "/sync|rename"));
    const lines = Deno.readTextFileSync(log).split("\n");
    const renamed = lines.findIndex((line) => line.includes("rename") && line.includes(place.dir));
    const synced = (path: string) => (line: string): boolean =>
      new RegExp(`sync\\(\\d+<${path}>`).test(line);
    const file = lines.slice(0, renamed).some(synced(`(${place.dir}|${place.temp})/[^>]+`));
    const dir = lines.slice(renamed).some(synced(place.dir));
    return {
      good: file && dir,
      cell: file ? dir ? "file, directory" : "file only" : "none",
      details: { file: file ? "yes" : "no", directory: dir ? "yes" : "no" },
    };
  },
};

/** In the order in which they are run. */
export const watchedExperiments: Experiment[] = [planted, modes, syncs];
