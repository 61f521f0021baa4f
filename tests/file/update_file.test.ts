/** What updateFile() and updateJson() do, alone and together. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { syncSource } from "../../lib/stage/content.ts";
import { update } from "../../lib/file/update_file.ts";
import { updateSettings } from "../../lib/file/file_options.ts";
import {
  lockSync,
  UntornError,
  updateFile,
  updateFileSync,
  updateJson,
  updateJsonSync,
  type UpdateOptions,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../helpers/assert.ts";
import { drivers, failing, killAfter, watched } from "../helpers/ports.ts";
import { programCommand, run } from "../helpers/runtime.ts";
import { inMemory, inTemp } from "../helpers/temp.ts";

type Change = (bytes: Uint8Array | undefined) => string;

const forms: [
  string,
  (path: string, change: Change, options?: UpdateOptions) => Promise<unknown>,
][] = [
  ["async", updateFile],
  // deno-lint-ignore require-await
  ["sync", async (path, change, options) => updateFileSync(path, change, options)],
];

const text = (path: string): string => readFileSync(path, "utf8");
const decode = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

for (const [form, updates] of forms) {
  test(
    `a file is created, changed, and left alone if its bytes stay the same (${form})`,
    inTemp(async (dir) => {
      const path = join(dir, "new/dir/file");
      const result = await updates(path, (bytes) => `${bytes}`, { mode: 0o640 });
      const expected = { path, bytes: 9, changed: true, durability: "full", warnings: [] };
      assertEquals(result, expected);
      assertEquals([text(path), statSync(path).mode & 0o777], ["undefined", 0o640]);
      await updates(path, (bytes) => decode(bytes) + "!");
      assertEquals([text(path), statSync(path).mode & 0o777], ["undefined!", 0o640]);
      const { ino, mtimeMs } = statSync(path);
      const same = await updates(path, decode);
      assertEquals((same as { changed: boolean }).changed, false);
      assertEquals([statSync(path).ino, statSync(path).mtimeMs], [ino, mtimeMs]);
      assertEquals(readdirSync(join(dir, "new/dir")), ["file"]);
    }),
  );

  test(
    `a function that throws, or returns no content, changes nothing (${form})`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      writeFileSync(path, "old");
      const cause = new Error("no");
      const throwing = (): never => {
        throw cause;
      };
      const error = await assertRejects(() => updates(path, throwing), UntornError, "unchanged");
      const { code, operation, outcome } = error;
      assertEquals([code, operation, outcome], ["ERR_SOURCE", "update", "unchanged"]);
      assertEquals(error.cause, cause);
      await assertRejects(() => updates(path, () => undefined as never), TypeError, "content");
      await assertRejects(() => updates(join(dir, "a/b"), throwing), UntornError);
      await assertRejects(async () => await updates(path, 1 as never), TypeError, "function");
      const wrong = { overwrite: true } as UpdateOptions;
      await assertRejects(async () => await updates(path, decode, wrong), TypeError, "overwrite");
      assertEquals([readdirSync(dir), text(path)], [["file"], "old"]);
    }),
  );

  test(
    `what a link leads to is locked and changed; a directory is refused (${form})`,
    inTemp(async (dir) => {
      mkdirSync(join(dir, "real"));
      writeFileSync(join(dir, "real/file"), "old");
      symlinkSync("real/file", join(dir, "link"));
      const held = lockSync(join(dir, "real/file"));
      try {
        const waiting = () => updates(join(dir, "link"), decode, { wait: 0 });
        assertEquals((await assertRejects(waiting, UntornError)).code, "ERR_LOCKED");
      } finally {
        held.release();
      }
      await updates(join(dir, "link"), () => "new");
      assertEquals(text(join(dir, "real/file")), "new");
      assertEquals(readdirSync(dir).sort(), ["link", "real"]);
      await assertRejects(() => updates(join(dir, "real"), () => "new"), UntornError, "EISDIR");
      await assertRejects(() => updates(join(dir, "real/"), () => "new"), UntornError, "EISDIR");
      assertEquals(readdirSync(join(dir, "real")), ["file"]);
    }),
  );
}

test(
  "a JSON value is changed; what is no JSON, in the file or from the function, changes nothing",
  inTemp(async (dir) => {
    const path = join(dir, "state.json");
    await updateJson<{ n: number }>(path, (state = { n: 0 }) => ({ n: state.n + 1 }));
    assertEquals(text(path), '{\n  "n": 1\n}\n');
    updateJsonSync<{ n: number }>(path, (state) => ({ n: state!.n + 1 }), { indent: 0 });
    assertEquals(text(path), '{"n":2}\n');
    await assertRejects(() => updateJson(path, () => undefined), TypeError, "not JSON");
    assertThrows(() => updateJsonSync(path, () => 1n as never), TypeError, "not JSON");
    assertEquals(text(path), '{"n":2}\n');
    writeFileSync(path, "{");
    const error = await assertRejects(() => updateJson(path, () => 1), UntornError, "not JSON");
    assertEquals([error.code, text(path), readdirSync(dir)], ["ERR_SOURCE", "{", ["state.json"]]);
  }),
);

test(
  "a function may answer later, in the asynchronous form only; an abort ends it",
  inTemp(async (dir) => {
    const path = join(dir, "file");
    await updateFile(path, async () => await Promise.resolve("later"));
    assertEquals(text(path), "later");
    const later = (() => Promise.resolve("x")) as unknown as Change;
    assertThrows(() => updateFileSync(path, later), TypeError, "synchronous");
    const abort = new AbortController();
    const reason = new Error("enough");
    const never = updateFile(path, () => new Promise<string>(() => {}), { signal: abort.signal });
    setTimeout(() => abort.abort(reason), 20);
    assertEquals(await never.catch((error) => error), reason);
    assertEquals([text(path), readdirSync(dir)], ["later", ["file"]]);
  }),
);

test(
  "100 increments each by 4 processes, and 100 in this one, add up",
  inTemp(async (dir) => {
    const path = join(dir, "count.json");
    const command = programCommand("tests/fixtures/counter.ts", [path, "100"]);
    const here = Array.from(
      { length: 100 },
      () =>
        updateJson<number>(path, (value = 0) => value + 1, { durability: "none", wait: 60_000 }),
    );
    const ended = await Promise.all([1, 2, 3, 4].map(() => run(command)));
    await Promise.all(here);
    assertEquals(ended.map(({ stdout, code }) => [stdout, code]), ended.map(() => ["", 0]));
    assertEquals([text(path), readdirSync(dir)], ["500\n", ["count.json"]]);
  }),
);

for (const { form, os, run } of drivers) {
  test(
    `whichever call of an update fails or is the last, the file is whole (${form})`,
    inMemory(async (dir) => {
      const path = join(dir, "new/file");
      const append = (bytes?: Uint8Array) => decode(bytes) + "x";
      for (const before of [undefined, "old"]) {
        const reset = (): void => {
          if (existsSync(path)) writeFileSync(path, before ?? "");
        };
        if (before !== undefined) writeFileSync(path, before);
        for (let k = 1, ended = false; !ended; k++) {
          reset();
          const was = existsSync(path) ? text(path) : undefined;
          let made = 0;
          const port = watched(failing(os(), "EIO", k), () => made++);
          const steps = update(port, path, append, syncSource, updateSettings({}));
          const result: unknown = await run(steps).catch((error) => error);
          ended = made < k;
          const now = existsSync(path) ? text(path) : undefined;
          if (result instanceof UntornError && result.outcome === "unchanged") {
            assertEquals(now, was, `EIO at call ${k}`);
          } else assert(now?.endsWith("x"), `EIO at call ${k}: ${result}`);
        }
        for (let k = 1, killed = true; killed; k++) {
          reset();
          const was = existsSync(path) ? text(path) : undefined;
          const killing = (port: ReturnType<typeof os>) =>
            update(port, path, append, syncSource, updateSettings({}));
          killed = await killAfter(k, os(), killing);
          const now = existsSync(path) ? text(path) : undefined;
          assert(now === was || now === (was ?? "") + "x", `killed after call ${k}`);
        }
      }
    }),
  );
}
