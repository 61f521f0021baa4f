/** Symbolic links: the link stays, what it leads to is replaced; or the other way round. */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { atomicWrite, atomicWriteSync, type FileOptions } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { programCommand, run, runtime } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

type Write = (path: string, content: string, options?: FileOptions) => Promise<unknown>;

const forms: [string, Write][] = [
  ["atomicWrite()", atomicWrite],
  ["atomicWriteSync()", async (...args) => await atomicWriteSync(...args)],
];

for (const [form, write] of forms) {
  test(
    `${form} follows a link and keeps it, whatever way it leads`,
    inTemp(async (dir) => {
      mkdirSync(join(dir, "a/real/sub"), { recursive: true });
      mkdirSync(join(dir, "b"));
      symlinkSync("a/real", join(dir, "way"));
      // Seen from b, "../way/sub/.." is a/real, which no letters tell.
      const links: [string, string, string][] = [
        ["one", "b/target", "b/target"],
        ["b/two", "../a/target", "a/target"],
        ["b/three", join(dir, "a/absolute"), "a/absolute"],
        ["b/four", "../way/../five", "a/five"],
        ["b/chain", "../one", "b/target"],
        ["way/up", "../over", "a/over"],
      ];
      for (const [link, text, target] of links) {
        symlinkSync(text, join(dir, link));
        for (const content of ["created", "replaced"]) {
          await write(join(dir, link), content);
          assertEquals(readFileSync(join(dir, target), "utf8"), content);
          assertEquals(readlinkSync(join(dir, link)), text);
        }
      }
      assert(!existsSync(join(dir, "five")) && !existsSync(join(dir, "over")));
      for (const sub of ["", "a", "b", "a/real"]) {
        assertEquals(readdirSync(join(dir, sub)).filter((name) => name.startsWith(".")), []);
      }
    }),
  );

  test(
    `${form} creates a dangling link's target, its directories too`,
    inTemp(async (dir) => {
      symlinkSync("some/where/else", join(dir, "link"));
      mkdirSync(join(dir, "sub"));
      symlinkSync("../new/place", join(dir, "sub/up"));
      await write(join(dir, "link"), "found");
      await write(join(dir, "sub/up"), "above");
      assertEquals(readFileSync(join(dir, "some/where/else"), "utf8"), "found");
      assertEquals(readFileSync(join(dir, "new/place"), "utf8"), "above");
      assertEquals(readlinkSync(join(dir, "link")), "some/where/else");
    }),
  );

  test(
    `${form} with followSymlink: false replaces the link itself`,
    inTemp(async (dir) => {
      writeFileSync(join(dir, "target"), "untouched", { mode: 0o600 });
      symlinkSync("target", join(dir, "link"));
      symlinkSync("missing", join(dir, "dangling"));
      for (const link of ["link", "dangling"]) {
        await write(join(dir, link), "a file now", { followSymlink: false });
        assert(lstatSync(join(dir, link)).isFile());
      }
      assertEquals(readFileSync(join(dir, "target"), "utf8"), "untouched");
      assert(!existsSync(join(dir, "missing")));
    }),
  );

  test(
    `${form} fails on a loop of links, and on a link to a directory`,
    inTemp(async (dir) => {
      symlinkSync("b", join(dir, "a"));
      symlinkSync("a", join(dir, "b"));
      mkdirSync(join(dir, "sub"));
      symlinkSync("sub", join(dir, "toDir"));
      for (const [path, code] of [["a", "ELOOP"], ["toDir", "EISDIR"]]) {
        const error = await assertRejects(() => write(join(dir, path!), "x"));
        assertEquals((error as { code?: string }).code, code);
      }
      assertEquals(readdirSync(dir).sort(), ["a", "b", "sub", "toDir"]);
    }),
  );

  test(
    `${form} with overwrite: false does not replace what a link leads to`,
    inTemp(async (dir) => {
      writeFileSync(join(dir, "target"), "old");
      symlinkSync("target", join(dir, "link"));
      symlinkSync("new", join(dir, "dangling"));
      const error = await assertRejects(() => write(join(dir, "link"), "x", { overwrite: false }));
      assertEquals((error as { code?: string }).code, "EEXIST");
      await write(join(dir, "dangling"), "x", { overwrite: false });
      assertEquals(readFileSync(join(dir, "new"), "utf8"), "x");
      assertEquals(readFileSync(join(dir, "target"), "utf8"), "old");
    }),
  );
}

test(
  "a link out of the permitted directories is refused, and says what to permit",
  { skip: runtime === "deno" ? false : "only Deno has path-scoped permissions by default" },
  inTemp(async (dir) => {
    mkdirSync(join(dir, "in"));
    mkdirSync(join(dir, "out"));
    writeFileSync(join(dir, "out/file"), "old");
    symlinkSync("../out/file", join(dir, "in/link"));
    const scope = join(dir, "in");
    const flags = [`--allow-read=${scope}`, `--allow-write=${scope}`];
    const command = programCommand("cli.ts", ["write", join(scope, "link")], flags);
    const { code, stderr } = await run(command, "new");
    assertEquals(code, 5);
    assert(stderr.includes(`--allow-write=${join(dir, "out")}`), stderr);
    assertEquals(readFileSync(join(dir, "out/file"), "utf8"), "old");
  }),
);
