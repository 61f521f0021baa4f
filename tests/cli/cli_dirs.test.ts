/** `untorn persist` and `untorn lock`, as a user runs them. */

import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assert, assertEquals, assertMatch } from "../helpers/assert.ts";
import {
  type Ended,
  hidden,
  programCommand,
  run,
  runtime,
  start,
  until,
} from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

/** Node says on standard error that its FFI is experimental. */
function withoutWarning(ended: Ended): Ended {
  const lines = ended.stderr.split("\n").filter((line) => !/FFI is an exp|--trace-w/.test(line));
  return { ...ended, stderr: lines.join("\n") };
}

async function untorn(args: string[], cwd: string): Promise<Ended> {
  return withoutWarning(await run(programCommand("cli.ts", args), "", { cwd }));
}

const all = (dir: string): string[] => (readdirSync(dir, { recursive: true }) as string[]).sort();

test(
  "untorn persist --from copies a tree as it is, and carries over what was there",
  inTemp(async (dir) => {
    const at = (path: string): string => join(dir, path);
    mkdirSync(at("src/sub/empty"), { recursive: true });
    writeFileSync(at("src/sub/file"), "1");
    chmodSync(at("src/sub/file"), 0o640);
    utimesSync(at("src/sub/file"), 1000, 1000);
    chmodSync(at("src/sub/empty"), 0o711);
    utimesSync(at("src/sub/empty"), 2000, 2000);
    symlinkSync("nowhere", at("src/link"));
    const first = await untorn(["persist", "x", "--from", "src", "--json"], dir);
    assertEquals([first.code, first.stderr], [0, ""]);
    assertEquals(JSON.parse(first.stdout).written, 2);
    const file = statSync(at("x/sub/file"));
    assertEquals([file.mode & 0o7777, file.mtimeMs], [0o640, 1_000_000]);
    assert(file.ino !== statSync(at("src/sub/file")).ino, "the copy shares its inode");
    const empty = statSync(at("x/sub/empty"));
    assertEquals([empty.mode & 0o7777, empty.mtimeMs], [0o711, 2_000_000]);
    assertEquals(readlinkSync(at("x/link")), "nowhere");
    writeFileSync(at("x/mine"), "mine");
    writeFileSync(at("src/sub/file"), "2");
    const second = await untorn(["persist", "-v", "x", "--from", "src"], dir);
    assertMatch(second.stderr, /^untorn: 2 entries written, 1 carried over to "x" \(swap /);
    assertEquals(all(at("x")), ["link", "mine", "sub", "sub/empty", "sub/file"]);
    assertEquals(readFileSync(at("x/sub/file"), "utf8"), "2");
    await untorn(["persist", "x", "--from", "src", "--no-carry-over"], dir);
    assertEquals(all(at("x")), ["link", "sub", "sub/empty", "sub/file"]);
    assertEquals(hidden(dir), []);
  }),
);

test(
  "untorn persist -- COMMAND publishes what it builds, and nothing if it fails",
  inTemp(async (dir) => {
    const at = (path: string): string => join(dir, path);
    const build = (script: string, ...options: string[]): Promise<Ended> =>
      untorn(["persist", "x", ...options, "--", "sh", "-c", script, "sh", "{}"], dir);
    const good = await build(
      'echo building; echo 1 > "$1/by-argument"; cd / && ' +
        'echo 2 > "$UNTORN_STAGE/by-variable"',
      "--json",
    );
    assertEquals([good.code, good.stderr], [0, "building\n"]);
    assertEquals(JSON.parse(good.stdout).written, 2);
    for (const script of ['echo half > "$1/half"; exit 3', "kill -9 $$", "no-such-command"]) {
      const { code, stderr } = await build(script);
      assertEquals(code, 1);
      assertMatch(stderr, /cannot persist "x": .*exit code .*; the old version is unchanged/);
    }
    const missing = await untorn(["persist", "x", "--", "no-such-command-at-all"], dir);
    assertEquals(missing.code, 1);
    const dry = await build('echo 3 > "$1/dry"', "--dry-run");
    assertEquals(dry.code, 0);
    writeFileSync(at("x/by-argument"), "edited");
    await build('echo 4 > "$1/by-argument"', "--write-once", "by-argument");
    assertEquals(readFileSync(at("x/by-argument"), "utf8"), "edited");
    assertEquals(all(dir), ["x", "x/by-argument", "x/by-variable"]);
  }),
);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(
    `${signal} during untorn persist leaves the old version and nothing else`,
    inTemp(async (dir) => {
      await untorn(["persist", "x", "--", "sh", "-c", "echo 1 > $UNTORN_STAGE/a"], dir);
      const script = "echo half > $UNTORN_STAGE/a; exec sleep 30";
      const persist = programCommand("cli.ts", ["persist", "x", "--", "sh", "-c", script]);
      const { child, ended } = start(persist, { cwd: dir });
      await until(() => hidden(dir).includes(".staging-x"));
      await until(() => readdirSync(join(dir, ".staging-x")).length === 1);
      process.kill(child.pid!, signal);
      assertEquals((await ended).signal, signal);
      assertEquals(all(dir), ["x", "x/a"]);
      assertEquals(readFileSync(join(dir, "x/a"), "utf8"), "1\n");
    }),
  );
}

test(
  "wrong usage of persist and lock exits with 2 and touches nothing",
  inTemp(async (dir) => {
    mkdirSync(join(dir, "src/in"), { recursive: true });
    writeFileSync(join(dir, "file"), "");
    symlinkSync("src", join(dir, "link"));
    const cases: [string[], RegExp][] = [
      [["persist"], /DIR is missing/],
      [["persist", "x"], /either --from SRC or -- COMMAND/],
      [["persist", "x", "--from", "src", "--", "true"], /either --from SRC or -- COMMAND/],
      [["persist", "x", "y", "--from", "src"], /one DIR/],
      [["persist", "x", "--"], /no command after --/],
      [["persist", "x", "--from", "none"], /not a directory/],
      [["persist", "x", "--from", "file"], /not a directory/],
      [["persist", "src", "--from", "src"], /SRC src is DIR/],
      [["persist", "src", "--from", "link"], /SRC link is DIR/],
      [["persist", "src", "--from", "src/in"], /or inside it/],
      [["persist", "src/new", "--from", "src"], /DIR is inside SRC/],
      [["persist", "link/new", "--from", "src"], /DIR is inside SRC/],
      [
        ["persist", "x", "--from", "src", "--swap", "best"],
        /auto, exchange, rename or journal, not "best"/,
      ],
      [["persist", "x", "--from", "src", "--wait", "soon"], /--wait/],
      [["persist", "x", "--from", "src", "--write-once", "../x"], /can't be called/],
      [["lock", "--", "true"], /PATH is missing/],
      [["lock", "x"], /give a command/],
      [["lock", "x", "--wait", "-1", "--", "true"], /--wait/],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await untorn(args, dir);
      assertEquals([code, args], [2, args]);
      assertMatch(stderr, message);
    }
    assertEquals([readdirSync(dir).sort(), readdirSync(join(dir, "src"))], [
      ["file", "link", "src"],
      ["in"],
    ]);
  }),
);

test(
  "untorn lock runs a command under the lock, and passes on its exit code",
  inTemp(async (dir) => {
    const inner = programCommand("cli.ts", ["lock", "x", "--wait", "0", "--", "true"]).join(" ");
    const outer = await untorn(["lock", "x", "--", "sh", "-c", `${inner}; test $? = 4`], dir);
    assertEquals(outer.code, 0);
    assertMatch(outer.stderr, /cannot lock "x": process \d+ holds its lock/);
    assertEquals((await untorn(["lock", "x", "--", "sh", "-c", "exit 7"], dir)).code, 7);
    const json = await untorn(["lock", "x", "--json", "--", "echo", "-h"], dir);
    assertEquals([JSON.parse(json.stdout).code, json.stderr], [0, "-h\n"]);
    assertEquals(readdirSync(dir), []);
  }),
);

test(
  "the lock of a killed process is free at once",
  inTemp(async (dir) => {
    const script = "echo $$; exec sleep 60";
    const lock = programCommand("cli.ts", ["lock", "x", "--", "sh", "-c", script]);
    const holder = start(lock, { cwd: dir });
    const pid = await new Promise<string>((resolve) => holder.child.stdout!.once("data", resolve));
    try {
      const refused = await untorn(["lock", "x", "--wait", "0", "--", "true"], dir);
      assertEquals(refused.code, 4);
      process.kill(holder.child.pid!, "SIGKILL");
      await new Promise((resolve) => holder.child.once("exit", resolve));
      const { code } = await untorn(["lock", "x", "--wait", "0", "--", "true"], dir);
      assertEquals([code, readdirSync(dir)], [0, []]);
    } finally {
      process.kill(Number(pid), "SIGKILL");
    }
    await holder.ended;
  }),
);

test(
  "a permission that persist needs to run a command is named",
  { skip: runtime === "deno" ? false : "only Deno asks for permission to run commands" },
  inTemp(async (dir) => {
    const scope = [`--allow-read=${dir}`, `--allow-write=${dir}`];
    const args = ["persist", join(dir, "x"), "--", "true"];
    const { code, stderr } = await run(programCommand("cli.ts", args, scope));
    assertEquals(code, 5);
    assert(stderr.includes("run again with --allow-run=true (to run true)"), stderr);
    const granted = await run(programCommand("cli.ts", args, [...scope, "--allow-run=true"]));
    assertEquals([granted.code, granted.stderr], [0, ""]);
    assertEquals(readdirSync(dir), ["x"]);
  }),
);
