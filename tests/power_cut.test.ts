/**
 * What a power cut leaves, on a model of a disk (`crash/image.ts`): every state that it may leave at any
 * moment of an operation is made, cleaned up, and looked at. Each sync of the operations is taken out once,
 * and then versions are lost.
 */

import { test } from "node:test";
import type { Durability } from "../lib/options.ts";
import { explore, type Explored } from "./crash/explore.ts";
import { deep, dirs, files, others, type Scenario } from "./crash/scenarios.ts";
import { assert, assertEquals } from "./helpers/assert.ts";
import { numbers } from "./helpers/random.ts";
import { ELSEWHERE, isMine } from "./helpers/share.ts";

/** What is tried by chance is the same each time, unless somebody wants to know more. */
const seed = Number(process.env.UNTORN_SEED ?? 1);

/** Of larger operations, so many states of each moment are looked at. */
const SOME = 400;

function found(scenario: Scenario, durability: Durability, without?: number): Explored {
  const most = others.includes(scenario) || durability === "none" ? SOME : Infinity;
  const isBrief = without !== undefined;
  const random = numbers(seed);
  return explore(scenario, { durability, most, random, isBrief, ...isBrief && { without } });
}

function sum({ moments }: Explored, of: "old" | "new"): number {
  return moments.reduce((sum, moment) => sum + moment[of], 0);
}

const all = [...files, ...dirs, ...others, deep];

for (const [i, scenario] of all.entries()) {
  const skip = !isMine(i) && ELSEWHERE;
  const isWhole = !others.includes(scenario);

  for (const durability of ["full", "file"] as const) {
    // What is not there for certain before is not there for certain afterwards.
    if (durability === "file" && scenario.prepare !== undefined) continue;
    test(
      `${scenario.name}: a power cut at any moment leaves one whole version (${durability})`,
      { skip },
      () => {
        const all = found(scenario, durability);
        assertEquals(all.violations.slice(0, 1), [], `seed ${seed}`);
        assertEquals(all.isExhaustive || !isWhole, true, "some states were not looked at");
        assert(sum(all, "new") > 0, "the new version never stood");
        assert(
          sum(all, "old") > 0 || scenario.prepare !== undefined,
          "the old version never stood",
        );
      },
    );
  }

  if (isWhole) {
    test(`${scenario.name}: without any one of its syncs, a version is lost`, { skip }, () => {
      for (let without = 1, all = 1; without <= all; without++) {
        const { violations, syncs } = found(scenario, "full", without);
        assert(violations.length > 0, `without sync ${without} of ${syncs}, nothing was lost`);
        all = syncs;
      }
    });
  }

  const isRemoval = scenario.name.includes("removed") || scenario.name.includes("rolled back");
  // Of what was synced before, nothing can be torn.
  if (isRemoval || scenario.prepare !== undefined) continue;
  test(`${scenario.name}: with nothing synced, a version is lost (none)`, { skip }, () => {
    assert(found(scenario, "none").violations.length > 0);
  });
}
