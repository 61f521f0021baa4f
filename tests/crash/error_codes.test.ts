/**
 * Errors of the disk, on a model of it: each call of each operation fails, once and for good, with each
 * code, and each call of the recovery from each crash. What the error says stands, and a cleanup of the
 * disk that works again leaves one whole version and nothing beside it.
 */

import { test } from "node:test";
import { cleanUp } from "../../lib/recovery/cleanup.ts";
import { cleanupSettings } from "../../lib/recovery/cleanup_options.ts";
import { OsError, UntornError } from "../../lib/core/errors.ts";
import { type Calls, type Os, port } from "../../lib/os/port.ts";
import { runSync, type Steps } from "../../lib/core/steps.ts";
import { copy, type Image } from "./image.ts";
import { clean, isOurs, plant, portOf, tree, withoutTimes } from "./explore.ts";
import { ModelDisk } from "./model_disk.ts";
import { deep, dirs, files, others, type Scenario } from "./scenarios.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { killAfter } from "../helpers/ports.ts";
import { numbers } from "../helpers/random.ts";
import { ELSEWHERE, isLong, isMine } from "../helpers/share.ts";

/** What is tried by chance is the same each time, unless somebody wants to know more. */
const random = numbers(Number(process.env.UNTORN_SEED ?? 1));

/** So many of the recoveries from a crash with an error are tried, of each operation. */
const SOME = 20;

/** Of the calls of an operation, this share fails with each error. */
const SHARE = 0.3;

/** Errors of one call, and of all or some from one on. */
const ERRORS: { code: string; last: number; kind?: Kind }[] = [
  ...["ENOSPC", "EIO", "EMFILE", "EACCES", "EROFS", "EDQUOT"]
    .flatMap((code) => [{ code, last: 0 }, { code, last: Infinity }]),
  { code: "EROFS", last: Infinity, kind: "changes" },
  { code: "EIO", last: Infinity, kind: "made, then closes" },
];

/** Which calls fail from one on: all, those that change something (a read-only disk), or it and what closes. */
type Kind = "all" | "changes" | "made, then closes";

const CHANGES = ["create", "createWhole", "write", "rename", "link", "unlink", "symlink", "copy"]
  .concat(["mkdir", "rmdir", "removeTree", "exchange", "chmod", "chown", "utime"]);

/** A disk whose calls with these numbers fail, and how many there were. */
function failing(
  disk: ModelDisk,
  code: string,
  from: number,
  to: number,
  kind: Kind = "all",
): { disk: { os: Os }; count: () => number } {
  let count = 0;
  let isChange = false;
  const concerns = (name: string): boolean => {
    if (kind === "all") return true;
    if (kind === "changes") return CHANGES.includes(name);
    if (count === from) isChange = CHANGES.includes(name);
    return isChange && (count === from || name === "close");
  };
  const wrap = (name: string, call: (...args: unknown[]) => unknown) => (...args: unknown[]) => {
    const fails = ++count >= from && count <= to && concerns(name);
    // A close that fails has closed: close(2).
    const isMade = name === "close" || kind === "made, then closes";
    const answer = !fails || isMade ? call(...args) : undefined;
    if (!fails) return answer;
    throw new OsError(code, name, args.find((arg) => typeof arg === "string"));
  };
  const wrapped = Object.entries(disk.calls).map(([name, call]) => [name, wrap(name, call)]);
  const calls: Calls = Object.fromEntries(wrapped);
  return { disk: { os: port(calls) }, count: () => count };
}

interface Versions {
  before: string;
  after: string;
}

function versions(scenario: Scenario, start: Image): Versions {
  const disk = new ModelDisk(start);
  const before = withoutTimes(tree(disk.image, scenario));
  runSync(scenario.change(portOf(disk, scenario), "full"));
  return { before, after: withoutTimes(tree(disk.image, scenario)) };
}

function attempt(steps: Steps<unknown>): unknown {
  try {
    runSync(steps);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** One of these must stand once the process has ended, which frees its locks, and a cleanup has run. */
function checkCleaned(disk: ModelDisk, scenario: Scenario, whole: string[], where: string): void {
  const next = new ModelDisk(disk.image);
  // What could not be deleted was set aside, for a person to look at.
  const odd = clean(next.os, false).split("; ").filter((line) => !line.includes("/.corrupt-"));
  assertEquals(odd, odd[0] === "" ? [""] : [], where);
  const stands = withoutTimes(tree(next.image, scenario, isSetAside));
  assert(
    whole.includes(stands),
    `${where}; one of\n${whole.join("\n- or\n")}\n- stands:\n${stands}`,
  );
}

function isSetAside(name: string): boolean {
  return name.startsWith(".corrupt-");
}

/** What an error says stands must stand, and the whole of it after a cleanup. */
function check(
  disk: ModelDisk,
  scenario: Scenario,
  { before, after }: Versions,
  error: unknown,
  where: string,
): void {
  assert(error === undefined || error instanceof UntornError, `${where}: ${error}`);
  const outcome = error === undefined ? "replaced" : error.outcome;
  const whole = { unchanged: [before], replaced: [after], unknown: [before, after] }[outcome];
  // What a transaction has committed may be for a cleanup to bring to its end, as may be the move of
  // the version before to the history.
  const isPending = /transaction|in place|rolled back/.test(scenario.name);
  if (outcome === "unchanged" || outcome === "replaced" && !isPending) {
    const seen = withoutTimes(tree(disk.image, scenario, isOurs));
    assert(whole.includes(seen), `${where} says ${outcome}, stands:\n${seen}`);
  }
  checkCleaned(disk, scenario, whole, where);
}

const all = [...files, ...dirs, ...others, deep].filter((scenario) =>
  scenario.prepare === undefined && scenario.first === undefined
);

for (const [i, scenario] of all.entries()) {
  const skip = !isMine(i) && ELSEWHERE;
  const start = plant(scenario).image;

  test(`${scenario.name}: a call that fails, once or for good, leaves what its error says`, {
    skip,
  }, () => {
    const both = versions(scenario, copy(start));
    let failures = 0;
    for (const { code, last, kind } of ERRORS) {
      // A removal is one call: whether it was made is all there is to say.
      if (kind === "made, then closes" && !scenario.name.includes("removed")) continue;
      for (let k = 1, ended = false; !ended; k++) {
        if (!isLong && random() > SHARE) continue;
        const disk = new ModelDisk(copy(start));
        const faulty = failing(disk, code, k, Math.max(k, last), kind);
        const error = attempt(scenario.change(portOf(faulty.disk, scenario), "full"));
        ended = faulty.count() < k;
        if (error !== undefined) failures++;
        const where = `${code} at call ${k}${last ? " and from then on" : ""} (${kind ?? "all"})`;
        // No scenario has a source of its own: whatever failed is the system's.
        if (error instanceof UntornError) assert(error.code !== "ERR_SOURCE", where);
        check(disk, scenario, both, error, where);
      }
    }
    assert(failures >= 10, `only ${failures} calls failed`);
  });

  test(`${scenario.name}: interrupted calls are made again`, { skip }, () => {
    const { after } = versions(scenario, copy(start));
    for (let k = 1;; k++) {
      const disk = new ModelDisk(copy(start));
      const faulty = failing(disk, "EINTR", k, k + 2);
      const error = attempt(scenario.change(portOf(faulty.disk, scenario), "full"));
      if (faulty.count() < k) break;
      // An interrupted close has closed, and says no more than that.
      if (error !== undefined) assert(/close/.test(String((error as Error).cause)), String(error));
      else assertEquals(withoutTimes(tree(disk.image, scenario)), after, `EINTR at call ${k}`);
    }
  });

  test(
    `${scenario.name}: errors during the recovery from any crash lose nothing`,
    { skip },
    async () => {
      const wholes = Object.values(versions(scenario, copy(start)));
      const left: { image: Image; crash: number }[] = [];
      for (let crash = 1, changes = -1;; crash++) {
        const crashed = new ModelDisk(copy(start));
        const work = (os: Os) => scenario.change(os, "full");
        if (!await killAfter(crash, portOf(crashed, scenario), work)) break;
        // Where nothing was changed since the last, the same is left.
        if (crashed.changes !== changes) left.push({ image: crashed.image, crash });
        changes = crashed.changes;
      }
      const all = left.flatMap((state) => ERRORS.map((error) => ({ ...state, ...error })));
      let recoveries = 0;
      for (const { image, crash, code, last } of all) {
        if (!isLong && random() > SOME / all.length) continue;
        for (let k = 1;; k++) {
          const disk = new ModelDisk(copy(image));
          const faulty = failing(disk, code, k, Math.max(k, last));
          const error = attempt(cleaning(faulty.disk.os));
          if (faulty.count() < k) break;
          recoveries++;
          const where = `${code} at call ${k} of the cleanup after a kill after call ${crash}`;
          assert(error === undefined || error instanceof UntornError, `${where}: ${error}`);
          const next = new ModelDisk(disk.image);
          assertEquals(clean(next.os, false), "", where);
          const stands = withoutTimes(tree(next.image, scenario));
          assert(wholes.includes(stands), `${where}, stands:\n${stands}`);
        }
      }
      assert(recoveries >= 20, `only ${recoveries} recoveries`);
    },
  );
}

function* cleaning(os: Os): Steps<unknown> {
  return yield* cleanUp(os, "/", cleanupSettings({ minAge: 0, recursive: true }), true);
}
