/** `untorn cleanup`, `status`, `remove`, `history` and `rollback`, as a user runs them. */

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lockSync } from "../../mod.ts";
import { assert, assertEquals, assertMatch } from "../helpers/assert.ts";
import { type Ended, programCommand, run, runtime } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

async function untorn(
  args: string[],
  cwd: string,
  options: { denoFlags?: string[]; env?: Record<string, string> } = {},
): Promise<Ended> {
  const command = programCommand("cli.ts", args, options.denoFlags);
  const env = { ...process.env, ...options.env };
  const ended = await run(command, "", { cwd, env });
  // Node says on standard error that its FFI is experimental.
  const lines = ended.stderr.split("\n").filter((line) => !/FFI is an exp|--trace-w/.test(line));
  return { ...ended, stderr: lines.join("\n") };
}

/** An interrupted swap, a staging directory, a staged file, and one of each below. */
function plant(dir: string): void {
  for (const path of [".old-a", ".staging-b", "sub/.staging-c"]) {
    mkdirSync(join(dir, path), { recursive: true });
  }
  writeFileSync(join(dir, ".f.0123456789ab.tmp"), "");
  writeFileSync(join(dir, "own.tmp"), "");
}

test(
  "untorn status prints a line for each thing that untorn cleanup then does",
  inTemp(async (dir) => {
    plant(dir);
    const before = readdirSync(dir, { recursive: true });
    const status = await untorn(["status", "."], dir);
    assertEquals(readdirSync(dir, { recursive: true }), before);
    assertEquals([status.code, status.stderr], [0, ""]);
    assertEquals(status.stdout.split("\n"), [
      "restored\t.old-a\ta swap was interrupted between its two renames",
      "removed\t.staging-b\tleft by an interrupted persist",
      "skipped\t.f.0123456789ab.tmp\tit is younger than minAge: its writer may still be alive",
      "",
    ]);
    const dry = await untorn(["cleanup", ".", "--dry-run"], dir);
    assertEquals([dry.stdout, readdirSync(dir, { recursive: true })], [status.stdout, before]);
    const cleaned = await untorn(["cleanup", "."], dir);
    assertEquals([cleaned.code, cleaned.stdout], [0, status.stdout]);
    assertEquals(readdirSync(dir).sort(), [".f.0123456789ab.tmp", "a", "own.tmp", "sub"]);
    const args = ["cleanup", ".", "--min-age", "0", "--legacy-tmp", "--recursive", "--json"];
    const { stdout } = await untorn(args, dir);
    const { path, removed, skipped } = JSON.parse(stdout);
    assertEquals([path, skipped], [".", []]);
    const paths = removed.map(({ path }: { path: string }) => path);
    assertEquals(paths, ["./.f.0123456789ab.tmp", "./own.tmp", "./sub/.staging-c"]);
    assertEquals((readdirSync(dir, { recursive: true }) as string[]).sort(), ["a", "sub"]);
    const last = await untorn(["cleanup", "."], dir);
    assertEquals([last.code, last.stdout, last.stderr], [0, "", ""]);
  }),
);

test(
  "untorn cleanup leaves alone what another process holds, or what has no lock file with --claimed-only",
  inTemp(async (dir) => {
    plant(dir);
    const held = lockSync(join(dir, "a"));
    try {
      const { stdout, code } = await untorn(["cleanup", "."], dir);
      assertEquals(code, 0);
      assert(stdout.includes(`skipped\t.old-a\tprocess ${process.pid} holds its lock`), stdout);
    } finally {
      held.release();
    }
    mkdirSync(join(dir, ".staging-d"));
    const { stdout } = await untorn(["cleanup", ".", "--claimed-only", "-q", "--json"], dir);
    assertEquals([JSON.parse(stdout).restored, JSON.parse(stdout).removed], [[], []]);
    const quiet = await untorn(["cleanup", ".", "-q"], dir);
    assertEquals([quiet.stdout, quiet.stderr], ["", ""]);
    assertEquals(readdirSync(dir).sort(), [".f.0123456789ab.tmp", "a", "own.tmp", "sub"]);
  }),
);

test(
  "untorn cleanup and remove refuse / and the home directory without --force",
  inTemp(async (dir) => {
    plant(dir);
    symlinkSync(dir, join(dir, "sub/link"));
    const env = { HOME: dir };
    for (const command of ["cleanup", "remove"]) {
      for (const path of ["/", dir, join(dir, "sub/link")]) {
        if (command === "remove" && path.endsWith("link")) continue;
        const { code, stderr } = await untorn([command, path], dir, { env });
        assertEquals(code, 2);
        assertMatch(
          stderr,
          /is the (root of the file system|home directory); use --force to allow that/,
        );
      }
    }
    const { code } = await untorn(["cleanup", dir, "--force"], dir, { env });
    assertEquals([code, readdirSync(dir).includes("a")], [0, true]);
  }),
);

test(
  "untorn cleanup fails on a root that is missing, a file, or can't be cleaned up",
  inTemp(async (dir) => {
    const missing = await untorn(["cleanup", "missing"], dir);
    assertEquals(missing.code, 1);
    assertMatch(missing.stderr, /cannot clean up "missing": it.*does not exist \(ENOENT\)/);
    const allowed = await untorn(["cleanup", "missing", "--missing-ok", "--json"], dir);
    assertEquals([allowed.code, JSON.parse(allowed.stdout).removed], [0, []]);
    writeFileSync(join(dir, "file"), "");
    assertMatch((await untorn(["status", "file"], dir)).stderr, /ENOTDIR/);
    for (const args of [[], ["a", "b"], [".", "--min-age", "x"], [".", "--no-such"]]) {
      assertEquals((await untorn(["cleanup", ...args], dir)).code, 2, args.join(" "));
    }
    assertEquals((await untorn(["status", ".", "--force"], dir)).code, 2);
  }),
);

test(
  "untorn remove removes a tree, and says what it did",
  inTemp(async (dir) => {
    plant(dir);
    const dry = await untorn(["remove", "sub", "--dry-run", "-v"], dir);
    assertEquals(dry.stderr, 'untorn: would remove "sub"\n');
    const { code, stdout, stderr } = await untorn(["remove", "sub", "--json"], dir);
    assertEquals([code, stderr], [0, ""]);
    const expected = { path: "sub", removed: true, durability: "full", warnings: [] };
    assertEquals(JSON.parse(stdout), expected);
    assertEquals(readdirSync(dir).includes("sub"), false);
    const again = await untorn(["remove", "sub"], dir);
    assertEquals(again.code, 1);
    assertMatch(again.stderr, /cannot remove "sub": .*ENOENT.*nothing was removed/);
    assertEquals((await untorn(["remove", "sub", "--missing-ok"], dir)).code, 0);
    const held = lockSync(join(dir, "a"));
    try {
      mkdirSync(join(dir, "a"));
      const locked = await untorn(["remove", "a", "--wait", "0"], dir);
      assertEquals(locked.code, 4);
    } finally {
      held.release();
    }
  }),
);

test(
  "a permission that cleanup, status or remove needs is named",
  { skip: runtime === "deno" ? false : "only Deno has path-scoped permissions by default" },
  inTemp(async (dir) => {
    plant(dir);
    const read = { denoFlags: [`--allow-read=${dir}`] };
    assertEquals((await untorn(["status", dir], dir, read)).code, 0);
    for (const [command, path] of [["cleanup", dir], ["remove", join(dir, "sub")]]) {
      const { code, stderr } = await untorn([command!, path!], dir, read);
      assertEquals(code, 5);
      assert(stderr.includes(`run again with --allow-write=${dir} (`), stderr);
    }
    const both = { denoFlags: [`--allow-read=${dir}`, `--allow-write=${dir}`] };
    assertEquals((await untorn(["remove", join(dir, "sub")], dir, both)).code, 0);
    assertEquals((await untorn(["cleanup", dir], dir, both)).code, 0);
    assertEquals(readdirSync(dir).includes("a"), true);
  }),
);

test(
  "untorn persist --keep, history and rollback: there and back again",
  inTemp(async (dir) => {
    mkdirSync(join(dir, "src"));
    const text = (): string => readFileSync(join(dir, "x/file"), "utf8");
    for (const version of ["one", "two", "three"]) {
      writeFileSync(join(dir, "src/file"), version);
      const { code } = await untorn(["persist", "x", "--from", "src", "--keep", "5"], dir);
      assertEquals(code, 0);
    }
    const listed = await untorn(["history", "x"], dir);
    assertMatch(listed.stdout, /^1\t\d{4}-.*Z\t.*\.history-x\/1\n2\t.*\.history-x\/2\n$/);
    const json = JSON.parse((await untorn(["history", "x", "--json"], dir)).stdout);
    assertEquals(json.versions.map(({ version }: { version: number }) => version), [1, 2]);
    const dry = await untorn(["rollback", "x", "--to", "1", "--dry-run", "-v"], dir);
    assertMatch(
      dry.stderr,
      /^untorn: version 1 would replace "x", which would be kept as version 3\n$/,
    );
    assertEquals(text(), "three");
    const { code, stdout } = await untorn(["rollback", "x", "--to", "1", "--json"], dir);
    assertEquals([code, JSON.parse(stdout).kept, text()], [0, 3, "one"]);
    await untorn(["rollback", "x"], dir);
    assertEquals(text(), "three");
    const wrong = await untorn(["rollback", "x", "--to", "9"], dir);
    assertEquals(wrong.code, 1);
    assertMatch(wrong.stderr, /cannot roll back "x": no version 9: there are 2, 4 \(ENOENT\)/);
    assertEquals((await untorn(["rollback", "x", "--to", "no"], dir)).code, 2);
    assertEquals((await untorn(["persist", "x", "--from", "src", "--keep", "-1"], dir)).code, 2);
    assertMatch(
      (await untorn(["history", "src"], dir)).stderr,
      /there are no previous versions of "src"/,
    );
  }),
);
