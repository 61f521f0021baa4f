/** `untorn permissions`: the flags it prints are enough, and none of them is too much. */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { libraryPath } from "../../lib/os/permissions.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { type Ended, programCommand, run, runtime } from "../helpers/runtime.ts";
import { shared } from "../helpers/share.ts";
import { inTemp } from "../helpers/temp.ts";

/** A call of the command in a directory that is made anew for each try of it. */
interface Case {
  args: string[];
  input?: string;
  /** The flags, with `.` for the directory. */
  flags: string[];
  /** Optional flags. */
  optional?: string[];
  /** What is in the directory. */
  prepare?: (dir: string) => void;
}

const plan = JSON.stringify({
  root: "data",
  steps: [{ write: "a", from: "a" }, { persist: "d", from: "src" }],
});

function trees(dir: string): void {
  for (const name of ["site", "src/sub", "data", "out"]) {
    mkdirSync(join(dir, name), { recursive: true });
  }
  for (const name of ["a", "src/sub/f", "site/index"]) writeFileSync(join(dir, name), name);
  writeFileSync(join(dir, "plan.json"), plan);
}

const library = libraryPath();
const ffi = `--allow-ffi=${library}`;
const cases: Case[] = [
  { args: ["write", "file"], flags: ["--allow-read=.", "--allow-write=."] },
  { args: ["write", "./sub/../file"], flags: ["--allow-read=.", "--allow-write=."] },
  { args: ["write", "new/sub/file"], flags: ["--allow-read=.", "--allow-write=./new"] },
  {
    args: ["write", "a, b/file"],
    // A flag can't name what has a comma.
    flags: ["--allow-read=.", "--allow-write=."],
    prepare: (dir) => mkdirSync(join(dir, "a, b")),
  },
  {
    args: ["write", "file", "--", "printf", "x"],
    flags: ["--allow-read=.", "--allow-run=printf", "--allow-write=."],
  },
  {
    args: ["write", "from/link"],
    flags: ["--allow-read=./from,./other,./to", "--allow-write=./to"],
    prepare: (dir) => {
      for (const name of ["from", "other", "to"]) mkdirSync(join(dir, name));
      symlinkSync("../other/link", join(dir, "from/link"));
      symlinkSync(join(dir, "to/file"), join(dir, "other/link"));
    },
  },
  {
    args: ["write", "from/link", "--no-follow-symlink"],
    flags: ["--allow-read=./from", "--allow-write=./from"],
    prepare: (dir) => {
      mkdirSync(join(dir, "from"));
      symlinkSync("../other/link", join(dir, "from/link"));
    },
  },
  {
    args: ["persist", "out/site", "--from", "src"],
    flags: ["--allow-read=./out,./src", "--allow-write=./out"],
  },
  {
    args: ["persist", "out/site", "--from", "link"],
    flags: ["--allow-read=./link,./out", "--allow-write=./out"],
    prepare: (dir) => symlinkSync("src", join(dir, "link")),
  },
  {
    args: ["persist", "site", "--from", "src"],
    flags: ["--allow-read=.", "--allow-write=."],
    optional: [ffi],
  },
  {
    args: ["persist", "site", "--swap", "exchange", "--from", "src"],
    flags: [ffi, "--allow-read=.", "--allow-write=."],
  },
  {
    args: ["persist", "out/site", "--swap", "exchange", "--from", "src"],
    flags: [ffi, "--allow-read=./out,./src", "--allow-write=./out"],
  },
  {
    args: ["persist", "out/site", "--from", "src"],
    flags: ["--allow-read", "--allow-write"],
    prepare: (dir) => symlinkSync("f", join(dir, "src/sub/link")),
  },
  {
    args: ["persist", "out/site", "--", "touch", "{}/x"],
    flags: ["--allow-read=./out", "--allow-run=touch", "--allow-write=./out"],
  },
  { args: ["cleanup", "site"], flags: ["--allow-read=./site", "--allow-write=./site"] },
  { args: ["cleanup", "site", "--dry-run"], flags: ["--allow-read=./site"] },
  {
    args: ["cleanup", "-q", "site"],
    flags: ["--allow-read=./site", "--allow-write=./site"],
    prepare: (dir) => mkdirSync(join(dir, "site/.txn-0123456789ab")),
  },
  { args: ["status", "-r", "site"], flags: ["--allow-read=./site"] },
  { args: ["remove", "src/sub"], flags: ["--allow-read=./src", "--allow-write=./src"] },
  { args: ["history", "-q", "src/sub"], flags: ["--allow-read=./src"] },
  { args: ["apply", "plan.json"], flags: ["--allow-read=.", "--allow-write=."] },
  {
    args: ["apply", "plan.json", "--no-lock"],
    flags: ["--allow-read=./a,./data,./plan.json,./src", "--allow-write=./data"],
  },
  {
    args: ["apply", "-"],
    input: plan,
    flags: ["--allow-read=.", "--allow-write=."],
  },
  {
    args: ["lock", "src/sub", "--", "true"],
    flags: ["--allow-read=./src", "--allow-run=true", "--allow-write=./src"],
  },
  {
    args: ["doctor", "out"],
    flags: ["--allow-read=./out", "--allow-write=./out"],
    optional: [ffi, "--allow-sys=statfs"],
  },
  { args: ["completions", "bash"], flags: [] },
];

async function inCase(
  one: Case,
  body: (dir: string, flags: string[]) => Promise<void>,
): Promise<void> {
  await inTemp(async (dir) => {
    trees(dir);
    one.prepare?.(dir);
    await body(dir, one.flags.map((flag) => flag.replaceAll(/(?<=[=,])\.(?![^/,])/g, dir)));
  })();
}

function call({ args, input = "x" }: Case, dir: string, flags?: string[]): Promise<Ended> {
  return run(programCommand("cli.ts", args, flags), input, { cwd: dir });
}

for (const [number, one] of cases.entries()) {
  const name = one.args.join(" ") + (one.prepare === undefined ? "" : ` (${one.flags.join(" ")})`);

  test(`untorn permissions ${name} prints the smallest flags`, shared(number), async () => {
    await inCase(one, async (dir, flags) => {
      const printed = await run(
        programCommand("cli.ts", ["permissions", "--json", ...one.args]),
        one.input ?? "",
        { cwd: dir },
      );
      assertEquals([printed.code, printed.stderr], [0, ""]);
      const { command, flags: found, optional } = JSON.parse(printed.stdout);
      assertEquals([command, found], [one.args[0], flags]);
      assertEquals(optional.map(({ flag }: { flag: string }) => flag), one.optional ?? []);
    });
  });

  test(
    `with these flags untorn ${name} is done, with any one less it is refused`,
    { skip: runtime === "deno" ? false : "only Deno has path-scoped permissions by default" },
    async () => {
      await inCase(one, async (dir, flags) => {
        for (const [index, flag] of flags.entries()) {
          const [kind, list] = flag.split("=");
          const of = list?.split(",") ?? [];
          for (const path of of.length === 0 ? [undefined] : of) {
            const rest = of.filter((other) => other !== path);
            const less = flags.toSpliced(index, 1, ...rest.length === 0 ? [] : [`${kind}=${rest}`]);
            const { code, stderr } = await call(one, dir, less);
            const missing = path === undefined ? flag : `${kind}=${path}`;
            assertEquals(code, 5, `${less}: ${stderr}`);
            assert(stderr.includes(missing), `${missing} is not in: ${stderr}`);
          }
        }
        const { code, stderr } = await call(one, dir, flags);
        assertEquals([code, stderr], [0, ""]);
      });
    },
  );
}

test(
  "untorn permissions prints one line that a shell takes, and optional flags on standard error",
  inTemp(async (dir) => {
    const site = join(dir, "it's a site");
    mkdirSync(site);
    const printed = await run(
      programCommand("cli.ts", ["permissions", "persist", site, "--", "true"]),
    );
    const shown = await run(["sh", "-c", `printf '%s\n' ${printed.stdout}`]);
    assertEquals(shown.stdout.trimEnd().split("\n"), [
      `--allow-read=${dir}`,
      "--allow-run=true",
      `--allow-write=${dir}`,
    ]);
    assertEquals(printed.stdout.split("\n").length, 2);
    assert(printed.stderr.startsWith(`untorn: optional: ${ffi} to exchange`), printed.stderr);
  }),
);

test("untorn permissions reports what is wrong with the command", async () => {
  const permissions = (...args: string[]): Promise<Ended> =>
    run(programCommand("cli.ts", ["permissions", ...args]));
  const cases: [string[], string][] = [
    [[], "COMMAND is missing; see untorn permissions --help"],
    [["wrte"], 'there is no command "wrte" (did you mean write?); see untorn permissions --help'],
    [["write"], "FILE is missing; see untorn write --help"],
    [["persist", "x"], "give either --from SRC or -- COMMAND; see untorn persist --help"],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await permissions(...args);
    assertEquals(code, 2);
    assert(stderr.includes(message), stderr);
  }
});
