/** The examples with files, a site and a migration, run as programs: see `examples/README.md`. */

import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "./helpers/assert.ts";
import { example, killWhen, startExample } from "./helpers/examples.ts";
import { hidden, until } from "./helpers/runtime.ts";
import { inTemp } from "./helpers/temp.ts";

const text = (path: string): string => readFileSync(path, "utf8");
const json = (path: string): unknown => JSON.parse(text(path));

/** All that is in a directory, by name. */
function contents(dir: string): Record<string, string> {
  return Object.fromEntries(readdirSync(dir).map((name) => [name, text(join(dir, name))]));
}

/** What an example prints when it succeeds. */
async function printed(name: string, dir: string, args: string[], read?: string[]) {
  const { code, stdout, stderr } = await example(name, dir, args, read);
  assertEquals([code, stderr], [0, ""]);
  return stdout.trimEnd();
}

/** What it tells when it fails. */
async function told(name: string, dir: string, args: string[], read?: string[]) {
  const { code, stdout, stderr } = await example(name, dir, args, read);
  assertEquals([code, stdout], [1, ""]);
  return stderr;
}

test(
  "config_store: settings have their types and defaults, and are their owner's alone",
  inTemp(async (dir) => {
    const file = join(dir, "config.json");
    const config = (...args: string[]) => printed("config_store", dir, [file, ...args]);
    assertEquals(await config("get", "port"), "8080");
    assertEquals(readdirSync(dir), []);
    assertEquals(await config("set", "theme", "dark"), "dark");
    assertEquals(await config("add", "visits", "2"), "2");
    assertEquals(await config("get", "theme"), "dark");
    assertEquals([json(file), statSync(file).mode & 0o777], [{ theme: "dark", visits: 2 }, 0o600]);
    const refused = await told("config_store", dir, [file, "set", "port", "high"]);
    assertStringIncludes(refused, '"high" is no number');
    assertEquals(contents(dir), { "config.json": '{\n  "theme": "dark",\n  "visits": 2\n}\n' });
  }),
);

test(
  "config_store: a broken file is told, and not overwritten",
  inTemp(async (dir) => {
    const file = join(dir, "config.json");
    for (const [broken, why] of [['{"visits": 1', "JSON"], ['{"visits": "1"}', "no number"]]) {
      writeFileSync(file, broken!);
      for (const args of [["add", "visits", "1"], ["get", "visits"]]) {
        assertStringIncludes(await told("config_store", dir, [file, ...args]), why!);
      }
      assertEquals(contents(dir), { "config.json": broken! });
    }
  }),
);

test(
  "config_store: the changes of five processes at a time add up",
  inTemp(async (dir) => {
    const file = join(dir, "config.json");
    const add = () => printed("config_store", dir, [file, "add", "visits", "1"]);
    const sums: string[] = [];
    for (let round = 0; round < 3; round++) {
      sums.push(...await Promise.all(Array.from({ length: 5 }, add)));
    }
    assertEquals(
      sums.map(Number).sort((a, b) => a - b),
      Array.from({ length: 15 }, (_, i) => i + 1),
    );
    assertEquals(contents(dir), { "config.json": '{\n  "visits": 15\n}\n' });
  }),
);

function texts(dir: string, count: number): [src: string, out: string, site: string] {
  const [src, out] = [join(dir, "src"), join(dir, "out")];
  for (const path of [src, out]) mkdirSync(path);
  for (let i = 0; i < count; i++) writeFileSync(join(src, `text${i}.txt`), `a < b & ${i}\n`);
  return [src, out, join(out, "site")];
}

test(
  "publish: a reader beside ten builds sees each page of one build",
  inTemp(async (dir) => {
    const [src, out, site] = texts(dir, 30);
    const build = () => printed("publish", out, ["build", src, site], [src]);
    assertStringIncludes(await build(), "build 1: 31 pages (create)");
    const watcher = startExample("publish", out, ["watch", site, "0"]);
    let seen = "";
    watcher.child.stdout!.on("data", (text) => seen += text);
    const sees = (line: string) =>
      until(() => seen.includes(line) || watcher.child.exitCode !== null);
    try {
      await sees("build 1:");
      for (let number = 2; number <= 11; number++) await build();
      await sees("build 11:");
    } finally {
      watcher.child.kill();
    }
    const { signal, stdout, stderr } = await watcher.ended;
    assertEquals([signal, stderr], ["SIGTERM", ""]);
    const lines = stdout.trimEnd().split("\n");
    assert(lines.length > 5, `only ${lines.length} builds were seen`);
    assert(lines.every((line) => /^build \d+: 31 pages$/.test(line)), stdout);
  }),
);

test(
  "publish: a text that is gone takes its page with it; a build that fails changes nothing; versions come back",
  inTemp(async (dir) => {
    const [src, out, site] = texts(dir, 2);
    const publish = (...args: string[]) => printed("publish", out, args, [src]);
    await publish("build", src, site);
    const first = contents(site);
    assertStringIncludes(first["text1.html"]!, "<pre>a &lt; b &amp; 1\n</pre>");
    writeFileSync(join(src, "text2.txt"), "");
    await publish("build", src, site);
    assertEquals(Object.keys(contents(site)).length, 4);
    writeFileSync(join(src, "index.txt"), "");
    assertStringIncludes(await told("publish", out, ["build", src, site], [src]), "index.txt");
    assertStringIncludes(text(join(site, "text2.html")), "build 2");
    assertEquals(await publish("versions", site), "now: build 2: 4 pages\n1: build 1: 3 pages");
    await publish("rollback", site);
    assertEquals(contents(site), first);
    assertEquals(await publish("versions", site), "now: build 1: 3 pages\n2: build 2: 4 pages");
    assertEquals(readdirSync(out).sort(), [".history-site", "site", "site.build.json"]);
  }),
);

/** A folder of notes in format 1. */
function notes(dir: string, count: number): string {
  const folder = join(dir, "notes");
  mkdirSync(folder);
  writeFileSync(join(folder, "format.json"), '{"format":1}');
  for (let i = 0; i < count; i++) {
    const note = {
      title: `Note ${i}`,
      date: "2024-02-29T10:00Z",
      tags: "all, odd".slice(0, i % 2 ? 8 : 3),
    };
    writeFileSync(join(folder, `note${i}.json`), JSON.stringify(note));
  }
  return folder;
}

test(
  "migrate: all notes and the format change; run again, nothing does",
  inTemp(async (dir) => {
    const folder = notes(dir, 3);
    chmodSync(join(folder, "note1.json"), 0o600);
    assertEquals(await printed("migrate", dir, [folder]), "3 notes are in format 2 now");
    const created = "2024-02-29T10:00:00.000Z";
    const note1 = { title: "Note 1", created, tags: ["all", "odd"] };
    assertEquals(json(join(folder, "note1.json")), note1);
    assertEquals(statSync(join(folder, "note1.json")).mode & 0o777, 0o600);
    assertEquals(json(join(folder, "tags.json")), {
      all: ["note0.json", "note1.json", "note2.json"],
      odd: ["note1.json"],
    });
    assertEquals(json(join(folder, "format.json")), { format: 2 });
    const after = contents(folder);
    assertEquals(await printed("migrate", dir, [folder]), "nothing to do");
    assertEquals([contents(folder), readdirSync(dir)], [after, ["notes"]]);
  }),
);

test(
  "migrate: a fault in one note is told with its name, and leaves all as it was",
  inTemp(async (dir) => {
    const folder = notes(dir, 3);
    for (const fault of ['{"title": ', '{"title": "x", "date": "soon"}']) {
      writeFileSync(join(folder, "note2.json"), fault);
      const before = contents(folder);
      const error = await told("migrate", dir, [folder]);
      assert(/note2\.json: .*; the old version is unchanged\n$/.test(error), error);
      assertEquals([contents(folder), readdirSync(dir)], [before, ["notes"]]);
    }
  }),
);

test(
  "migrate: killed as its changes are being made, it is brought to its end by the next run",
  inTemp(async (dir) => {
    const isUnderWay = (folder: string) =>
      hidden(folder).some((name) => name.startsWith(".commit-"));
    // On a busy machine a kill may come too late.
    for (let tries = 1; tries <= 5; tries++) {
      const place = join(dir, `${tries}`);
      mkdirSync(place);
      const folder = notes(place, 200);
      await killWhen(startExample("migrate", place, [folder]), () => isUnderWay(folder));
      if (!isUnderWay(folder)) continue;
      assertEquals(await printed("migrate", place, [folder]), "nothing to do");
      const { "format.json": format, "tags.json": tags, ...all } = contents(folder);
      assertEquals([format, tags!.slice(0, 8)], ['{\n  "format": 2\n}\n', '{\n  "all"']);
      assertEquals(Object.keys(all).length, 200);
      assert(Object.values(all).every((note) => JSON.parse(note).created !== undefined));
      assertEquals(readdirSync(place), ["notes"]);
      return;
    }
    throw new Error("no kill came in time");
  }),
);
