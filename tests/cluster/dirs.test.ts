/** Directories on two machines: readers of the one while the other replaces them, cleanups, kills. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cleanup, persistDirSync, readStable } from "../../mod.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { programCommand, start, until } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";
import { noCluster, on } from "./volume.ts";

const options = { skip: noCluster };
const ROUNDS = 100;
/** So long, in ms, may a process take. */
const LIMIT = 300_000;
/** In place each takes 3.5 s, until other machines have forgotten what was there before. */
const SWAPS = [
  ["rename", { persists: 200, kills: 20, within: 100 }],
  ["journal", { persists: 15, kills: 6, within: 4500 }],
] as const;

const FILES = ["left", "sub/middle", "right"];

function versionsIn(dir: string): string[] {
  return [...new Set(FILES.map((name) => String(readFileSync(join(dir, name)))))];
}

/** Starts a process on machine a that persists. */
function persister(root: string, swap: string, from: number, count: number, acks: string) {
  writeFileSync(acks, "");
  const args = [on("a", root), swap, `${from}`, `${count}`, acks];
  return start(programCommand("tests/cluster/persister.ts", args), {}, LIMIT);
}

const lines = (path: string): string[] => readFileSync(path, "utf8").split("\n").filter(Boolean);

for (const [swap, { persists }] of SWAPS) {
  test(
    `${persists} persists (${swap}) on one machine: readStable() on the other returns no mixture`,
    options,
    inTemp(async (dir) => {
      const [root, acks] = [`read-${swap}`, join(dir, "acks")];
      mkdirSync(on("a", root));
      persistDirSync(join(on("a", root), "site"), { left: "0", "sub/middle": "0", right: "0" });
      const writer = persister(root, swap, 1, persists, acks);
      let ended = false;
      writer.ended.finally(() => ended = true);
      const looker = start(
        programCommand("tests/cluster/looker.ts", [
          join(on("b", root), "site/left"),
          join(dir, "stop"),
        ]),
        {},
        LIMIT,
      );
      const mixtures: string[][] = [];
      const seen = new Set<string>();
      let [reads, tries] = [0, 0];
      try {
        while (!ended) {
          const found = await readStable(join(on("b", root), "site"), async (path) => {
            tries++;
            const left = String(readFileSync(join(path, "left")));
            // Long enough for others to come between.
            await new Promise((resolve) => setTimeout(resolve, tries % 3 === 0 ? 40 : 0));
            return [
              left,
              ...["sub/middle", "right"].map((name) => String(readFileSync(join(path, name)))),
            ];
          });
          reads++;
          if (new Set(found).size !== 1) mixtures.push(found);
          seen.add(found[0]!);
        }
      } finally {
        writeFileSync(join(dir, "stop"), "");
      }
      const windows = (await looker.ended).stdout.trim();
      console.log(`${swap}: ${reads} reads, ${tries} tries, ${seen.size} versions; ${windows}`);
      assertEquals(lines(acks), Array.from({ length: persists }, (_, i) => `${i + 1}`));
      assertEquals(mixtures, []);
      assert(reads > 20 && seen.size > 5, `only ${reads} reads of ${seen.size} versions`);
      assertEquals(await readStable(join(on("b", root), "site"), versionsIn), [`${persists}`]);
    }),
  );
}

test(
  `${ROUNDS} cleanups on one machine beside live writers on the other: nothing live is removed`,
  options,
  inTemp(async (dir) => {
    const root = "beside";
    mkdirSync(on("a", root));
    const acks = ["rename", "journal", "transaction"].map((name) => join(dir, name));
    for (const name of ["p", "j", "t"]) mkdirSync(join(on("a", root), name));
    const [renaming, inPlace, transacting] = acks as [string, string, string];
    writeFileSync(transacting, "");
    const writers = [
      persister(`${root}/p`, "rename", 1, 100_000, renaming),
      persister(`${root}/j`, "journal", 1, 100_000, inPlace),
      start(
        programCommand("tests/fixtures/transactor.ts", [
          join(on("a", root), "t"),
          "1",
          transacting,
        ]),
        {},
        LIMIT,
      ),
    ];
    const met: Record<string, number> = {};
    const wrong: unknown[] = [];
    try {
      await until(() => acks.every((path) => lines(path).length > 2));
      for (let i = 0; i < ROUNDS; i++) {
        const report = await cleanup(on("b", root), { recursive: true });
        for (const { path, reason } of report.skipped) {
          const kind = /\.(?:staging|old|lock|trash|txn|commit)/.exec(path)?.[0] ?? "other";
          met[kind] = (met[kind] ?? 0) + 1;
          assert(reason !== "", path);
        }
        const { restored, quarantined, rolledForward, failed } = report;
        wrong.push(...restored, ...quarantined, ...rolledForward, ...failed);
        // What was made just now, and is not locked yet, is nobody's for an instant, and is made again.
        wrong.push(...report.removed.filter(({ path }) => !/\/\.(?:lock|txn)-/.test(path)));
      }
    } finally {
      for (const { child } of writers) child.kill("SIGKILL");
    }
    const ended = await Promise.all(writers.map(({ ended }) => ended));
    for (const path of [renaming, inPlace]) {
      assertEquals(lines(path).filter((line) => line.includes(" ")), []);
    }
    console.log(`met: ${JSON.stringify(met)}; ${acks.map((path) => lines(path).length)} versions`);
    assertEquals(wrong, []);
    assertEquals(ended.map(({ signal }) => signal), Array(3).fill("SIGKILL"));
    assert(Object.keys(met).length > 1, "it met nothing that lived");
  }),
);

for (const [swap, { kills, within }] of SWAPS) {
  test(
    `after kill -9 at ${kills} moments, a cleanup on the other machine leaves one whole version (${swap})`,
    options,
    inTemp(async (dir) => {
      const [root, acks] = [`killed-${swap}`, join(dir, "acks")];
      mkdirSync(on("a", root));
      let [last, leftovers] = [0, 0];
      for (let i = 0; i < kills; i++) {
        const { child, ended } = persister(root, swap, last + 1, 100_000, acks);
        try {
          await until(() => lines(acks).length > 0);
          await new Promise((resolve) => setTimeout(resolve, Math.random() * within));
        } finally {
          process.kill(child.pid!, "SIGKILL");
        }
        await ended;
        leftovers += readdirSync(on("b", root)).length - 1;
        const { failed, skipped } = await cleanup(on("b", root), { minAge: 0 });
        assertEquals([failed, skipped], [[], []]);
        assertEquals(readdirSync(on("b", root)), ["site"]);
        const [version, ...others] = await readStable(join(on("b", root), "site"), versionsIn);
        const promised = lines(acks).at(-1);
        assertEquals([others, promised], [[], `${Number(promised)}`]);
        last = Number(version);
        assert(last >= Number(promised), `version ${last}, though ${promised} was promised`);
        assertEquals(existsSync(join(on("a", root), "site/left")), true);
      }
      assert(leftovers > 0, "no kill left anything");
    }),
  );
}
