/**
 * Crashes upon crashes: a persist is killed after change i; then a second persist, a removal or a cleanup
 * after change j; then a cleanup after change k, for all i, j and k. In the end a cleanup leaves one whole
 * version and nothing beside it.
 */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cleanUp } from "../../lib/recovery/cleanup.ts";
import { cleanupSettings } from "../../lib/recovery/cleanup_options.ts";
import { syncSource } from "../../lib/stage/content.ts";
import { dirSettings, removeSettings } from "../../lib/dir/dir_options.ts";
import { systemCalls } from "../../lib/os/system.ts";
import type { Os } from "../../lib/os/port.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import { remove } from "../../lib/dir/atomic_remove.ts";
import type { Steps } from "../../lib/core/steps.ts";
import { cleanupSync, inspectSync } from "../../mod.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { killAfter } from "../helpers/ports.ts";
import { shared } from "../helpers/share.ts";
import { inMemory } from "../helpers/temp.ts";

/** What is in a directory: text by path; for a directory, nothing. */
type Disk = Map<string, string | undefined>;

function read(dir: string, below = "", disk: Disk = new Map()): Disk {
  for (const name of readdirSync(join(dir, below)).sort()) {
    const path = join(below, name);
    const isDir = lstatSync(join(dir, path)).isDirectory();
    disk.set(path, isDir ? undefined : readFileSync(join(dir, path), "utf8"));
    if (isDir) read(dir, path, disk);
  }
  return disk;
}

function write(dir: string, disk: Disk): void {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  for (const [path, text] of disk) {
    if (text === undefined) mkdirSync(join(dir, path));
    else writeFileSync(join(dir, path), text);
  }
}

/** A disk as a key: two that differ in random names or numbers of processes alone are the same. */
function keyOf(disk: Disk): string {
  const text = JSON.stringify([...disk]);
  return text.replace(/[0-9a-f]{12}/g, "T").replace(/\\"pid\\":\d+/g, "pid");
}

/** The state after some crashes, and how many sequences of crashes lead to it. */
interface State {
  disk: Disk;
  sequences: number;
  /** The newest version that anybody can have seen or been promised; 0 is none. */
  seen: number;
  /** Whether it may be missing in the end. */
  removed: boolean;
}

interface Operation {
  name: string;
  /** The version that stands if it came to its end. */
  version?: number;
  removes?: boolean;
  steps: (os: Os, root: string) => Steps<unknown>;
}

function persisting(version: number, swap: "exchange" | "rename"): Operation {
  const settings = dirSettings({ swap, durability: "none" });
  const entries = { a: `${version}` };
  const name = `persist ${version}`;
  const steps: Operation["steps"] = (os, root) =>
    persist(os, join(root, "X"), entries, syncSource, settings);
  return { name, version, steps };
}

const removing: Operation = {
  name: "remove",
  removes: true,
  steps: (os, root) => remove(os, join(root, "X"), removeSettings({ durability: "none" })),
};

const cleaning: Operation = {
  name: "cleanup",
  steps: (os, root) => cleanUp(os, root, cleanupSettings({}), true),
};

function versionIn(disk: Disk): number {
  return Number(disk.get("X/a") ?? 0);
}

/** All states that an operation leaves which is killed after any of its calls, or comes to its end. */
async function crash(root: string, from: State[], operations: Operation[]): Promise<State[]> {
  const states = new Map<string, State>();
  for (const { disk, ...before } of from) {
    for (const { steps, version, removes } of operations) {
      for (let k = 1, killed = true; killed; k++) {
        write(root, disk);
        killed = await killAfter(k, systemCalls().sync, (os) => steps(os, root));
        const after = read(root);
        const promised = killed ? 0 : version ?? 0;
        const seen = removes ? 0 : Math.max(before.seen, versionIn(after), promised);
        const removed = before.removed && version === undefined || removes === true;
        const key = keyOf(after) + seen + removed;
        const known = states.get(key);
        if (known !== undefined) known.sequences += before.sequences;
        else states.set(key, { disk: after, sequences: before.sequences, seen, removed });
      }
    }
  }
  return [...states.values()];
}

function check(root: string, { disk, seen, removed }: State, newest: number): void {
  const where = (): string => JSON.stringify([...disk]);
  write(root, disk);
  const told = inspectSync(root);
  assertEquals([...read(root)], [...disk], "inspect changed something");
  const report = cleanupSync(root);
  assertEquals(report.failed, [], where());
  assertEquals(report.restored, told.restored, where());
  assertEquals(report.removed, told.removed, where());
  if (removed && !existsSync(join(root, "X"))) {
    assertEquals([...read(root)], [], where());
    return;
  }
  const version = Number(readFileSync(join(root, "X/a"), "utf8"));
  assert(version >= seen && version >= 1 && version <= newest, `${version} of ${seen}: ${where()}`);
  const whole = [["X", undefined], ["X/a", `${version}`], ["X/own", "own"]];
  assertEquals([...read(root)], whole, where());
  assertEquals(Object.values(cleanupSync(root)).flat(), [], where());
}

for (const [swap, number] of [["exchange", 0], ["rename", 1]] as const) {
  test(
    `all sequences of up to three crashes lead to one whole version and nothing beside it (${swap})`,
    shared(number),
    inMemory(async (dir) => {
      const root = join(dir, "root");
      const disk: Disk = new Map([["X", undefined], ["X/a", "1"], ["X/own", "own"]]);
      const start: State = { disk, sequences: 1, seen: 1, removed: false };
      const one = await crash(root, [start], [persisting(2, swap)]);
      const two = await crash(root, one, [persisting(3, swap), removing, cleaning]);
      const three = await crash(root, two, [cleaning]);
      const all = [...one, ...two, ...three];
      for (const state of all) check(root, state, 3);
      const sequences = all.reduce((sum, state) => sum + state.sequences, 0);
      assert(sequences > 1000 && three.length > 100, `${sequences} in ${three.length} states`);
    }),
  );
}
