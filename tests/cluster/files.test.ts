/** Files on two machines: readers of the one while the other writes, updates of both, locks; what doctor tells. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { atomicWrite, lock, UntornError, updateFile } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { programCommand, run, start, type Started } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";
import { mount, noCluster, on, set, traced, unmount } from "./volume.ts";

const options = { skip: noCluster };
const WRITES = 2000;
const UPDATES = 100;
const KILLS = 10;
/**
 * A replica that looks for a name asks for the file's attributes first and for which file it is then, each by the name
 * (`posix_istat` in GlusterFS's xlators/storage/posix/src/posix-helpers.c): a rename in between gives the new file the
 * old one's length. This makes the time between them a millisecond longer.
 */
const SLOW_LOOKS = [
  "-e",
  "trace=lgetxattr",
  "-e",
  "inject=lgetxattr:delay_enter=1000",
  "-o",
  "/dev/null",
];
/** So long, in ms, may a process take. */
const LIMIT = 300_000;

function once(stream: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve) => stream.once("data", (data) => resolve(`${data}`.trim())));
}

interface Reads {
  reads: number;
  versions: number;
  lengths: Record<string, { ms: number }>;
  torn: string[];
  missing: number;
  errors: Record<string, number>;
}

/** Writes a file many times on machine a, while it is read on both; nothing else than its length is ever wrong. */
async function readWhileWritten(dir: string, name: string): Promise<Record<"a" | "b", Reads>> {
  const stop = join(dir, "stop");
  const write = async (version: string, count: number): Promise<void> => {
    const args = ["async", on("a", name), version, `${count}`];
    const { stdout } = await run(programCommand("tests/fixtures/writer.ts", args));
    assertEquals(stdout, `${count}\n`);
  };
  await write("first", 1);
  const readers = (["a", "b"] as const).map((machine) => ({
    machine,
    ...start(programCommand("tests/cluster/reader.ts", [on(machine, name), stop]), {}, LIMIT),
  }));
  try {
    await Promise.all(readers.map(({ child }) => once(child.stdout!)));
    for (const version of ["w1", "w2", "w3", "w4"]) await write(version, WRITES / 4);
  } finally {
    writeFileSync(stop, "");
  }
  const found = {} as Record<"a" | "b", Reads>;
  for (const { machine, ended } of readers) {
    const { stdout, stderr } = await ended;
    assert(stdout.endsWith("}\n"), stderr);
    found[machine] = JSON.parse(stdout.split("\n")[1]!);
    console.log(`machine ${machine}: ${JSON.stringify(found[machine])}`);
    const { torn, missing, errors, reads, versions } = found[machine];
    assertEquals([torn, missing], [[], 0]);
    const known = ["ESTALE", "ENOENT"];
    assertEquals(Object.keys(errors).filter((error) => !known.includes(error)), []);
    assert(reads > 500 && versions > 5, `only ${reads} reads of ${versions} versions`);
  }
  const left = readdirSync(on("b", "")).filter((entry) => entry.includes(`.${name}.`));
  assertEquals(left, []);
  return found;
}

test(
  `${WRITES} atomic writes on one machine: readers on both find no torn file, but for two seconds another's length`,
  options,
  inTemp(async (dir) => {
    const { a, b } = await readWhileWritten(dir, "file");
    const lengths = [a, b].flatMap(({ lengths }) => Object.values(lengths));
    assertEquals(lengths.filter(({ ms }) => ms > 2500), []);
  }),
);

test(
  `where no machine keeps attributes, ${WRITES} atomic writes are whole, however slowly replicas look`,
  options,
  inTemp(async (dir) => {
    set("performance.stat-prefetch", "off");
    unmount("b");
    await mount("b", "--attribute-timeout=0");
    try {
      await traced(SLOW_LOOKS, async () => {
        const { a, b } = await readWhileWritten(dir, "uncached");
        assertEquals([a.lengths, b.lengths], [{}, {}]);
      });
    } finally {
      set("performance.stat-prefetch");
      unmount("b");
      await mount("b");
    }
  }),
);

test(
  `lines added on both machines are all there, however slowly replicas look, and whoever reads meanwhile`,
  options,
  inTemp(async (dir) => {
    const stop = join(dir, "stop");
    await atomicWrite(on("a", "lines"), "");
    await traced(SLOW_LOOKS, async () => {
      const readers = (["a", "b"] as const).map((machine) =>
        start(programCommand("tests/cluster/reader.ts", [on(machine, "lines"), stop]), {}, LIMIT)
      );
      try {
        const added = (["a", "b"] as const).map((machine) =>
          run(
            programCommand("tests/cluster/adder.ts", [on(machine, "lines"), machine, `${UPDATES}`]),
          )
        );
        for (const { code, stderr } of await Promise.all(added)) assertEquals(code, 0, stderr);
      } finally {
        writeFileSync(stop, "");
      }
      for (const { ended } of readers) assert((await ended).stdout.endsWith("}\n"));
    });
    const all = Array.from({ length: UPDATES }, (_, i) => [`a${i}`, `b${i}`]).flat();
    // Who reads without the lock may still get the length of the version before.
    let text = "";
    await updateFile(
      on("a", "lines"),
      (bytes) => text = new TextDecoder().decode(bytes),
      { durability: "none" },
    );
    const lines = text.split("\n").slice(0, -1);
    assertEquals(all.filter((line) => !lines.includes(line)), []);
    assertEquals(lines.length, all.length);
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
