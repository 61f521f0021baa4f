/**
 * What stands when a call of a persist fails or the process is killed there, for every call: the old
 * version or the new one, whole; and what the next persist makes of what a kill left.
 */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { syncSource } from "../../lib/stage/content.ts";
import { type DirOptions, dirSettings, type PersistResult } from "../../lib/dir/dir_options.ts";
import { UntornError } from "../../lib/core/errors.ts";
import type { Os } from "../../lib/os/port.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import type { Steps } from "../../lib/core/steps.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { asyncForm, failing, killAfter, watched } from "../helpers/ports.ts";
import { isMine } from "../helpers/share.ts";
import { inMemory } from "../helpers/temp.ts";

const OLD = { "one": "old 1", "sub/two": "old 2" };
const OWN = { "own": "by hand", "sub/own": "by hand too", "dir/deep/own": "deep" };
const NEW = { "one": "new 1", "sub/two": "new 2", "sub/three": "new 3" };

type Tree = Record<string, string>;

function tree(dir: string, below = ""): Tree | undefined {
  if (!existsSync(dir)) return undefined;
  const found: Tree = {};
  for (const name of readdirSync(join(dir, below)).sort()) {
    const path = join(below, name);
    if (statSync(join(dir, path)).isDirectory()) Object.assign(found, tree(dir, path));
    else found[path] = readFileSync(join(dir, path), "utf8");
  }
  return found;
}

function plant(dir: string, files: Tree): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(dir, path, ".."), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
}

function sorted(files: Tree | undefined): Tree | undefined {
  return files && Object.fromEntries(Object.entries(files).sort(([a], [b]) => a < b ? -1 : 1));
}

/** What is beside the directory: nothing, unless a crash left it. */
function leftovers(dir: string): string[] {
  return readdirSync(dir).filter((name) => name !== "X");
}

interface Scenario {
  name: string;
  before: Tree | undefined;
  after: Tree;
  options: DirOptions;
}

const scenarios: Scenario[] = [
  { name: "create", before: undefined, after: NEW, options: {} },
  {
    name: "exchange",
    before: { ...OLD, ...OWN },
    after: { ...OWN, ...NEW },
    options: { swap: "exchange" },
  },
  {
    name: "two renames",
    before: { ...OLD, ...OWN },
    after: { ...OWN, ...NEW },
    options: { swap: "rename" },
  },
  {
    name: "two renames, nothing synced, no lock",
    before: { ...OLD, ...OWN },
    after: { ...OWN, ...NEW },
    options: { swap: "rename", durability: "none", lock: false },
  },
  {
    name: "exchange, no carry-over",
    before: { ...OLD, ...OWN },
    after: NEW,
    options: { swap: "exchange", durability: "file", carryOver: false },
  },
];

function operation(dir: string, { options }: Scenario): (os: Os) => Steps<unknown> {
  return (os) => {
    const entries = Object.entries(NEW).values();
    return persist(os, join(dir, "X"), entries, syncSource, dirSettings(options));
  };
}

function reset(dir: string, { before }: Scenario): void {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  if (before !== undefined) plant(join(dir, "X"), before);
}

const { os, run } = asyncForm;

for (const scenario of scenarios) {
  const [before, after] = [sorted(scenario.before), sorted(scenario.after)];
  test(
    `${scenario.name}: a call that fails leaves the old version or says it is replaced`,
    inMemory(async (temp) => {
      const dir = join(temp, "dir");
      for (const code of ["ENOSPC", "EIO"]) {
        let failures = 0;
        for (let k = 1;; k++) {
          if (!isMine(k)) continue;
          reset(dir, scenario);
          let made = 0;
          let failed = "";
          const port = watched(failing(os(), code, k), ({ name, number }) => {
            made++;
            if (number === k) failed = name;
          });
          const result = await run(operation(dir, scenario)(port)).catch((error) => error) as
            | UntornError
            | PersistResult;
          if (made < k) break;
          const said = result instanceof Error ? result.message : result.warnings.join();
          const where = `${code} at call ${k}: ${said}`;
          const found = tree(join(dir, "X"));
          if (result instanceof UntornError) {
            failures++;
            assertEquals(result.operation, "persist");
            if (result.outcome === "unchanged") assertEquals(found, before, where);
            else assertEquals([result.outcome, found], ["replaced", after], where);
            if (result.outcome === "unchanged" && !result.message.includes("not be removed")) {
              assertEquals(leftovers(dir), [], where);
            }
          } else if (failed === "removeTree" || code === "ENOSPC" && failed === "write") {
            // The scratch directory of the probe that could not be removed: trash by its name. Or the
            // line of the lock file, without which it is a lock all the same.
            assertEquals(found, after, where);
          } else {
            // After the acknowledgement nothing fails a persist, but everything is told.
            assertEquals(found, after, where);
            assert(result.warnings.length > 0, `${where} went unnoticed`);
          }
        }
        assert(failures > 2, `only ${failures} failures`);
      }
    }),
  );

  test(
    `${scenario.name}: a kill after any call leaves a version that the next persist finds`,
    inMemory(async (temp) => {
      const dir = join(temp, "dir");
      let kills = 0;
      for (let k = 1;; k++) {
        if (!isMine(k)) continue;
        reset(dir, scenario);
        const killed = await killAfter(k, os(), operation(dir, scenario));
        const found = tree(join(dir, "X"));
        if (found === undefined && before !== undefined) {
          // Only between two renames, and then the old version stands aside, whole.
          assertEquals(scenario.options.swap, "rename");
          assertEquals(tree(join(dir, ".old-X")), before, `killed after call ${k}`);
        } else {
          const whole = [before, after].map((tree) => JSON.stringify(tree));
          assert(whole.includes(JSON.stringify(found)), `killed after call ${k}`);
        }
        if (!killed) break;
        kills++;
        await run(operation(dir, scenario)(os()));
        assertEquals(tree(join(dir, "X")), after, `persisted after a kill after call ${k}`);
        const left = leftovers(dir).filter((name) => !/^\.trash-[0-9a-f]{12}$/.test(name));
        assertEquals(left, [], `persisted after a kill after call ${k}`);
      }
      assert(kills > 1, `only ${kills} kills`);
    }),
  );
}
