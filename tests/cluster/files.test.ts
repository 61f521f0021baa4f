/** Files on two machines: readers of the one while the other writes, updates of both, locks; what doctor tells. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lock, UntornError } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { programCommand, run, start, type Started } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";
import { noCluster, on } from "./volume.ts";

const options = { skip: noCluster };
const WRITES = 2000;
const UPDATES = 100;
const KILLS = 10;
/** So long, in ms, may a process take. */
const LIMIT = 300_000;

function once(stream: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve) => stream.once("data", (data) => resolve(`${data}`.trim())));
}

test(
  `${WRITES} atomic writes on one machine: readers on both find no torn file`,
  options,
  inTemp(async (dir) => {
    const stop = join(dir, "stop");
    const write = async (name: string, count: number): Promise<void> => {
      const args = ["async", on("a", "file"), name, `${count}`];
      const { stdout } = await run(programCommand("tests/fixtures/writer.ts", args));
      assertEquals(stdout, `${count}\n`);
    };
    await write("first", 1);
    const readers = (["a", "b"] as const).map((machine) => ({
      machine,
      ...start(programCommand("tests/cluster/reader.ts", [on(machine, "file"), stop]), {}, LIMIT),
    }));
    try {
      await Promise.all(readers.map(({ child }) => once(child.stdout!)));
      for (const name of ["w1", "w2", "w3", "w4"]) await write(name, WRITES / 4);
    } finally {
      writeFileSync(stop, "");
    }
    for (const { machine, ended } of readers) {
      const { stdout, stderr } = await ended;
      assert(stdout.endsWith("}\n"), stderr);
      const { reads, versions, torn, missing, errors } = JSON.parse(stdout.split("\n")[1]!);
      console.log(
        `machine ${machine}: ${JSON.stringify({ reads, versions, torn, missing, errors })}`,
      );
      assertEquals([torn, missing], [[], 0]);
      const known = ["ESTALE", "ENOENT"];
      assertEquals(Object.keys(errors).filter((name) => !known.includes(name)), []);
      assert(reads > 1000 && versions > 5, `only ${reads} reads of ${versions} versions`);
    }
    const left = readdirSync(on("b", "")).filter((name) => name.includes(".file."));
    assertEquals(left, []);
  }),
);

test(
  `${UPDATES} updates by each of two processes on both machines: none is lost`,
  options,
  async () => {
    const counters = (["a", "a", "b", "b"] as const).map((machine) =>
      run(programCommand("tests/fixtures/counter.ts", [on(machine, "n.json"), `${UPDATES}`]))
    );
    const ended = await Promise.all(counters);
    assertEquals(
      ended.map(({ code }) => code),
      [0, 0, 0, 0],
      ended.map(({ stderr }) => stderr).join(),
    );
    assertEquals(JSON.parse(readFileSync(on("a", "n.json"), "utf8")), 4 * UPDATES);
    assert(!existsSync(on("a", ".lock-n.json")));
  },
);

test(
  `a lock keeps the other machine out, and ends with its process, ${KILLS} times`,
  options,
  async () => {
    const took: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      const [holder, waiter] = i % 2 === 0 ? ["a", "b"] as const : ["b", "a"] as const;
      const started: Started = start(
        programCommand("tests/cluster/holder.ts", [on(holder, "locked")]),
      );
      try {
        assertEquals(await once(started.child.stdout!), "held");
        const refused = await assertRejects(
          () => lock(on(waiter, "locked"), { wait: 0 }),
          UntornError,
        );
        assertEquals(refused.code, "ERR_LOCKED");
      } finally {
        process.kill(started.child.pid!, "SIGKILL");
      }
      const began = performance.now();
      const held = await lock(on(waiter, "locked"), { wait: 30_000 });
      took.push(Math.round(performance.now() - began));
      await held.release();
      await started.ended;
    }
    took.sort((one, other) => one - other);
    console.log(`freed after ms: median ${took[KILLS / 2]}, at most ${took.at(-1)}`);
    assertEquals(readdirSync(on("a", "")).filter((name) => name.startsWith(".lock")), []);
  },
);

test("doctor tells what holds there, and its self-test passes", options, async () => {
  mkdirSync(on("a", "doctor"));
  const { code, stdout } = await run(
    programCommand("cli.ts", ["doctor", on("a", "doctor"), "--json"]),
  );
  const { fileSystem, shared, exchange, locks, syncFs, directorySync, durable, selfTest, ok } = JSON
    .parse(stdout);
  const failed = selfTest.filter(({ result }: { result: string }) => result === "failed");
  assertEquals([code, ok, failed], [0, true, []]);
  assertEquals([fileSystem, shared, exchange, syncFs], ["fuse", true, false, false]);
  assertEquals([locks, directorySync, durable], [true, true, null]);
  assertEquals(readdirSync(on("a", "doctor")), []);
});
