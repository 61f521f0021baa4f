/**
 * Makes, on a model of a disk, what a power cut may leave of an operation at any moment, and what comes
 * after it: a cleanup, a cleanup that is cut off in its turn, the same operation again.
 */

import { cleanUp } from "../../lib/recovery/cleanup.ts";
import { cleanupSettings } from "../../lib/recovery/cleanup_options.ts";
import { recognise } from "../../lib/core/names.ts";
import type { Durability } from "../../lib/core/options.ts";
import type { Os } from "../../lib/os/port.ts";
import { catchOsError } from "../../lib/core/errors.ts";
import { runSync, type Steps } from "../../lib/core/steps.ts";
import { chooseSwap } from "../../lib/fs/swap.ts";
import { lstatOrUndefined } from "../../lib/fs/target.ts";
import { bytesOf, everyCut, type Image, type Moment, someCut, walk } from "./image.ts";
import { ModelDisk } from "./model_disk.ts";
import type { Scenario } from "./scenarios.ts";

/** What was found. */
export interface Explored {
  /** How many different states a power cut may leave, by moment: those in which either version stands. */
  moments: { old: number; new: number; lost: number }[];
  /** Whether these are all. */
  isExhaustive: boolean;
  /** What was lost, torn or left, in words. */
  violations: string[];
  /** How many syncs the operation made. */
  syncs: number;
}

export interface Options {
  durability: Durability;
  /** The number of a sync that does nothing, from 1. */
  without?: number;
  /** So many states are looked at at most; of more, as many by chance. */
  most: number;
  random: () => number;
  /** Whether the first violation is enough. */
  isBrief?: boolean;
}

/** Tries what a power cut may leave of an operation. */
export function explore(scenario: Scenario, options: Options): Explored {
  const { durability } = options;
  const disk = new ModelDisk(plant(scenario).image);
  if (scenario.first !== undefined) runSync(scenario.first(portOf(disk, scenario), durability));
  const { os, count } = countSyncs(portOf(disk, scenario), options.without);
  const past = disk.moments().length - 1;
  const before = tree(disk.image, scenario);
  if (scenario.prepare !== undefined) runSync(scenario.prepare(disk.os));
  runSync(scenario.change(os, durability));
  const judge = new Judge(scenario, options, before, tree(disk.image, scenario));
  const found: Explored = { moments: [], isExhaustive: true, violations: [], syncs: count() };
  const seen = new Set<string>();
  const moments = disk.moments().slice(past);
  const order = [...moments.entries()];
  // A sync that is missing is missed soonest in the end.
  for (const [i, moment] of options.isBrief ? order.reverse() : order) {
    const isAcknowledged = i === moments.length - 1;
    const counts = { old: 0, new: 0, lost: 0 };
    found.moments.push(counts);
    // What was not synced before the operation is not its own to keep.
    if (scenario.prepare !== undefined && !(isAcknowledged && durability === "full")) continue;
    for (const image of cuts(moment, options, found)) {
      const key = `${isAcknowledged} ${keyOf(image)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const { stands, problem } = judge.judge(image, isAcknowledged);
      counts[stands]++;
      if (problem === undefined) continue;
      found.violations.push(`${problem}\n${tree(image, scenario)}`);
      if (options.isBrief) return found;
    }
  }
  return found;
}

/** What is made of a state: which version stands, and what is wrong. */
interface Judgement {
  stands: "old" | "new" | "lost";
  problem?: string | undefined;
}

/** Cleans up what was left, and looks at what stands. */
class Judge {
  readonly #scenario: Scenario;
  readonly #options: Options;
  readonly #before: string;
  readonly #after: string;

  constructor(scenario: Scenario, options: Options, before: string, after: string) {
    this.#scenario = scenario;
    this.#options = options;
    this.#before = before;
    this.#after = after;
  }

  judge(image: Image, isAcknowledged: boolean): Judgement {
    const left = new ModelDisk(image);
    const first = this.#cleaned(left, isAcknowledged);
    if (first.problem !== undefined) return first;
    if (clean(left.os, false, true) !== "") {
      return { stands: "lost", problem: "a second cleanup finds something" };
    }
    const whole = tree(left.image, this.#scenario);
    const problem = (isAcknowledged ? undefined : this.#judgeClaims(image, whole)) ??
      this.#judgeMore(image, isAcknowledged);
    return problem === undefined ? first : { stands: "lost", problem };
  }

  #cleaned(left: ModelDisk, isAcknowledged: boolean): Judgement {
    const report = clean(left.os, false);
    if (report !== "") return { stands: "lost", problem: report };
    const now = tree(left.image, this.#scenario);
    if (now === this.#after) return { stands: "new" };
    const mustBeNew = isAcknowledged && this.#options.durability === "full";
    if (now === this.#before && !mustBeNew) return { stands: "old" };
    return { stands: "lost", problem: `stands:\n${now}` };
  }

  /** Until the end, what has moved is claimed: a cleanup of what is claimed alone finds all of it. */
  #judgeClaims(image: Image, whole: string): string | undefined {
    const left = new ModelDisk(image);
    const report = clean(left.os, true);
    const now = tree(left.image, this.#scenario, isUnclaimed);
    if (now === whole) return undefined;
    const shown = tree(left.image, this.#scenario, isOurs);
    if (shown === this.#before && whole === this.#before) return undefined;
    return `${report}; where only what is claimed is cleaned up, stands:\n${now}`;
  }

  /** What is tried of some states only: a power cut during the cleanup, and the operation once more. */
  #judgeMore(image: Image, isAcknowledged: boolean): string | undefined {
    const { random, durability } = this.#options;
    if (random() > SHARE) return undefined;
    const first = new ModelDisk(image);
    clean(first.os, false);
    const moments = first.moments();
    const moment = moments[Math.floor(random() * moments.length)]!;
    const second = new ModelDisk(someCut(moment, random, durability !== "full"));
    const { problem } = this.#cleaned(second, isAcknowledged);
    if (problem !== undefined) return `after a power cut during the cleanup: ${problem}`;
    if (!this.#scenario.repeatable) return undefined;
    const again = new ModelDisk(image);
    runSync(this.#scenario.change(portOf(again, this.#scenario), durability));
    clean(again.os, false);
    const last = withoutTimes(tree(again.image, this.#scenario));
    return last === withoutTimes(this.#after) ? undefined : `done once more:\n${last}`;
  }
}

/** So many of the states are tried further. */
const SHARE = 0.1;

function* cuts(
  moment: Moment,
  { most, random, durability }: Options,
  found: Explored,
): Generator<Image> {
  // Without a sync in between, that nothing goes before what was renamed is up to the file system.
  const ordered = durability !== "full";
  let count = 0;
  for (const image of everyCut(moment, ordered)) {
    if (count++ === most) {
      found.isExhaustive = false;
      for (let i = 0; i < most; i++) yield someCut(moment, random, ordered);
      return;
    }
    yield image;
  }
}

/** The disk on which a scenario begins. */
export function plant({ before }: Scenario): ModelDisk {
  const disk = new ModelDisk();
  for (const [path, text] of Object.entries(before)) {
    for (let at = path.indexOf("/", 1); at > 0; at = path.indexOf("/", at + 1)) {
      const error = runSync(catchOsError(disk.os.mkdir(path.slice(0, at), 0o755)));
      if (error !== undefined && error.code !== "EEXIST") throw error;
    }
    if (text.startsWith("-> ")) runSync(disk.os.symlink(text.slice(3), path));
    else runSync(disk.os.createWhole(path, 0o640, new TextEncoder().encode(text)));
  }
  // What an exchange does is found out once for each file system: before what is explored.
  runSync(chooseSwap(disk.os, "/", runSync(disk.os.lstat("/")).dev, "auto"));
  return disk;
}

export function portOf({ os }: { os: Os }, { oneByOne }: Scenario): Os {
  // deno-lint-ignore require-yield
  const no = function* (): Steps<undefined> {
    return undefined;
  };
  return oneByOne ? { ...os, openFs: no } : os;
}

function countSyncs(os: Os, without: number | undefined): { os: Os; count: () => number } {
  let count = 0;
  const unless = <Args extends unknown[]>(sync: (...args: Args) => Steps<void>): typeof sync =>
    function* (...args) {
      if (++count !== without) yield* sync(...args);
    };
  return { os: { ...os, fsync: unless(os.fsync), syncFs: unless(os.syncFs) }, count: () => count };
}

/** Cleans up; returns what is odd in the report. */
export function clean(os: Os, claimedOnly: boolean, mustBeEmpty: boolean = false): string {
  const settings = cleanupSettings({ minAge: 0, recursive: true, claimedOnly });
  const report = runSync(cleanUp(os, "/", settings, true));
  const { failed, skipped, quarantined } = report;
  const stays = skipped.filter(({ path }) => runSync(lstatOrUndefined(os, path)) !== undefined);
  const odd = mustBeEmpty ? Object.values(report).flat() : [...failed, ...stays, ...quarantined];
  return odd.map(({ path, reason }) => `${path}: ${reason}`).join("; ");
}

/** What is on a disk, as text, without what has an unwanted name. */
export function tree(
  image: Image,
  { mayStay }: Scenario,
  isUnwanted: (name: string) => boolean = () => false,
): string {
  const lines: string[] = [];
  for (const [path, , node] of walk(image)) {
    if (mayStay?.test(path) || path.split("/").some(isUnwanted)) continue;
    const facts = node.kind === "file" ? [node.mtime, new TextDecoder().decode(bytesOf(node))] : [];
    const name = path.replace(/(\.history-\w+\/)\d+/, "$1N");
    lines.push([name, node.kind, node.mode.toString(8), ...facts].join(" "));
  }
  return lines.sort().join("\n");
}

/** What no lock claims: trash, staged files, and locks that have no line yet. */
function isUnclaimed(name: string): boolean {
  return /^\.(?:trash|lock)-|\.tmp$/.test(name);
}

export function isOurs(name: string): boolean {
  const known = recognise(name, "directory") ?? recognise(name, "file");
  return known !== undefined && known.kind !== "history";
}

export function withoutTimes(tree: string): string {
  return tree.replace(/\d{13}/g, "");
}

/** The same for states that do not differ in anything that anybody can see. */
function keyOf(image: Image): string {
  let key = "";
  for (const [path, ino, { mode, mtime, size, blocks }] of walk(image)) {
    key += `${path} ${ino} ${mode} ${mtime} ${size} ${[...blocks.keys()]}\n`;
  }
  return key;
}
