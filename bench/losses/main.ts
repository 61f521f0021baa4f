/**
 * What known packages lose where Untorn loses nothing, tried on this machine: `[--only PACKAGE]` tries
 * one beside Untorn, `--json` prints one object. Exit code 1 if Untorn loses anything.
 */

import { parseArgs } from "node:util";
import { ensureDependencies, Failure, main } from "../../scripts/tools.ts";
import { installPeers, table } from "../peers.ts";
import { dirExperiments } from "./dirs.ts";
import type { Experiment, Finding } from "./experiment.ts";
import { fileExperiments } from "./files.ts";
import { makePlaces, type Places } from "./processes.ts";
import { raceExperiments } from "./races.ts";
import { watchedExperiments } from "./watched.ts";

const experiments = [...fileExperiments, ...watchedExperiments, ...raceExperiments];

/** What came of an experiment: why it was skipped, or what it found for each package. */
interface Result {
  experiment: string;
  question: string;
  skipped?: string;
  found: Record<string, Finding>;
}

async function examine(
  { name, question, packages, unavailable, run }: Experiment,
  chosen: (name: string) => boolean,
  places: Places,
): Promise<Result> {
  const found: Record<string, Finding> = {};
  const skipped = await unavailable?.();
  if (skipped !== undefined) return { experiment: name, question, skipped, found };
  for (const tried of packages.filter(chosen)) {
    found[tried] = await run(tried, places.next()).catch((error: Error) => ({
      good: false,
      cell: "did not run",
      details: { error: error.message.trim().replaceAll(/\s+/g, " ") },
    }));
  }
  return { experiment: name, question, found };
}

const marked = ({ good, cell }: Finding): string => good ? cell : `**${cell}**`;

function show({ experiment, question, skipped, found }: Result, versions: Versions): string {
  const head = `\n## ${experiment}\n\n${question}\n`;
  if (skipped !== undefined) return `${head}\nSkipped: ${skipped}.`;
  const columns = [...new Set(Object.values(found).flatMap(({ details }) => Object.keys(details)))];
  const rows = Object.entries(found).map(([name, finding]) => [
    `${name} ${versions[name]}`,
    marked(finding),
    ...columns.map((column) => String(finding.details[column] ?? "")),
  ]);
  return `${head}\n${table([["package", "outcome", ...columns], ...rows])}`;
}

type Versions = Record<string, string>;

/** One row a package, one column an experiment. */
function summary(results: Result[], versions: Versions): string {
  const names = [...new Set(results.flatMap(({ found }) => Object.keys(found)))];
  const rows = names.map((name) => [
    `${name} ${versions[name]}`,
    ...results.map(({ found }) => found[name] === undefined ? "" : marked(found[name])),
  ]);
  return table([["package", ...results.map(({ experiment }) => experiment)], ...rows]);
}

await main(async () => {
  const { values: { only, json } } = parseArgs({
    args: Deno.args,
    options: { only: { type: "string" }, json: { type: "boolean" } },
  });
  await ensureDependencies();
  const versions = await installPeers();
  if (only !== undefined && versions[only] === undefined) {
    throw new Failure(`unknown package ${only}; known: ${Object.keys(versions).join(", ")}`);
  }
  const chosen = (name: string): boolean =>
    only === undefined || name === only || name === "untorn";
  const wanted = [...experiments, ...dirExperiments]
    .filter(({ packages }) => only === undefined || packages.includes(only));
  const places = makePlaces();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      places.remove();
      Deno.exit(1);
    });
  }
  const results: Result[] = [];
  try {
    for (const experiment of wanted) {
      const result = await examine(experiment, chosen, places);
      results.push(result);
      if (!json) console.log(show(result, versions));
    }
  } finally {
    places.remove();
  }
  if (json) console.log(JSON.stringify({ versions, results }, null, 2));
  else {
    console.log("\n## All of it, in short (losses in bold)\n");
    for (const kind of [experiments, dirExperiments]) {
      const of = results.filter(({ experiment }) => kind.some(({ name }) => name === experiment));
      console.log(summary(of, versions) + "\n");
    }
  }
  if (results.some(({ found }) => found.untorn?.good === false)) {
    throw new Failure("Untorn has lost something: see above");
  }
});
