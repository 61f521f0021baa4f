/** Readers beside writers: what they see while a directory is swapped again and again. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { persistDirSync, readStable, readStableSync } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { programCommand, run, runtime, start } from "../helpers/runtime.ts";
import { times } from "../helpers/share.ts";
import { inTemp } from "../helpers/temp.ts";

/** 40 files that all say which version they are of. */
function version(number: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`file${i}`, `${number}`]));
}

const SWAPS = times(300);
const READS = times(2000);

test(
  "exchanges of 40 files: a reader by path never finds one missing",
  inTemp(async (dir) => {
    const x = join(dir, "X");
    writeFileSync(join(dir, "beside"), "");
    persistDirSync(x, version(0));
    const reader = start(programCommand("tests/fixtures/reader.ts", [x, join(dir, "stop")]));
    let swaps = 0;
    try {
      await once(reader.child.stdout!);
      for (let i = 1; i <= SWAPS; i++) {
        const { swap } = persistDirSync(x, version(i), { swap: "exchange", durability: "none" });
        if (swap === "exchange") swaps++;
      }
    } finally {
      writeFileSync(join(dir, "stop"), "");
    }
    const { stdout, stderr } = await reader.ended;
    const { reads, missing, versions } = JSON.parse(stdout.split("\n")[1]!);
    assertEquals([swaps, missing, stderr], [SWAPS, 0, ""]);
    assert(reads > 300 && versions > 5, `only ${reads} reads of ${versions} versions`);
  }),
);

function once(stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve) => stream.once("data", () => resolve()));
}

for (const swap of ["exchange", "rename", "journal"] as const) {
  test(
    `readStable() returns no mixture in ${READS} reads under a storm of swaps by ${swap}`,
    inTemp(async (dir) => {
      const x = join(dir, "X");
      persistDirSync(x, version(0));
      const stop = join(dir, "stop");
      const storm = run(programCommand("tests/fixtures/swapper.ts", [x, swap, stop]));
      const mixtures: string[] = [];
      const seen = new Set<string>();
      try {
        const names = Object.keys(version(0));
        const readAll = (path: string): string[] =>
          names.map((name) => readFileSync(join(path, name), "utf8"));
        for (let i = 0; i < READS || seen.size <= 20; i++) {
          const found = i % 2 === 0
            ? await readStable(x, async (path) => await readAll(path))
            : readStableSync(x, readAll);
          if (new Set(found).size !== 1) mixtures.push(found.join());
          seen.add(found[0]!);
        }
      } finally {
        writeFileSync(stop, "");
      }
      const { code, stderr } = await storm;
      assertEquals([code, runtime === "node" ? "" : stderr], [0, ""]);
      assertEquals(mixtures, []);
      assert(seen.size > 20, `only ${seen.size} versions were seen`);
    }),
  );
}

test(
  "readStable() hands on what the reader throws, and fails where nothing is",
  inTemp(async (dir) => {
    const x = join(dir, "X");
    await assertRejects(() => readStable(x, () => 1), Error, "ENOENT");
    persistDirSync(x, version(0));
    const broken = (): never => {
      throw new RangeError("the reader broke");
    };
    await assertRejects(() => readStable(x, broken), RangeError, "the reader broke");
    assertEquals(await readStable(x, (path) => readFileSync(join(path, "file3"), "utf8")), "0");
  }),
);

test(
  "what another process appends to and creates during many persists is in the end",
  inTemp(async (dir) => {
    const x = join(dir, "X");
    persistDirSync(x, version(0));
    const stop = join(dir, "stop");
    const editor = start(programCommand("tests/fixtures/editor.ts", [x, stop]));
    const warnings: string[] = [];
    try {
      await once(editor.child.stdout!);
      for (let i = 1; i <= SWAPS; i++) {
        const swap = i % 2 === 0 ? "rename" : "auto";
        warnings.push(...persistDirSync(x, version(i), { swap, durability: "none" }).warnings);
      }
    } finally {
      writeFileSync(stop, "");
    }
    const { stdout, stderr } = await editor.ended;
    assertEquals([warnings, stderr], [[], ""]);
    const { lines, created } = JSON.parse(stdout.split("\n")[1]!);
    assert(lines > 50 && created.length > 50, `only ${lines} lines, ${created.length} files`);
    const found = readFileSync(join(x, "log"), "utf8").split("\n").filter(Boolean);
    assertEquals(found, Array.from({ length: lines }, (_, i) => `line ${i}`));
    for (const name of created) assertEquals(readFileSync(join(x, name), "utf8"), name);
  }),
);
