/** stageFile() and stageFileSync(): written piece by piece, then committed or discarded. */

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type FileOptions, type StagedFile, stageFile, stageFileSync } from "../../mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../helpers/assert.ts";
import { hidden } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

type Staged = Pick<StagedFile, "write" | "commit" | "discard">;
type Stage = (path: string, options?: FileOptions) => Promise<Staged>;

const forms: [string, Stage][] = [
  ["stageFile()", stageFile],
  ["stageFileSync()", async (path, options) => {
    const staged = await stageFileSync(path, options);
    return {
      write: async (chunk) => await staged.write(chunk),
      commit: async () => await staged.commit(),
      discard: async () => await staged.discard(),
    };
  }],
];

for (const [form, stage] of forms) {
  test(
    `${form} keeps the old file until the commit`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      writeFileSync(path, "old", { mode: 0o600 });
      const staged = await stage(path);
      await staged.write("new ");
      await staged.write(new Uint8Array([0xf0, 0x9f]));
      await staged.write(new Uint8Array([0x98, 0x80]));
      assertEquals(readFileSync(path, "utf8"), "old");
      const temp = hidden(dir);
      assertEquals(temp.length, 1);
      assert(/^\.file\.[0-9a-f]{12}\.tmp$/.test(temp[0]!), temp[0]);
      assertEquals(statSync(join(dir, temp[0]!)).mode & 0o777, 0o600);
      assertEquals(await staged.commit(), { path, bytes: 8, changed: true, durability: "full" });
      assertEquals(readFileSync(path, "utf8"), "new 😀");
      assertEquals(statSync(path).mode & 0o777, 0o600);
      assertEquals(readdirSync(dir), ["file"]);
      await staged.discard();
      assertEquals(readFileSync(path, "utf8"), "new 😀");
    }),
  );

  test(
    `${form} leaves nothing after a discard`,
    inTemp(async (dir) => {
      const path = join(dir, "new/file");
      const staged = await stage(path);
      await staged.write("x".repeat(300_000));
      await staged.discard();
      await staged.discard();
      assertEquals(readdirSync(dir), []);
    }),
  );

  test(
    `${form} refuses to go on after its end`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      for (const end of ["commit", "discard"] as const) {
        const staged = await stage(path);
        await staged[end]();
        await assertRejects(() => staged.write("x"), TypeError, end);
        await assertRejects(() => staged.commit(), TypeError, end);
      }
      assertEquals(readFileSync(path, "utf8"), "");
    }),
  );

  test(
    `${form} stays usable after a chunk that is none`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      const staged = await stage(path);
      await staged.write("a");
      for (const chunk of [7, null, undefined, {}, ["x"]]) {
        await assertRejects(() => staged.write(chunk as unknown as string), TypeError);
      }
      await staged.write("b");
      await staged.commit();
      assertEquals(readFileSync(path, "utf8"), "ab");
    }),
  );

  test(
    `${form} puts a character together that two chunks share, and refuses half of one`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      const staged = await stage(path);
      await staged.write("\ud83d");
      await staged.write("");
      await staged.write("\ude00\ud83d");
      await assertRejects(() => staged.commit(), TypeError, "lone surrogate");
      await staged.write("\ude00");
      await staged.commit();
      assertEquals(readFileSync(path, "utf8"), "😀😀");
    }),
  );

  test(
    `${form} has ifChanged compare what is written with what is there`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      const text = "0123456789".repeat(60_000);
      writeFileSync(path, text);
      for (const [content, changed] of [[text, false], [text + "x", true]] as const) {
        const staged = await stage(path, { ifChanged: true });
        for (let i = 0; i < content.length; i += 70_001) {
          await staged.write(content.slice(i, i + 70_001));
        }
        const { bytes, changed: found } = await staged.commit();
        assertEquals([bytes, found], [content.length, changed]);
        assertEquals(readFileSync(path, "utf8"), content);
      }
      assertEquals(hidden(dir), []);
    }),
  );

  test(
    `${form} fails early where atomicWrite() would`,
    inTemp(async (dir) => {
      await assertRejects(() => stage(dir), Error, "directory");
      writeFileSync(join(dir, "file"), "old");
      await assertRejects(() => stage(join(dir, "file"), { overwrite: false }), Error, "EEXIST");
      await assertRejects(() => stage(join(dir, "file"), { mode: -1 }), RangeError);
      assertEquals(readdirSync(dir), ["file"]);
    }),
  );

  test(
    `${form} with overwrite: false loses against who was faster`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      const staged = await stage(path, { overwrite: false });
      await staged.write("slow");
      writeFileSync(path, "fast");
      const error = await assertRejects(() => staged.commit());
      assertEquals((error as { code?: string }).code, "EEXIST");
      assertEquals(readFileSync(path, "utf8"), "fast");
      assertEquals(readdirSync(dir), ["file"]);
      await assertRejects(() => staged.write("x"), TypeError, "failed");
      await staged.discard();
    }),
  );

  test(
    `${form} ends with its signal`,
    inTemp(async (dir) => {
      const abort = new AbortController();
      const staged = await stage(join(dir, "file"), { signal: abort.signal });
      await staged.write("x");
      abort.abort(new Error("enough"));
      await assertRejects(() => staged.commit(), Error, "enough");
      assertEquals(readdirSync(dir), []);
    }),
  );
}

test(
  "stageFile() keeps the order of calls that are not awaited",
  inTemp(async (dir) => {
    const path = join(dir, "file");
    const staged = await stageFile(path);
    const chunks = Array.from({ length: 50 }, (_, i) => `${i},`.repeat(i * 200));
    const writes = chunks.map((chunk) => staged.write(chunk));
    const committed = staged.commit();
    await Promise.all(writes);
    await committed;
    assertEquals(readFileSync(path, "utf8"), chunks.join(""));
  }),
);

test(
  "stageFile().writable takes a pipe; its end does not commit, its failure discards",
  inTemp(async (dir) => {
    const path = join(dir, "file");
    const staged = await stageFile(path);
    await new Blob(["piped"]).stream().pipeTo(staged.writable);
    assertEquals(hidden(dir).length, 1);
    await staged.commit();
    assertEquals(readFileSync(path, "utf8"), "piped");

    const failing = await stageFile(path);
    const source = new ReadableStream<string>({
      start(controller) {
        controller.enqueue("half");
        controller.error(new Error("the source broke"));
      },
    });
    await assertRejects(() => source.pipeTo(failing.writable), Error, "the source broke");
    await failing.discard();
    await assertRejects(() => failing.commit(), TypeError, "discarded");
    assertEquals(readFileSync(path, "utf8"), "piped");
    assertEquals(hidden(dir), []);
  }),
);

test(
  "what is disposed without a commit is discarded",
  inTemp(async (dir) => {
    const staged = await stageFile(join(dir, "a"));
    await staged.write("x");
    await staged[Symbol.asyncDispose]();
    const sync = stageFileSync(join(dir, "b"));
    sync.write("x");
    sync[Symbol.dispose]();
    assertThrows(() => sync.commit(), TypeError, "discarded");
    assertEquals(readdirSync(dir), []);
  }),
);
