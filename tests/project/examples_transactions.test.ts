/** The examples of a store and a migration, run as programs and killed: see `examples/README.md`. */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../helpers/assert.ts";
import { contents, example, killWhen, printed, startExample, told } from "../helpers/examples.ts";
import { hidden } from "../helpers/runtime.ts";
import { shared } from "../helpers/share.ts";
import { inTemp } from "../helpers/temp.ts";

const text = (...path: string[]): string => readFileSync(join(...path), "utf8");

test(
  "sessions: they are made, added to, renamed, listed, shown and removed",
  inTemp(async (dir) => {
    const store = join(dir, "store");
    const sessions = (...args: string[]) => printed("sessions", dir, [store, ...args]);
    await sessions("new", "First, a plan");
    const first = join(store, "1-first-a-plan");
    assertEquals(readdirSync(first).sort(), ["base_config.json", "events.json", "metadata.json"]);
    writeFileSync(join(first, "base_config.json"), '{"model":"mine"}');
    mkdirSync(join(first, "notes"));
    writeFileSync(join(first, "notes/metadata.json"), "by hand");
    await sessions("add", "1", "hello");
    await sessions("new", "Second");
    await sessions("rename", "1", "A better plan");
    assertEquals(await sessions("list"), "1-a-better-plan\tA better plan\n2-second\tSecond\n");
    assertMatch(
      await sessions("show", "1"),
      /"title":"A better plan"\}\n.*\{"model":"mine"\}\n.*\[\{"at":".*","text":"hello"\}\]\n$/,
    );
    assertEquals(text(store, "1-a-better-plan/notes/metadata.json"), "by hand");
    await sessions("remove", "2");
    assertEquals([readdirSync(store), readdirSync(dir)], [["1-a-better-plan"], ["store"]]);
    const error = await told("sessions", dir, [store, "rename", "2", "x"]);
    assertStringIncludes(error, "there is no session 2");
  }),
);

test(
  "sessions: what a crash left is put right at the start; a broken version takes nobody's place",
  inTemp(async (dir) => {
    const store = join(dir, "store");
    await printed("sessions", dir, [store, "new", "One"]);
    mkdirSync(join(store, ".old-1-one"));
    writeFileSync(join(store, ".old-1-one/metadata.json"), text(store, "1-one/metadata.json"));
    writeFileSync(join(store, "1-one/metadata.json"), '{"id": 1, "ti');
    mkdirSync(join(store, ".staging-2-two"));
    const { stdout, stderr } = await example("sessions", dir, [store, "list"]);
    assertEquals(stdout, "1-one\tOne\n");
    assertStringIncludes(stderr, ".corrupt-1-one-");
    assertEquals(hidden(store).map((name) => name.slice(0, 14)), [".corrupt-1-one"]);
  }),
);

test(
  "sessions: killed at any moment of a rename, name and title are both old or both new",
  shared(1),
  inTemp(async (dir) => {
    const store = join(dir, "store");
    await printed("sessions", dir, [store, "new", "Title 0"]);
    await printed("sessions", dir, [store, "add", "1", "hello"]);
    let last = 0;
    const found = { old: 0, new: 0 };
    const any = (...path: string[]) =>
      hidden(store).some((name) => existsSync(join(store, name, ...path)));
    const isThere = (number: number) => existsSync(join(store, `1-title-${number}`));
    const moments: ((next: number) => boolean)[] = [
      () => any(),
      () => any("1/events.json"),
      () => any("changes"),
      () => hidden(store).some((name) => name.startsWith(".commit-")),
      () => !isThere(last),
      (next) => isThere(next),
    ];
    for (const [index, moment] of moments.entries()) {
      const next = index + 1;
      const renaming = startExample("sessions", dir, [store, "rename", "1", `Title ${next}`]);
      await killWhen(renaming, () => moment(next));
      const { stdout } = await example("sessions", dir, [store, "list"]);
      const isNew = stdout === `1-title-${next}\tTitle ${next}\n`;
      assert(isNew || stdout === `1-title-${last}\tTitle ${last}\n`, `${index}: ${stdout}`);
      found[isNew ? "new" : "old"]++;
      if (isNew) last = next;
      assertEquals(readdirSync(store), [`1-title-${last}`]);
      assertStringIncludes(text(store, `1-title-${last}/events.json`), "hello");
      assertStringIncludes(text(store, `1-title-${last}/base_config.json`), "small");
    }
    assert(found.old > 0 && found.new > 0, JSON.stringify(found));
  }),
);

/** A folder of notes in format 1. */
function notes(dir: string, count: number): string {
  const folder = join(dir, "notes");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "format.json"), '{"format":1}');
  for (let i = 0; i < count; i++) {
    const tags = i === 1 ? "all, one" : "all";
    const note = { title: `Note ${i}`, date: "2024-02-29T10:00Z", tags, more: i };
    writeFileSync(join(folder, `note${i}.json`), JSON.stringify(note));
  }
  return folder;
}

test(
  "migrate: all notes and the format change; run again, nothing does",
  inTemp(async (dir) => {
    const folder = notes(dir, 3);
    chmodSync(join(folder, "note1.json"), 0o600);
    assertEquals(await printed("migrate", dir, [folder]), "3 notes are in format 2 now\n");
    const created = "2024-02-29T10:00:00.000Z";
    const note1 = { more: 1, title: "Note 1", created, tags: ["all", "one"] };
    assertEquals(JSON.parse(text(folder, "note1.json")), note1);
    assertEquals(statSync(join(folder, "note1.json")).mode & 0o777, 0o600);
    assertEquals(JSON.parse(text(folder, "tags.json")), {
      all: ["note0.json", "note1.json", "note2.json"],
      one: ["note1.json"],
    });
    assertEquals(JSON.parse(text(folder, "format.json")), { format: 2 });
    const after = contents(folder);
    assertEquals(await printed("migrate", dir, [folder]), "nothing to do\n");
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
      assertMatch(error, /note2\.json: .*; the old version is unchanged\n$/);
      assertEquals([contents(folder), readdirSync(dir)], [before, ["notes"]]);
    }
  }),
);

test(
  "migrate: killed as its changes are being made, it is brought to its end by the next run",
  shared(0),
  inTemp(async (dir) => {
    // On a busy machine a kill may come too late.
    for (let tries = 1; tries <= 5; tries++) {
      const folder = notes(join(dir, `${tries}`), 200);
      const isUnderWay = () => hidden(folder).some((name) => name.startsWith(".commit-"));
      await killWhen(startExample("migrate", join(dir, `${tries}`), [folder]), isUnderWay);
      if (!isUnderWay()) continue;
      assertEquals(await printed("migrate", join(dir, `${tries}`), [folder]), "nothing to do\n");
      const { "format.json": format, "tags.json": tags, ...all } = contents(folder);
      assertEquals([JSON.parse(format!), JSON.parse(tags!).all.length], [{ format: 2 }, 200]);
      assertEquals(Object.keys(all).length, 200);
      assert(Object.values(all).every((note) => JSON.parse(note).created !== undefined));
      return;
    }
    throw new Error("no kill came in time");
  }),
);
