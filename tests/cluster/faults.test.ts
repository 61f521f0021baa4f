/** Replicas and machines that fail: what was acknowledged stays, what failed says what stands, one version is whole. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  atomicWrite,
  cleanup,
  lock,
  persistDir,
  readStable,
  transaction,
  type UntornError,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { programCommand, start, until } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";
import {
  eventually,
  healed,
  inReplica,
  killMachine,
  killReplica,
  mount,
  noCluster,
  on,
  startReplicas,
  traced,
  unmount,
} from "./volume.ts";

const options = { skip: noCluster };
const NAMES = 20;
const PERSISTS = 200;
const DEATHS = 8;
const MOMENTS = 6;

const version = (number: number) => ({ left: `${number}`, "sub/right": `${number}` });

/** The version of a directory, which must be whole. */
function versionIn(dir: string): number {
  const numbers = ["left", "sub/right"].map((name) =>
    Number(String(readFileSync(join(dir, name))))
  );
  assertEquals(numbers[0], numbers[1], `a mixture in ${dir}`);
  return numbers[0]!;
}

test(
  `a replica dies and comes back during ${PERSISTS} persists: what was acknowledged is in all of them`,
  options,
  async () => {
    const root = "replicas";
    mkdirSync(on("a", root));
    /** The number that was acknowledged last, by name, and those that may be there instead. */
    const acknowledged = new Map<string, number>();
    const possible = new Map<string, Set<number>>();
    const [errors, warned] = [[], []] as [string[], string[]];
    for (let i = 1; i <= PERSISTS; i++) {
      if (i === 40) await killReplica(0);
      if (i === 90) await startReplicas();
      if (i === 120) {
        await healed();
        await killReplica(1);
      }
      if (i === 170) await startReplicas();
      const name = `d${i % NAMES}`;
      try {
        const { warnings } = await persistDir(join(on("a", root), name), version(i));
        if (warnings.length > 0) warned.push(`${i}: ${warnings}`);
        acknowledged.set(name, i);
        possible.set(name, new Set([i]));
      } catch (error) {
        const { code, outcome, message } = error as UntornError;
        errors.push(`${i}: ${message}`);
        assert(["ENOTCONN", "ESTALE", "EIO", "EROFS"].includes(code), message);
        if (outcome === "replaced") possible.set(name, new Set([i]));
        if (outcome === "unknown") possible.get(name)?.add(i);
      }
    }
    await healed();
    console.log(`${PERSISTS} persists, errors: ${errors.join("; ") || 0}`);
    console.log(`  warnings: ${warned.join("; ") || 0}`);
    for (const [name, number] of acknowledged) {
      for (const place of [on("a", root), on("b", root)]) {
        const found = await readStable(join(place, name), versionIn);
        assert(
          possible.get(name)!.has(found),
          `${name}: ${found}, though ${number} was acknowledged`,
        );
      }
      const inAll = [0, 1, 2].map((replica) => versionIn(join(inReplica(replica, root), name)));
      assertEquals(new Set(inAll).size, 1, `${name}: ${inAll}`);
      assert(possible.get(name)!.has(inAll[0]!), `${name}: ${inAll}`);
    }
    const left = readdirSync(on("a", root)).filter((name) => name.startsWith("."));
    assert(left.length <= warned.length, `left without a warning: ${left}`);
    assert(left.every((name) => name.startsWith(".trash-")), `${left}`);
    await cleanup(on("b", root), { minAge: 0 });
    assertEquals(readdirSync(on("b", root)).filter((name) => name.startsWith(".")), []);
  },
);

test("with one replica of three nothing is changed, and the error says so", options, async () => {
  const path = on("a", "quorum");
  await atomicWrite(join(path, "file"), "old");
  await persistDir(join(path, "site"), version(1));
  try {
    await killReplica(0);
    await killReplica(1);
    const failed = [
      await assertRejects(() => atomicWrite(join(path, "file"), "new")),
      await assertRejects(() => persistDir(join(path, "site"), version(2))),
      await assertRejects(() => transaction(path, (tx) => tx.write("file", "new"))),
      await assertRejects(() => lock(join(path, "file"), { wait: 0 })),
    ] as UntornError[];
    for (const { name, code, outcome, message } of failed) {
      console.log(message);
      assertEquals([name, outcome], ["UntornError", "unchanged"], `${code} ${message}`);
    }
  } finally {
    await startReplicas();
  }
  await healed();
  await eventually("it can be written again", () => existsSync(join(path, "file")));
  const { failed } = await cleanup(path, { minAge: 0 });
  assertEquals(failed, []);
  assertEquals(readFileSync(join(path, "file"), "utf8"), "old");
  assertEquals(await readStable(join(path, "site"), versionIn), 1);
  await atomicWrite(join(path, "file"), "new");
  await persistDir(join(path, "site"), version(2));
});

test(
  `two replicas die at ${MOMENTS} moments: the error of what was under way says what stands`,
  options,
  async () => {
    const path = on("a", "moments");
    const told: string[] = [];
    let last = 1;
    await persistDir(join(path, "site"), version(last));
    for (let i = 0; i < MOMENTS; i++) {
      const dying = new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 150))
        .then(() => Promise.all([killReplica(0), killReplica(1)]));
      let [number, outcome] = [last, ""];
      try {
        while (outcome === "") {
          number++;
          const swap = i % 2 === 0 ? "rename" : "journal";
          await persistDir(join(path, "site"), version(number), { swap }).then(
            () => last = number,
            (error: UntornError) => {
              outcome = error.outcome;
              told.push(`${error.code} ${outcome}`);
            },
          );
        }
      } finally {
        await dying;
        await startReplicas();
      }
      await healed();
      const { failed, skipped } = await cleanup(path, { minAge: 0 });
      assertEquals([failed, skipped], [[], []]);
      const stands = await readStable(join(path, "site"), versionIn);
      const expected = outcome === "unchanged"
        ? [last]
        : outcome === "replaced"
        ? [number]
        : [last, number];
      assert(
        expected.includes(stands),
        `${stands} stands, of ${last} and ${number}: ${told.at(-1)}`,
      );
      last = stands;
    }
    console.log(told.join(", "));
  },
);

test("a lock outlives two of its replicas, which die one after the other", options, async () => {
  const path = on("a", "held");
  const held = await lock(path);
  try {
    for (const replica of [0, 1]) {
      await killReplica(replica);
      await startReplicas();
      await healed();
    }
    const error = await assertRejects(() => lock(on("b", "held"), { wait: 0 })) as UntornError;
    assertEquals(error.code, "ERR_LOCKED");
  } finally {
    await held.release();
  }
});

test(
  `a machine dies ${DEATHS} times in the middle of a persist: a cleanup on the other leaves one whole version`,
  options,
  inTemp(async (dir) => {
    const [root, acks] = ["deaths", join(dir, "acks")];
    mkdirSync(on("b", root));
    const took: number[] = [];
    let [last, leftovers] = [0, 0];
    for (let i = 0; i < DEATHS; i++) {
      writeFileSync(acks, "");
      const args = [on("a", root), "rename", `${last + 1}`, "1000", acks];
      const { child, ended } = start(programCommand("tests/cluster/persister.ts", args));
      const lines = (): string[] => readFileSync(acks, "utf8").split("\n").filter(Boolean);
      try {
        await until(() => lines().length > 0);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
      } finally {
        killMachine("a");
      }
      const began = performance.now();
      // Its processes find that out by themselves.
      await until(() => lines().some((line) => line.includes(" ")));
      process.kill(child.pid!, "SIGKILL");
      await ended;
      const site = join(on("b", root), "site");
      let report = await cleanup(on("b", root), { minAge: 0 });
      while (report.skipped.length > 0 && performance.now() < began + 60_000) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        report = await cleanup(on("b", root), { minAge: 0 });
      }
      took.push(Math.round(performance.now() - began));
      leftovers += report.removed.length + report.restored.length;
      assertEquals([report.failed, report.skipped], [[], []]);
      assertEquals(readdirSync(on("b", root)), ["site"]);
      const text = (path: string): string => String(readFileSync(join(path, "left")));
      last = Number(await readStable(site, text));
      const all = await readStable(
        site,
        (path) =>
          ["left", "sub/middle", "right"].map((name) => String(readFileSync(join(path, name)))),
      );
      assertEquals(new Set(all).size, 1, all.join());
      const whole = lines().filter((line) => !line.includes(" ")).map(Number);
      const [number, , outcome] = lines().find((line) => line.includes(" "))!.split(" ");
      const expected = outcome === "unchanged"
        ? [whole.at(-1)!]
        : outcome === "replaced"
        ? [Number(number)]
        : [whole.at(-1)!, Number(number)];
      assert(expected.includes(last), `${last} stands, ${outcome} of ${expected} was told`);
      unmount("a");
      await mount("a");
    }
    console.log(`recovered after ms: ${took.sort((one, other) => one - other)}`);
    assert(leftovers > 0, "no death left anything");
  }),
);

test("each file of a persist, and of many, is synced by every replica", options, async () => {
  const root = on("a", "synced");
  mkdirSync(root);
  const FILES = 50;
  const counted = join(process.env.UNTORN_CLUSTER!, "syncs");
  await traced(["-e", "trace=fsync,fdatasync", "-o", counted], async () => {
    const entries = Object.fromEntries(Array.from({ length: FILES }, (_, i) => [`f${i}`, "text"]));
    await persistDir(join(root, "site"), entries);
  });
  const calls = readFileSync(counted, "utf8").match(/\b(?:fsync|fdatasync)\(/g) ?? [];
  assert(calls.length >= 3 * FILES, `${calls.length} syncs of ${FILES} files on three replicas`);
});
