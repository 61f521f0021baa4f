/** atomicWrite(), atomicWriteJson() and their synchronous forms: what they write, and to where. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  atomicWrite,
  atomicWriteJson,
  atomicWriteJsonSync,
  atomicWriteSync,
  type Content,
  type FileOptions,
  type JsonOptions,
  type Progress,
  type SyncContent,
  type WriteResult,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { hidden } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

type Write = (path: string | URL, content: Content, options?: FileOptions) => Promise<WriteResult>;
type WriteJson = (path: string, value: unknown, options?: JsonOptions) => Promise<WriteResult>;

const forms: [string, Write, WriteJson][] = [
  ["atomicWrite()", atomicWrite, atomicWriteJson],
  [
    "atomicWriteSync()",
    async (...[path, content, options]) =>
      await atomicWriteSync(path, content as SyncContent, options),
    async (...args) => await atomicWriteJsonSync(...args),
  ],
];

const bytes = (...values: number[]): Uint8Array<ArrayBuffer> => new Uint8Array(values);

for (const [form, write, writeJson] of forms) {
  test(
    `${form} creates a file and says what it did`,
    inTemp(async (dir) => {
      const path = join(dir, "new.txt");
      const result = await write(path, "grüße\n");
      assertEquals(result, { path, bytes: 8, changed: true, durability: "full" });
      assertEquals(readFileSync(path, "utf8"), "grüße\n");
      assertEquals(readdirSync(dir), ["new.txt"]);
    }),
  );

  test(
    `${form} replaces a file, at every durability`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      for (const durability of ["full", "file", "none"] as const) {
        writeFileSync(path, "an old version that is longer");
        const result = await write(path, durability, { durability });
        assertEquals([result.durability, result.bytes], [durability, durability.length]);
        assertEquals(readFileSync(path, "utf8"), durability);
        assertEquals(readdirSync(dir), ["file"]);
      }
    }),
  );

  test(
    `${form} writes every kind of content byte for byte`,
    inTemp(async (dir) => {
      const buffer = bytes(1, 2, 3, 4, 5, 6, 7, 8).buffer as ArrayBuffer;
      const shared = new SharedArrayBuffer(2);
      new Uint8Array(shared).set([1, 2]);
      function* generated(): Generator<string | Uint8Array> {
        yield "a";
        yield bytes(98);
        yield "";
        yield "\ud83d";
        yield "\ude00";
      }
      const contents: [Content, Uint8Array][] = [
        ["", bytes()],
        [bytes(), bytes()],
        [[], bytes()],
        ["\u{1f600}", bytes(0xf0, 0x9f, 0x98, 0x80)],
        [bytes(0, 255, 128), bytes(0, 255, 128)],
        [new Uint8Array(buffer, 2, 3), bytes(3, 4, 5)],
        [new Uint16Array(buffer, 2, 2), bytes(3, 4, 5, 6)],
        [new Float64Array(buffer), bytes(1, 2, 3, 4, 5, 6, 7, 8)],
        [new DataView(buffer, 1, 3), bytes(2, 3, 4)],
        [new Uint8Array(shared), bytes(1, 2)],
        [buffer, bytes(1, 2, 3, 4, 5, 6, 7, 8)],
        [["a", bytes(98), new Uint16Array(buffer, 0, 1)], bytes(97, 98, 1, 2)],
        [generated(), bytes(97, 98, 0xf0, 0x9f, 0x98, 0x80)],
      ];
      for (const [content, expected] of contents) {
        const path = join(dir, "file");
        const result = await write(path, content);
        assertEquals(new Uint8Array(readFileSync(path)), expected);
        assertEquals(result.bytes, expected.length);
      }
    }),
  );

  test(
    `${form} takes file URLs, odd names and names of 255 bytes`,
    inTemp(async (dir) => {
      const url = pathToFileURL(join(dir, "a b%ü#?.txt"));
      assertEquals((await write(url, "url")).path, join(dir, "a b%ü#?.txt"));
      assertEquals(readFileSync(url, "utf8"), "url");
      const names = [
        "n".repeat(255),
        "ü".repeat(127) + "x",
        "😀".repeat(63) + "abc",
        "...",
        " ",
        "-",
      ];
      for (const name of names) {
        await write(join(dir, name), name);
        assertEquals(readFileSync(join(dir, name), "utf8"), name);
        await write(join(dir, name), "again");
      }
      assertEquals(readdirSync(dir).sort(), [...names, "a b%ü#?.txt"].sort());
    }),
  );

  test(
    `${form} writes 64 MiB`,
    inTemp(async (dir) => {
      const content = new Uint8Array(64 * 1024 * 1024);
      for (let i = 0; i < content.length; i += 4096) content[i] = i / 4096;
      await write(join(dir, "big"), content, { durability: "file" });
      const found = readFileSync(join(dir, "big"));
      assertEquals(found.length, content.length);
      assert(content.every((byte, i) => byte === found[i]), "the bytes differ");
    }),
  );

  test(
    `${form} creates missing directories, or fails with ENOENT if told not to`,
    inTemp(async (dir) => {
      await write(join(dir, "a/b/c/file"), "deep");
      assertEquals(readFileSync(join(dir, "a/b/c/file"), "utf8"), "deep");
      const error = await assertRejects(() =>
        write(join(dir, "x/y/file"), "deep", { createParents: false })
      );
      assertEquals((error as { code?: string }).code, "ENOENT");
      assert(!existsSync(join(dir, "x")));
    }),
  );

  test(
    `${form} with overwrite: false creates, and fails with EEXIST on what exists`,
    inTemp(async (dir) => {
      const path = join(dir, "once");
      await write(path, "first", { overwrite: false });
      const error = await assertRejects(() => write(path, "second", { overwrite: false }));
      const { name, code, outcome } = error as Error & { code: string; outcome: string };
      assertEquals([name, code, outcome], ["UntornError", "EEXIST", "unchanged"]);
      assertEquals(readFileSync(path, "utf8"), "first");
      assertEquals(readdirSync(dir), ["once"]);
    }),
  );

  test(
    `${form} with ifChanged leaves the same bytes and their time alone`,
    inTemp(async (dir) => {
      const path = join(dir, "same");
      const big = "0123456789abcdef".repeat(40_000);
      for (const content of ["", "text", big]) {
        writeFileSync(path, content);
        utimesSync(path, 1000, 1000);
        const before = statSync(path);
        for (const form of [content, [content.slice(0, 5), content.slice(5)]]) {
          const result = await write(path, form, { ifChanged: true });
          assertEquals([result.changed, result.bytes], [false, content.length]);
          assertEquals(result.durability, "full");
          assertEquals([statSync(path).mtimeMs, statSync(path).ino], [before.mtimeMs, before.ino]);
        }
        assertEquals(hidden(dir), []);
      }
    }),
  );

  test(
    `${form} with ifChanged writes what differs in a byte, in length or in mode`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      const old = "0123456789abcdef".repeat(40_000);
      const news = [old + "x", old.slice(1), "X" + old.slice(1), old.slice(0, -1) + "X", ""];
      for (const content of [...news, ...news.map((text) => [text.slice(0, 9), text.slice(9)])]) {
        writeFileSync(path, old);
        const result = await write(path, content, { ifChanged: true });
        assertEquals(result.changed, true);
        assertEquals(readFileSync(path, "utf8"), [content].flat().join(""));
      }
      writeFileSync(path, old, { mode: 0o644 });
      assertEquals((await write(path, old, { ifChanged: true, mode: 0o600 })).changed, true);
      assertEquals(statSync(path).mode & 0o7777, 0o600);
      assertEquals(hidden(dir), []);
    }),
  );

  test(
    `${form} reports progress up to the end`,
    inTemp(async (dir) => {
      const reports: Progress[] = [];
      const onProgress = (progress: Progress): void => void reports.push(progress);
      const size = 2.5 * 1024 * 1024;
      await write(join(dir, "file"), new Uint8Array(size), { onProgress });
      assertEquals(reports.length, 3);
      assertEquals(reports.at(-1), { bytes: size, total: size });
      reports.length = 0;
      await write(join(dir, "file"), [], { onProgress });
      assertEquals(reports, [{ bytes: 0, total: undefined }]);
    }),
  );

  test(
    `${form} changes nothing when the source or a callback fails`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      writeFileSync(path, "old");
      function* halfway(): Generator<string> {
        yield "half";
        throw new Error("the source broke");
      }
      const error = await assertRejects(() => write(path, halfway()));
      const { code, outcome, cause } = error as Error & { code: string; outcome: string };
      assertEquals([code, outcome], ["ERR_SOURCE", "unchanged"]);
      assertEquals((cause as Error).message, "the source broke");
      const onProgress = (): void => {
        throw new Error("the callback broke");
      };
      await assertRejects(() => write(path, "new", { onProgress }), Error, "the callback broke");
      for (const chunks of [["ok", 7], ["ok", "\ud800"], ["\ud800", bytes(1)]]) {
        const error = await assertRejects(() => write(path, chunks as Content));
        assert(error.cause instanceof TypeError);
      }
      assertEquals(readFileSync(path, "utf8"), "old");
      assertEquals(readdirSync(dir), ["file"]);
    }),
  );

  test(
    `${form} with an aborted signal changes nothing and fails with the signal's reason`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      writeFileSync(path, "old");
      const reason = new Error("enough");
      const aborted = AbortSignal.abort(reason);
      assertEquals(await assertRejects(() => write(path, "new", { signal: aborted })), reason);
      const abort = new AbortController();
      function* aborting(): Generator<string> {
        yield "half";
        abort.abort(reason);
        yield "other half";
      }
      const { signal } = abort;
      assertEquals(await assertRejects(() => write(path, aborting(), { signal })), reason);
      assertEquals(readFileSync(path, "utf8"), "old");
      assertEquals(readdirSync(dir), ["file"]);
    }),
  );

  test(
    `${form} closes a source that it does not read to its end`,
    inTemp(async (dir) => {
      let closed = false;
      function* endless(): Generator<string> {
        try {
          for (;;) yield "x".repeat(100_000);
        } finally {
          closed = true;
        }
      }
      const onProgress = (): void => {
        throw new Error("stop");
      };
      await assertRejects(() => write(join(dir, "file"), endless(), { onProgress }), Error, "stop");
      assert(closed);
      assertEquals(readdirSync(dir), []);
    }),
  );

  test(
    `${form} refuses a directory, and a path below a file`,
    inTemp(async (dir) => {
      mkdirSync(join(dir, "sub"));
      writeFileSync(join(dir, "file"), "old");
      const cases = [
        ["sub", "EISDIR"],
        ["sub/", "EISDIR"],
        ["missing/", "EISDIR"],
        [
          "sub/..",
          "EISDIR",
        ],
        ["missing/.", "EISDIR"],
        ["file/x", "ENOTDIR"],
      ];
      for (const [path, code] of cases) {
        const error = await assertRejects(() => write(join(dir, "/") + path, "x"));
        const failed = error as Error & { code: string; outcome: string };
        assertEquals([failed.name, failed.code, failed.outcome], [
          "UntornError",
          code,
          "unchanged",
        ]);
      }
      assertEquals(readdirSync(dir).sort(), ["file", "sub"]);
    }),
  );

  test(`${form} refuses to replace a device`, async () => {
    const error = await assertRejects(() => write("/dev/null", "x"));
    assertEquals((error as { code?: string }).code, "ERR_UNSUPPORTED");
    assert(statSync("/dev/null").isCharacterDevice());
  });

  test(
    `${form} refuses mistakes before it touches anything`,
    inTemp(async (dir) => {
      const file = join(dir, "file");
      // deno-lint-ignore no-explicit-any
      const call = write as (...args: any[]) => Promise<unknown>;
      const typeErrors: unknown[][] = [
        [""],
        [file + "\0x", "x"],
        [file + "\ud800", "x"],
        [7, "x"],
        [null, "x"],
        [new URL("https://example.com/"), "x"],
        [file],
        [file, null],
        [file, 7],
        [file, { text: "x" }],
        [file, Promise.resolve("x")],
        [file, () => "x"],
        [file, "\ud800"],
        [file, "x", null],
        [file, "x", "full"],
        [file, "x", { durable: true }],
        [file, "x", { indent: 2 }],
        [file, "x", { overwrite: "no" }],
        [file, "x", { ifChanged: 1 }],
        [file, "x", { mode: "644" }],
        [file, "x", { preserve: true }],
        [file, "x", { preserve: ["times"] }],
        [file, "x", { signal: {} }],
        [file, "x", { onProgress: "yes" }],
        [file, "x", { ifChanged: true, overwrite: false }],
        [file, "x", { mode: 0o600, preserve: ["mode"] }],
      ];
      const rangeErrors: unknown[][] = [
        [file, "x", { mode: -1 }],
        [file, "x", { mode: 0o10000 }],
        [file, "x", { mode: 1.5 }],
        [file, "x", { mode: NaN }],
        [file, "x", { durability: "most" }],
        [file, "x", { durability: true }],
      ];
      for (const args of typeErrors) await assertRejects(() => call(...args), TypeError);
      for (const args of rangeErrors) await assertRejects(() => call(...args), RangeError);
      assertEquals(readdirSync(dir), []);
    }),
  );

  test(
    `${form} takes an option that is undefined as absent`,
    inTemp(async (dir) => {
      const file = join(dir, "file");
      await write(file, "x", { mode: undefined, durability: undefined, preserve: undefined });
      assertEquals(readFileSync(file, "utf8"), "x");
    }),
  );

  const json = form.replace("Write", "WriteJson");

  test(
    `${json} writes a value with an indent and a newline at its end`,
    inTemp(async (dir) => {
      const file = join(dir, "value.json");
      const value = { name: "ü", list: [1, null], gone: undefined, lone: "\ud800" };
      await writeJson(file, value);
      assertEquals(readFileSync(file, "utf8"), JSON.stringify(value, null, 2) + "\n");
      await writeJson(file, value, { indent: 0 });
      assertEquals(readFileSync(file, "utf8"), JSON.stringify(value) + "\n");
      await writeJson(file, value, { indent: "\t", mode: 0o600 });
      assertEquals(readFileSync(file, "utf8"), JSON.stringify(value, null, "\t") + "\n");
      assertEquals(
        (await writeJson(file, value, { indent: "\t", ifChanged: true })).changed,
        false,
      );
    }),
  );

  test(
    `${json} refuses what is no JSON, and keeps the old file`,
    inTemp(async (dir) => {
      const file = join(dir, "value.json");
      writeFileSync(file, "{}\n");
      const cycle: Record<string, unknown> = {};
      cycle.self = cycle;
      const broken = {
        toJSON: (): never => {
          throw new Error("no");
        },
      };
      for (const value of [cycle, 1n, undefined, () => {}, Symbol("s"), broken]) {
        await assertRejects(() => writeJson(file, value), TypeError, "not JSON");
      }
      for (const indent of [-1, 11, 1.5, "--", true]) {
        await assertRejects(() => writeJson(file, {}, { indent: indent as number }), RangeError);
      }
      assertEquals(readFileSync(file, "utf8"), "{}\n");
      assertEquals(readdirSync(dir), ["value.json"]);
    }),
  );
}

test(
  "atomicWrite() writes Blobs, streams and async iterables",
  inTemp(async (dir) => {
    const file = join(dir, "file");
    async function* generated(): AsyncGenerator<string | Uint8Array> {
      yield "\ud83d";
      await Promise.resolve();
      yield "\ude00";
      yield bytes(33);
    }
    const contents: Content[] = [
      new Blob(["😀", bytes(33)]),
      new Blob(["😀!"]).stream(),
      new Response("😀!").body!,
      new ReadableStream({
        start(controller) {
          controller.enqueue("😀");
          controller.enqueue("!");
          controller.close();
        },
      }),
      generated(),
    ];
    for (const content of contents) {
      assertEquals((await atomicWrite(file, content)).bytes, 5);
      assertEquals(readFileSync(file, "utf8"), "😀!");
      assertEquals((await atomicWrite(file, "😀!", { ifChanged: true })).changed, false);
    }
  }),
);

test(
  "atomicWriteSync() refuses content that comes later",
  inTemp((dir) => {
    for (const content of [new Blob(["x"]), new Blob(["x"]).stream(), (async function* () {})()]) {
      let error: unknown;
      try {
        atomicWriteSync(join(dir, "file"), content as unknown as SyncContent);
      } catch (caught) {
        error = caught;
      }
      assert(error instanceof TypeError, "no TypeError");
    }
    assertEquals(readdirSync(dir), []);
  }),
);

test(
  "atomicWrite() is not held up by a source that never answers when it is aborted",
  inTemp(async (dir) => {
    const abort = new AbortController();
    let cancelled = false;
    const silent = new ReadableStream<string>({
      cancel() {
        cancelled = true;
      },
    });
    const written = atomicWrite(join(dir, "file"), silent, { signal: abort.signal });
    setTimeout(() => abort.abort("enough"), 20);
    assertEquals(await written.catch((reason) => reason), "enough");
    assertEquals(readdirSync(dir), []);
    assert(cancelled, "the source was not cancelled");
  }),
);

test(
  "atomicWrite() reads a stream of any length in constant memory",
  inTemp(async (dir) => {
    const chunk = new Uint8Array(64 * 1024).fill(120);
    let most = 0;
    async function* long(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 4096; i++) {
        if (i % 64 === 0) most = Math.max(most, process.memoryUsage().rss);
        yield await Promise.resolve(chunk);
      }
    }
    const before = process.memoryUsage().rss;
    const { bytes } = await atomicWrite(join(dir, "long"), long(), { durability: "none" });
    assertEquals(bytes, 256 * 1024 * 1024);
    const grown = (most - before) / 1024 / 1024;
    assert(grown < 96, `the memory grew by ${grown.toFixed()} MiB over a stream of 256 MiB`);
  }),
);
