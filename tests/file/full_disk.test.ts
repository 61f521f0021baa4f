/** A disk that is really full: a small tmpfs, which root can mount. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { atomicWrite, atomicWriteSync, stageFile, UntornError } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { mounted, noMount } from "../helpers/mount.ts";
import { programCommand, run } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

/** Runs a body on a new file system of 1 MiB. */
async function onSmallDisk(body: (dir: string) => Promise<void>): Promise<void> {
  await inTemp((dir) => mounted(join(dir, "disk"), () => body(join(dir, "disk"))))();
}

const OLD = "old ".repeat(100_000);
const NEW = "new ".repeat(200_000);

function* inChunks(): Generator<string> {
  for (let i = 0; i < 200; i++) yield NEW.slice(0, 4000);
}

const writes: [string, (path: string) => Promise<unknown>][] = [
  ["atomicWrite() of a string", (path) => atomicWrite(path, NEW)],
  ["atomicWrite() of a stream", (path) => atomicWrite(path, new Blob([NEW]).stream())],
  [
    "atomicWrite() of chunks, without a sync",
    (path) => atomicWrite(path, inChunks(), { durability: "none" }),
  ],
  [
    "atomicWriteSync() of bytes",
    async (path) => await atomicWriteSync(path, new TextEncoder().encode(NEW)),
  ],
  ["atomicWriteSync() of chunks", async (path) => await atomicWriteSync(path, inChunks())],
  ["stageFile()", async (path) => {
    const staged = await stageFile(path);
    for (const chunk of inChunks()) await staged.write(chunk);
    await staged.commit();
  }],
];

for (const [form, write] of writes) {
  test(
    `${form} on a full disk keeps the old file and fails with ENOSPC`,
    { skip: noMount },
    () =>
      onSmallDisk(async (dir) => {
        const path = join(dir, "file");
        writeFileSync(path, OLD);
        const error = await assertRejects(
          () => write(path),
          UntornError,
          "no space left on device",
        );
        assertEquals([error.code, error.outcome], ["ENOSPC", "unchanged"]);
        assert(readFileSync(path, "utf8") === OLD, "the old file has changed");
        assertEquals(readdirSync(dir), ["file"]);
        // What was staged no longer takes up the space that a smaller version needs.
        await atomicWrite(path, OLD.slice(0, 300_000));
      }),
  );
}

for (const write of [atomicWrite, atomicWriteSync]) {
  test(
    `${write.name}() of little, without a sync, on a full disk keeps the old file`,
    { skip: noMount },
    () =>
      onSmallDisk(async (dir) => {
        const path = join(dir, "file");
        const little = NEW.slice(0, 50_000);
        await write(path, little, { durability: "none" });
        writeFileSync(join(dir, "other"), "x".repeat(960_000));
        const error = await assertRejects(
          async () => void await write(path, NEW.slice(0, 60_000), { durability: "none" }),
          UntornError,
          "no space left on device",
        );
        assertEquals([error.code, error.outcome], ["ENOSPC", "unchanged"]);
        assert(readFileSync(path, "utf8") === little, "the old file has changed");
        assertEquals(readdirSync(dir).sort(), ["file", "other"]);
      }),
  );
}

test(
  "untorn write on a full disk keeps the old file and exits with 1",
  { skip: noMount },
  () =>
    onSmallDisk(async (dir) => {
      const path = join(dir, "file");
      writeFileSync(path, OLD);
      const { code, stderr } = await run(programCommand("cli.ts", ["write", path]), NEW);
      assertEquals(code, 1);
      assert(stderr.includes("(ENOSPC); the old version is unchanged"), stderr);
      assert(readFileSync(path, "utf8") === OLD, "the old file has changed");
      assertEquals(readdirSync(dir), ["file"]);
    }),
);
