/** Many writers at once: in one process, in worker threads, in processes, with readers beside them. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { atomicWrite } from "../../mod.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { programCommand, run } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

const WRITER = "tests/fixtures/writer.ts";

/** What a writer writes: its name over and over, so that a mixture or a part shows. */
function isWhole(text: string): boolean {
  const [name, length] = text.split("\n", 2) as [string, string];
  return text.length === Number(length) && text === versionOf(name, Number(length));
}

function versionOf(name: string, length: number): string {
  return `${name}\n${length}\n`.padEnd(length, `${name},`);
}

test(
  "4 processes with 150 writes each to one path: no error, no torn read, nothing left",
  inTemp(async (dir) => {
    const path = join(dir, "file");
    writeFileSync(path, versionOf("first", 5000));
    const writers = ["sync", "async", "sync", "async"].map((form, i) =>
      run(programCommand(WRITER, [form, path, `writer${i}`, "150"]))
    );
    let running = true;
    const ended = Promise.all(writers).finally(() => running = false);
    let reads = 0;
    const torn: string[] = [];
    const seen = new Set<string>();
    while (running) {
      for (let i = 0; i < 20; i++, reads++) {
        const text = readFileSync(path, "utf8");
        if (!isWhole(text)) torn.push(text.slice(0, 40));
        seen.add(text.slice(0, text.indexOf("\n")));
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    for (const { code, stdout, stderr } of await ended) {
      assertEquals([code, stdout, stderr], [0, "150\n", ""]);
    }
    assertEquals(torn, []);
    assert(reads > 100 && seen.size > 1, `${reads} reads saw ${seen.size} versions only`);
    assertEquals(readdirSync(dir), ["file"]);
  }),
);

test(
  "processes and worker threads that write in one directory never take each other's files",
  inTemp(async (dir) => {
    const source = new URL("../fixtures/writer.ts", import.meta.url);
    const path = (name: string): string => join(dir, name);
    const threads = ["thread0", "thread1", "thread2"].map((name) =>
      new Promise<string>((resolve, reject) => {
        const worker = new Worker(source, { workerData: ["async", path(name), name, "200"] });
        worker.once("message", (written) => resolve(`${written}\n`));
        worker.once("error", reject);
      })
    );
    const processes = ["process0", "process1"].map(async (name) => {
      const { stdout, stderr } = await run(
        programCommand(WRITER, ["sync", path(name), name, "200"]),
      );
      return stdout + stderr;
    });
    const written = await Promise.all([...threads, ...processes]);
    assertEquals(written, Array(5).fill("200\n"));
    const names = ["process0", "process1", "thread0", "thread1", "thread2"];
    assertEquals(readdirSync(dir).sort(), names);
    for (const name of names) {
      const text = readFileSync(path(name), "utf8");
      assert(text.startsWith(`${name}-199\n`) && isWhole(text), text.slice(0, 40));
    }
  }),
);

test(
  "20 who create one file with overwrite: false, in processes and at once: one succeeds",
  inTemp(async (dir) => {
    for (const round of ["a", "b", "c"]) {
      const path = join(dir, round);
      const attempts = Array.from(
        { length: 20 },
        (_, i) => atomicWrite(path, `winner ${i}`, { overwrite: false }).then(() => i),
      );
      const settled = await Promise.allSettled(attempts);
      const winners = settled.filter(({ status }) => status === "fulfilled");
      assertEquals(winners.length, 1);
      for (const { status, ...rest } of settled) {
        if (status === "rejected") {
          assertEquals((rest as PromiseRejectedResult).reason.code, "EEXIST");
        }
      }
      const winner = (winners[0] as PromiseFulfilledResult<number>).value;
      assertEquals(readFileSync(path, "utf8"), `winner ${winner}`);
    }
    const path = join(dir, "processes");
    const creators = Array.from(
      { length: 4 },
      (_, i) => run(programCommand("tests/fixtures/creators.ts", [path, `${i}`, "5"])),
    );
    const outcomes = (await Promise.all(creators)).flatMap(({ stdout }) =>
      stdout.trim().split("\n")
    );
    assertEquals(outcomes.length, 20);
    assertEquals(outcomes.filter((outcome) => outcome === "EEXIST").length, 19);
    assertEquals(outcomes.filter((outcome) => outcome === readFileSync(path, "utf8")).length, 1);
    assertEquals(readdirSync(dir).sort(), ["a", "b", "c", "processes"]);
  }),
);
