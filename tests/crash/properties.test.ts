/**
 * Sequences of operations, kills, power cuts and cleanups by chance, against a model of what they should
 * come to (`crash/world.ts`). What fails is told as the shortest sequence that fails, with its seed;
 * `UNTORN_SEED` tries others.
 */

import * as fc from "fast-check";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Durability } from "../../lib/core/options.ts";
import { systemCalls } from "../../lib/os/system.ts";
import type { Os } from "../../lib/os/port.ts";
import { runSync } from "../../lib/core/steps.ts";
import { someCut } from "./image.ts";
import { ModelDisk } from "./model_disk.ts";
import {
  after,
  type Change,
  cleaning,
  DIRS,
  ENTRIES,
  FILES,
  type Operation,
  perform,
  read,
  textOf,
  type World,
} from "./world.ts";
import { assert } from "../helpers/assert.ts";
import { killAfter } from "../helpers/ports.ts";
import { numbers } from "../helpers/random.ts";
import { runtime } from "../helpers/runtime.ts";
import { inMemory } from "../helpers/temp.ts";

const seed = Number(process.env.UNTORN_SEED ?? 1) + ["deno", "bun", "node"].indexOf(runtime);

/** A step: an operation that ends, is killed, or has the power cut; then what comes before the next. */
interface Step {
  operation: Operation;
  /** After so many calls. */
  killed: number | undefined;
  /** Whether the power is cut then, and the number that decides what is left. */
  cut: number | undefined;
  /** Whether a cleanup comes next. */
  cleans: boolean;
}

const text = fc.integer({ min: 0, max: 99 }).map((n) => `${n} `.repeat(n % 3 === 2 ? 300 : 3));
const file = fc.constantFrom(...FILES);

const changes: fc.Arbitrary<Change>[] = [
  fc.record({ do: fc.constant("write" as const), path: file, text }),
  fc.record({ do: fc.constant("remove" as const), path: fc.constantFrom(...FILES, ...DIRS) }),
  fc.record({
    do: fc.constant("persist" as const),
    path: fc.constantFrom(...DIRS),
    entries: fc.subarray(ENTRIES),
    text,
    carries: fc.boolean(),
    swap: fc.constantFrom("exchange" as const, "rename" as const, "journal" as const),
  }),
];

const operation: fc.Arbitrary<Operation> = fc.oneof(
  ...changes,
  fc.record({ do: fc.constant("append" as const), path: file, text }),
  fc.record({
    do: fc.constant("transaction" as const),
    changes: fc.uniqueArray(fc.oneof(...changes), { selector: ({ path }) => path, maxLength: 4 }),
  }),
);

const steps = fc.array(
  fc.record<Step>({
    operation,
    killed: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
    cut: fc.option(fc.nat(), { nil: undefined }),
    cleans: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40, size: "max" },
);

/** A place to run sequences in. */
interface Place {
  os: () => Os;
  root: string;
  /** Cuts the power, where that can be done. */
  cut?: (choice: number) => void;
}

let count = 0;

async function run(steps: Step[], place: Place, durability: Durability): Promise<void> {
  // What there may be, and what there may be after a power cut: of what was killed, nothing is certain.
  let worlds: World[] = [new Map()];
  let durable = worlds;
  for (const { operation, killed, cut, cleans } of steps) {
    count++;
    const next = worlds.map((world) => after(world, operation));
    const nextDurable = [...next, ...durable.map((world) => after(world, operation))];
    const work = (os: Os) => perform(os, place.root, operation, durability);
    const died = killed !== undefined && await killAfter(killed, place.os(), work);
    if (killed === undefined) runSync(work(place.os()));
    worlds = distinct([...died ? worlds : [], ...next]);
    durable = distinct([...died ? durable : [], ...nextDurable]);
    const isCut = cut !== undefined && place.cut !== undefined;
    if (isCut) {
      place.cut!(cut);
      worlds = durable;
    }
    // What is written between the crash of a transaction and its recovery is newer, and stays.
    if (!cleans && !(died && operation.do === "transaction")) continue;
    runSync(cleaning(place.os(), place.root));
    const stands = runSync(read(place.os(), place.root));
    const found = worlds.find((world) => textOf(world) === textOf(stands));
    const possible = worlds.map(textOf).join("\n- or\n");
    assert(found !== undefined, `stands:\n${textOf(stands)}\n- instead of\n${possible}`);
    worlds = [found];
    // Each power cut leaves what is on the disk.
    if (isCut) durable = worlds;
  }
}

function distinct(worlds: World[]): World[] {
  return [...new Map(worlds.map((world) => [textOf(world), world])).values()];
}

function modelled(): Place {
  let disk = new ModelDisk();
  runSync(disk.os.mkdir("/disk", 0o755));
  // A directory that is there is taken to be on the disk (docs/guarantees.md).
  runSync(disk.os.mkdir("/disk/deep", 0o755));
  disk = new ModelDisk(disk.image);
  return {
    os: () => disk.os,
    root: "/disk",
    cut: (choice) => void (disk = new ModelDisk(someCut(disk.moments().at(-1)!, numbers(choice)))),
  };
}

test("any sequence of operations, kills, power cuts and cleanups leaves whole versions", async () => {
  count = 0;
  const property = fc.asyncProperty(steps, (steps) => run(steps, modelled(), "full"));
  await fc.assert(property, { seed, numRuns: 250 });
  assert(count >= 3_400, `only ${count} steps`);
});

test(
  "any sequence of operations, kills and cleanups leaves whole versions, with nothing synced",
  inMemory(async (dir) => {
    let number = 0;
    const property = fc.asyncProperty(steps, async (steps) => {
      const root = join(dir, `${++number}`);
      mkdirSync(root);
      await run(steps, { os: () => systemCalls().sync, root }, "none");
    });
    await fc.assert(property, { seed, numRuns: 20 });
  }),
);
