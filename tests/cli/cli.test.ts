/** The command line, as a user runs it. */

import {
  existsSync,
  readdirSync,
  readFileSync,
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

function untorn(args: string[], input: string | Uint8Array = ""): Promise<Ended> {
  return run(programCommand("cli.ts", args), input);
}

test(
  "untorn write creates and replaces a file from standard input, silently",
  inTemp(async (dir) => {
    const file = join(dir, "sub/file");
    for (const input of ["first\n", "", "x".repeat(1_000_000)]) {
      assertEquals(await untorn(["write", file], input), {
        code: 0,
        signal: null,
        stdout: "",
        stderr: "",
      });
      assertEquals(readFileSync(file, "utf8"), input);
    }
    assertEquals(readdirSync(join(dir, "sub")), ["file"]);
  }),
);

test(
  "untorn write takes its options",
  inTemp(async (dir) => {
    const file = join(dir, "file");
    const json = ["--json"];
    const first = await untorn(["write", file, "--mode", "640", "--durability=file", ...json], "a");
    assertEquals(JSON.parse(first.stdout), {
      path: file,
      bytes: 1,
      changed: true,
      durability: "file",
    });
    assertEquals(statSync(file).mode & 0o7777, 0o640);
    utimesSync(file, 1000, 1000);
    const same = await untorn(["write", "--if-changed", file, ...json], "a");
    assertEquals(JSON.parse(same.stdout).changed, false);
    assertEquals(statSync(file).mtimeMs, 1_000_000);
    const exists = await untorn(["write", file, "--no-overwrite"], "b");
    assertEquals([exists.code, readFileSync(file, "utf8")], [1, "a"]);
    assertMatch(exists.stderr, /^untorn: cannot write ".*": it already exists \(EEXIST\)/);
    const parents = await untorn(["write", join(dir, "no/file"), "--no-create-parents"], "b");
    assertEquals([parents.code, existsSync(join(dir, "no"))], [1, false]);
    symlinkSync("file", join(dir, "link"));
    await untorn(["write", join(dir, "link"), "--no-follow-symlink"], "c");
    assertEquals(readFileSync(join(dir, "link"), "utf8"), "c");
    assertEquals(readFileSync(file, "utf8"), "a");
    const verbose = await untorn(["write", "-v", file], "abc");
    assertMatch(verbose.stderr, /^untorn: wrote 3 bytes to ".*file" \(durability full\)\n$/);
    const kept = await untorn(["write", "-v", "--if-changed", file], "abc");
    const left = `left "${file}" as it is, with the same 3 bytes`;
    assertEquals(kept.stderr, `untorn: ${left} (durability full)\n`);
    assertEquals(hidden(dir), []);
  }),
);

test(
  "untorn write --dry-run says what it would do, and does all but that",
  inTemp(async (dir) => {
    const file = join(dir, "new/file");
    const dry = await untorn(["write", "--dry-run", "-v", file], "abc");
    assertEquals([dry.code, dry.stderr], [0, `untorn: would write 3 bytes to "${file}"\n`]);
    assertEquals(readdirSync(dir), []);
    writeFileSync(join(dir, "same"), "abc");
    for (const [input, changed] of [["abc", false], ["abd", true]] as const) {
      const args = ["write", "--dry-run", "--if-changed", "--json", join(dir, "same")];
      assertEquals(JSON.parse((await untorn(args, input)).stdout).changed, changed);
    }
    const { code } = await untorn(["write", "--dry-run", "--no-overwrite", join(dir, "same")], "x");
    assertEquals(code, 1);
    assertEquals(readFileSync(join(dir, "same"), "utf8"), "abc");
    assertEquals(readdirSync(dir), ["same"]);
  }),
);

test(
  "untorn write lets the same pipe read the file that it replaces",
  inTemp(async (dir) => {
    const file = join(dir, "file");
    const text = "line\n".repeat(200_000);
    writeFileSync(file, text);
    const write = programCommand("cli.ts", ["write", file]);
    const script = 'cat "$1" | tr a-z A-Z | { shift; "$@"; }';
    const { code, stderr } = await run(["sh", "-c", script, "sh", file, ...write]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(readFileSync(file, "utf8"), text.toUpperCase());
  }),
);

test("untorn explains itself, each command with an example, in 80 columns", async () => {
  for (
    const args of [["--help"], ["-h"], ["help"], ["write", "--help"], ["write", "x", "-h"], [
      "help",
      "write",
    ]]
  ) {
    const { code, stdout, stderr } = await untorn(args);
    assertEquals([code, stderr], [0, ""]);
    assert(stdout.startsWith(args.includes("write") ? "Usage: untorn write" : "untorn: "), stdout);
    assert(stdout.includes("Example:\n  jq"), stdout);
    for (const line of stdout.split("\n")) assert(line.length <= 80, line);
  }
  const { version } = JSON.parse(readFileSync(new URL("../../deno.json", import.meta.url), "utf8"));
  assertEquals((await untorn(["--version"])).stdout, `untorn ${version}\n`);
});

test(
  "wrong usage exits with 2, says what is wrong, and touches nothing",
  inTemp(async (dir) => {
    const file = join(dir, "file");
    const cases: [string[], RegExp][] = [
      [[], /Usage: untorn/],
      [["wrote", file], /no command "wrote" \(did you mean write\?\); see untorn --help/],
      [["xyzzy", file], /no command "xyzzy"; see untorn --help/],
      [["write", file, "--no-emty"], /'--no-emty' \(did you mean --no-empty\?\); see untorn write/],
      [["write", file, "--zzz"], /'--zzz'; see untorn write --help/],
      [["--json"], /no command "--json"/],
      [["write"], /FILE is missing/],
      [["write", ""], /must not be empty/],
      [["write", file, file + "2"], /one FILE/],
      [["write", file, "--overwrite"], /'--overwrite'/],
      [["write", file, "--mode"], /--mode/],
      [["write", file, "--mode", "rw"], /octal/],
      [["write", file, "--mode", "800"], /octal/],
      [
        ["write", file, "--durability", "most"],
        /--durability must be full, file or none, not "most"; see untorn write/,
      ],
      [["write", file, "--no-overwrite", "--if-changed"], /contradict/],
      [["write", file, "--json=yes"], /--json/],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await untorn(args, "x");
      assertEquals(code, 2, args.join(" "));
      assertMatch(stderr, message);
    }
    const { stdout } = await untorn(["write", file, "--mode", "9", "--json"], "x");
    assertMatch(JSON.parse(stdout).error.message, /octal/);
    assertEquals(readdirSync(dir), []);
  }),
);

test(
  "untorn write --no-empty keeps the file when the input is empty",
  inTemp(async (dir) => {
    const file = join(dir, "file");
    writeFileSync(file, "old");
    const { code, stderr } = await untorn(["write", file, "--no-empty"]);
    assertEquals([code, readFileSync(file, "utf8")], [1, "old"]);
    assertMatch(stderr, /standard input was empty \(--no-empty\); the old version is unchanged\n$/);
    assertEquals((await untorn(["write", file, "--no-empty"], "new")).code, 0);
    assertEquals([readFileSync(file, "utf8"), readdirSync(dir)], ["new", ["file"]]);
  }),
);

test(
  "untorn write --no-empty keeps the file when a command prints nothing, and names the command",
  { skip: process.platform === "win32" ? "it takes a command that prints nothing" : false },
  inTemp(async (dir) => {
    const file = join(dir, "file");
    writeFileSync(file, "old");
    const { code, stderr } = await untorn(["write", file, "--no-empty", "--", "true"]);
    assertEquals([code, readFileSync(file, "utf8")], [1, "old"]);
    assertMatch(stderr, /the output of true was empty \(--no-empty\)/);
  }),
);

const hasShell = { skip: process.platform === "win32" ? "it takes a shell" : false };

test(
  "untorn write FILE -- COMMAND writes what a command prints that ends with 0",
  hasShell,
  inTemp(async (dir) => {
    const file = join(dir, "file");
    writeFileSync(file, "old");
    const by = (script: string, input = ""): Promise<Ended> =>
      untorn(["write", file, "--", "sh", "-c", script, file], input);
    for (
      const [script, message] of [
        ["echo half; exit 3", "sh ended with exit code 3"],
        ["echo half; kill -9 $$", "sh ended with exit code 137"],
      ] as const
    ) {
      const { code, stdout, stderr } = await by(script);
      assertEquals([code, stdout, readFileSync(file, "utf8")], [1, "", "old"], script);
      assert(stderr.includes(`${message}; the old version is unchanged`), stderr);
    }
    const missing = await untorn(["write", file, "--", join(dir, "missing")]);
    assertEquals(missing.code, 1);
    assertMatch(missing.stderr, /ENOENT|entity not found|No such/);

    assertEquals((await by('cat "$0" -; echo end', " and new ")).code, 0);
    assertEquals(readFileSync(file, "utf8"), "old and new end\n");
    assertEquals((await by("head -c 3000000 /dev/zero")).code, 0);
    assertEquals(statSync(file).size, 3_000_000);
    assertEquals((await untorn(["write", file, "--"])).code, 2);
    assertEquals(readdirSync(dir), ["file"]);
  }),
);

test(
  "SIGTERM ends untorn write and its command, and nothing is left",
  hasShell,
  inTemp(async (dir) => {
    const file = join(dir, "file");
    const script = 'echo begun; echo $$ > "$0"; exec sleep 60';
    const args = ["write", file, "--", "sh", "-c", script, join(dir, "pid")];
    const { child, ended } = start(programCommand("cli.ts", args));
    await until(() => existsSync(join(dir, "pid")) && hidden(dir).length > 0);
    child.kill("SIGTERM");
    assertEquals((await ended).signal, "SIGTERM");
    const pid = Number(readFileSync(join(dir, "pid"), "utf8"));
    await until(() =>
      !existsSync(`/proc/${pid}/cmdline`) || readFileSync(`/proc/${pid}/cmdline`, "utf8") === ""
    );
    assertEquals(readdirSync(dir), ["pid"]);
  }),
);

test(
  "a failure exits with 1 and reports its facts as JSON",
  inTemp(async (dir) => {
    const { code, stdout, stderr } = await untorn(["write", dir, "--json"], "x");
    const { message, ...facts } = JSON.parse(stdout).error;
    assertEquals(code, 1);
    assertEquals(facts, {
      code: "EISDIR",
      operation: "write",
      path: dir,
      target: dir,
      outcome: "unchanged",
    });
    assertEquals(stderr, `untorn: ${message}\n`);
  }),
);

test(
  "what the file system refuses exits with 1, in words",
  inTemp(async (dir) => {
    const { code, stderr } = await untorn(["write", join(dir, "n".repeat(256))], "x");
    assertEquals(code, 1);
    assertMatch(stderr, /the name is too long \(ENAMETOOLONG\); nothing was changed\n$/);
    assertEquals(readdirSync(dir), []);
  }),
);

test(
  "a refused permission exits with 5 and names the flags, whatever is missing",
  { skip: runtime === "deno" ? false : "only Deno has path-scoped permissions by default" },
  inTemp(async (dir) => {
    const file = join(dir, "file");
    const [read, write] = [`--allow-read=${dir}`, `--allow-write=${dir}`];
    const cases: [string[], string[]][] = [
      [[], [read, write]],
      [[read], [write]],
      [[write], [read]],
      [[`--allow-read=${file}`, `--allow-write=${file}`], [read, write]],
      [[read, `--allow-write=${file}`], [write]],
    ];
    for (const [given, missing] of cases) {
      const command = programCommand("cli.ts", ["write", file], given);
      const { code, stderr } = await run(command, "x");
      assertEquals(code, 5, stderr);
      assert(stderr.includes(`run again with ${missing.join(" ")} (`), stderr);
      assertEquals(readdirSync(dir), []);
    }
    const { code } = await run(programCommand("cli.ts", ["write", file], [read, write]), "x");
    assertEquals([code, readFileSync(file, "utf8")], [0, "x"]);
    // New directories are synced through the one above them, which must be readable.
    const deep = programCommand(
      "cli.ts",
      ["write", join(dir, "sub/file")],
      [`--allow-read=${join(dir, "sub")}`, `--allow-write=${join(dir, "sub")}`],
    );
    const ended = await run(deep, "x");
    assertEquals([ended.code, readdirSync(dir)], [5, ["file"]]);
    assert(ended.stderr.includes(`run again with --allow-read=${dir} `), ended.stderr);
  }),
);

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  for (const amount of ["nothing", "a part"]) {
    test(
      `${signal} after ${amount} was read leaves no temporary file and ends by ${signal}`,
      inTemp(async (dir) => {
        const file = join(dir, "file");
        writeFileSync(file, "old");
        const { child, ended } = start(programCommand("cli.ts", ["write", file]));
        if (amount === "a part") child.stdin!.write("x".repeat(1_000_000));
        await until(() => hidden(dir).length === 1);
        if (amount === "a part") await until(() => statSync(join(dir, hidden(dir)[0]!)).size > 0);
        // Not child.kill(): in Deno that ends the input first.
        process.kill(child.pid!, signal);
        const { code, signal: by, stderr } = await ended;
        assertEquals([code, by, stderr], [null, signal, ""]);
        assertEquals(readdirSync(dir), ["file"]);
        assertEquals(readFileSync(file, "utf8"), "old");
      }),
    );
  }
}

test(
  "a reader of the output that goes away early is no failure",
  inTemp(async (dir) => {
    const write = programCommand("cli.ts", ["write", join(dir, "file"), "--json"]);
    const script = '{ sleep 0.2; echo x; } | { "$@"; echo "code $?" >&2; } | true';
    const { stderr } = await run(["sh", "-c", script, "sh", ...write]);
    assertEquals(stderr, "code 0\n");
    assertEquals(readFileSync(join(dir, "file"), "utf8"), "x\n");
  }),
);

test(
  "a full disk behind the output is no failure of what was written",
  { skip: existsSync("/dev/full") ? false : "there is no /dev/full here" },
  inTemp(async (dir) => {
    const write = programCommand("cli.ts", ["write", join(dir, "file"), "--json"]);
    const { code, stderr } = await run(["sh", "-c", '"$@" >/dev/full', "sh", ...write], "text");
    assertEquals([code, stderr, readFileSync(join(dir, "file"), "utf8")], [0, "", "text"]);
  }),
);
