/**
 * What a power cut leaves, on a model of a disk (`crash/image.ts`): every state that it may leave at any
 * moment of an operation is made, cleaned up, and looked at. Each sync of the operations is taken out once,
 * and then versions are lost.
 */

import { test } from "node:test";
import type { Durability } from "../../lib/core/options.ts";
import type { Os } from "../../lib/os/port.ts";
import { runSync } from "../../lib/core/steps.ts";
import { clean, explore, type Explored, plant, portOf, tree, withoutTimes } from "./explore.ts";
import { copy, someCut } from "./image.ts";
import { ModelDisk } from "./model_disk.ts";
import { deep, dirs, files, others, type Scenario } from "./scenarios.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { killAfter } from "../helpers/ports.ts";
import { numbers } from "../helpers/random.ts";
import { ELSEWHERE, isMine } from "../helpers/share.ts";

/** What is tried by chance is the same each time, unless somebody wants to know more. */
const seed = Number(process.env.UNTORN_SEED ?? 1);

/** After a kill and a cleanup, so many states of each moment are looked at. */
const CUTS = 10;

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

  if (scenario.prepare === undefined && scenario.first === undefined) {
    test(`${scenario.name}: a power cut after a kill and a cleanup leaves one whole version`, {
      skip,
    }, async () => {
      const random = numbers(seed);
      const start = plant(scenario).image;
      const ended = new ModelDisk(copy(start));
      runSync(scenario.change(portOf(ended, scenario), "full"));
      const whole = [start, ended.image].map((image) => withoutTimes(tree(image, scenario)));
      for (let kill = 1;; kill++) {
        const disk = new ModelDisk(copy(start));
        const work = (os: Os) => scenario.change(os, "full");
        if (!await killAfter(kill, portOf(disk, scenario), work)) break;
        clean(disk.os, false);
        for (const moment of disk.moments()) {
          for (let n = 0; n < CUTS; n++) {
            const left = new ModelDisk(someCut(moment, random));
            const where = `cut after a kill after change ${kill}, seed ${seed}`;
            assertEquals(clean(left.os, false), "", where);
            const stands = withoutTimes(tree(left.image, scenario));
            assert(whole.includes(stands), `${where}, stands:\n${stands}`);
          }
        }
      }
    });
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
