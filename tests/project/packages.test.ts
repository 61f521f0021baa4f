/** What users install: the bundles, the package for npm, the standalone program. */

import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import * as library from "../../mod.ts";
import {
  bundle,
  bundleTypes,
  compileArguments,
  denoCompileArguments,
} from "../../scripts/bundles.ts";
import { assert, assertEquals, assertMatch } from "../helpers/assert.ts";
import { project, run, runtime } from "../helpers/runtime.ts";
import { ELSEWHERE, isLong, shared } from "../helpers/share.ts";
import { inTemp } from "../helpers/temp.ts";

/** What is the same on every runtime is tried on the fastest. */
const onDeno = { skip: runtime === "deno" ? false : "it runs all three, and is run on Deno" };
const onBun = { skip: runtime === "bun" || isLong ? false : ELSEWHERE };

const FILES = ["untorn-cli.js", "untorn-cli.js.map", "untorn.js", "untorn.js.map"];

/** Runs tests of the command line against another file than its source; returns how many passed. */
async function passed(cli: string, ...files: string[]): Promise<number> {
  const paths = files.map((file) => `./tests/cli/${file}.test.ts`);
  const command = {
    deno: ["test", "-A", "--no-check", "--no-prompt", ...paths],
    bun: ["test", "--timeout=60000", ...paths],
    node: ["--test", ...paths],
  }[runtime];
  const env: NodeJS.ProcessEnv = { ...process.env, UNTORN_CLI: cli, NO_COLOR: "1" };
  // Within a test, Node's runner would take this for a part of it, and run nothing.
  delete env.NODE_TEST_CONTEXT;
  const { code, stdout, stderr } = await run([process.execPath, ...command], "", {
    cwd: project,
    env,
  });
  assertEquals(code, 0, stdout + stderr);
  return Number(/(?<!\d)(\d+) pass|pass (\d+)/.exec(stdout + stderr)!.slice(1).find(Boolean));
}

test(
  "the bundles do what the sources do, and show nothing of where they were made",
  inTemp(async (dir) => {
    await bundle(dir);
    const built = await import(join(dir, "untorn.js"));
    assertEquals(Object.keys(built).sort(), Object.keys(library).sort());
    const { sources, sourcesContent } = JSON.parse(
      readFileSync(join(dir, "untorn.js.map"), "utf8"),
    );
    assert(sources.includes("lib/fs/swap.ts") && sourcesContent.length === sources.length);
    for (const file of FILES) {
      assert(!readFileSync(join(dir, file), "utf8").includes(project), file);
    }
    const count = await passed(join(dir, "untorn-cli.js"), "cli");
    assert(count > 10, `${count}`);
  }),
);

for (const file of ["cli", "cli_apply", "cli_cleanup", "cli_dirs", "cli_help", "cli_permissions"]) {
  test(
    `the standalone program passes the tests of the command line: ${file}`,
    onBun,
    inTemp(async (dir) => {
      const count = await passed(await compiled(dir), file);
      assert(count > 3, `${count}`);
    }),
  );
}

async function compiled(dir: string): Promise<string> {
  const program = join(dir, "untorn");
  const made = await run([bun, ...compileArguments(program)], "", { cwd: project });
  assertEquals(made.code, 0, made.stderr);
  return program;
}

test(
  "the standalone program runs no code of the directory that it is called in",
  onBun,
  inTemp(async (dir) => {
    const program = await compiled(dir);
    writeFileSync(join(dir, "bunfig.toml"), 'preload = ["./other.js"]\n');
    writeFileSync(join(dir, "other.js"), 'console.log("other code")\n');
    writeFileSync(join(dir, ".env"), "NO_COLOR=1\n");
    const { code, stdout, stderr } = await run([program, "write", "file", "-v"], "x", { cwd: dir });
    assertEquals([code, stdout], [0, ""]);
    assertMatch(stderr, /^untorn: wrote 1 byte to "file"/);
    assertEquals(readFileSync(join(dir, "file"), "utf8"), "x");
  }),
);

/** Makes the package as npm would, of what is made of the sources; returns its file. */
async function pack(source: string): Promise<string> {
  await bundle(join(source, "dist"));
  await bundleTypes(join(source, "dist"));
  const { files } = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
  for (const file of ["package.json", "README.md", "LICENSE", "CHANGELOG.md"]) {
    cpSync(join(project, file), join(source, file));
  }
  // Its scripts would make the bundle again, in the sources.
  const { code, stdout, stderr } = await run(["npm", "pack", "--ignore-scripts", "--json"], "", {
    cwd: source,
  });
  assertEquals(code, 0, stderr);
  const answer = JSON.parse(stdout);
  // npm 12 answers by names.
  const [tarball] = Array.isArray(answer) ? answer : Object.values(answer);
  const inside = tarball.files.map(({ path }: { path: string }) => path);
  assertEquals(inside.sort(), [...files, "LICENSE", "README.md", "package.json"].sort());
  return join(source, tarball.filename);
}

/** Installs a package, without a registry, into an empty project. */
async function install(tarball: string, user: string): Promise<void> {
  mkdirSync(user);
  writeFileSync(join(user, "package.json"), '{ "private": true, "type": "module" }');
  const options = ["--offline", "--no-audit", "--no-fund"];
  const { code, stderr } = await run(["npm", "install", ...options, tarball], "", { cwd: user });
  assertEquals(code, 0, stderr);
  const found = readdirSync(join(user, "node_modules"));
  assertEquals(found.filter((name) => !name.startsWith(".")), ["untorn"]);
}

const PROGRAM = `
import { atomicWriteJson, persistDir, transaction, UntornError } from "untorn";
import { readFileSync } from "node:fs";

await persistDir("data", { "a.txt": "one" });
await transaction("data", async (tx) => {
  await tx.write("a.txt", "two");
  await tx.writeJson("b.json", {});
});
const error = await atomicWriteJson("data", 1).catch((error) => error);
if (!(error instanceof UntornError) || error.code !== "EISDIR") throw new Error("?");
console.log(readFileSync("data/a.txt", "utf8"));
`;

const TYPED = `
import { atomicWrite, type Durability, type PersistResult, persistDir, type WriteResult } from "untorn";

const durability: Durability = "file";
const result: WriteResult = await atomicWrite("typed.txt", "x", { durability });
const persisted: PersistResult = await persistDir("typed", { "a.txt": "x" });
console.log(result.bytes, persisted.written);
// @ts-expect-error There is no such option.
if (false as boolean) await atomicWrite("x", "x", { durable: true });
`;

const [bun, node] = ["bun/bin/bun.exe", "node/bin/node"].map((path) =>
  join(project, "node_modules", path)
) as [string, string];

test(
  "the package for npm works from JavaScript and TypeScript in three runtimes, and has its command",
  onDeno,
  inTemp(async (dir) => {
    const [source, user] = [join(dir, "source"), join(dir, "user")];
    await install(await pack(source), user);
    writeFileSync(join(user, "main.js"), PROGRAM);
    writeFileSync(join(user, "main.ts"), TYPED);
    const deno = [process.execPath, "run", "--no-prompt", "-A", "--node-modules-dir=manual"];
    const commands: [runner: string[], command: string[]][] = [
      [deno, [...deno, "node_modules/untorn/dist/untorn-cli.js"]],
      [[bun], [bun, "x", "--no-install", "untorn"]],
      [[node], ["npx", "--no-install", "untorn"]],
    ];
    // npx and Bun run the first Node there is.
    const env = { ...process.env, PATH: [dirname(node), process.env.PATH].join(delimiter) };
    for (const [runner, command] of commands) {
      const plain = await run([...runner, "main.js"], "", { cwd: user });
      assertEquals([plain.code, plain.stdout], [0, "two\n"], plain.stderr);
      const typed = await run([...runner, "main.ts"], "", { cwd: user });
      assertEquals([typed.code, typed.stdout], [0, "1 1\n"], typed.stderr);
      const text = `by ${command[0]}`;
      const called = await run([...command, "write", "c.txt"], text, { cwd: user, env });
      assertEquals(
        [called.code, readFileSync(join(user, "c.txt"), "utf8")],
        [0, text],
        called.stderr,
      );
    }

    for (const name of ["@types", "undici-types"]) {
      const into = join(user, "node_modules", name);
      cpSync(join(project, "node_modules", name), into, { recursive: true });
    }
    const browser = { types: [], lib: ["esnext", "dom", "dom.asynciterable"] };
    for (
      const resolution of [
        { module: "nodenext", moduleResolution: "nodenext", target: "es2022", types: ["node"] },
        { module: "esnext", moduleResolution: "bundler", target: "esnext", ...browser },
      ]
    ) {
      const compilerOptions = { strict: true, noEmit: true, ...resolution };
      const config = JSON.stringify({ compilerOptions, files: ["main.ts"] });
      writeFileSync(join(user, "tsconfig.json"), config);
      const tsc = [node, join(project, "node_modules/typescript/lib/tsc.js"), "-p", "."];
      const { code, stdout } = await run(tsc, "", { cwd: user });
      assertEquals([code, stdout], [0, ""], resolution.module);
    }
  }),
);

test(
  "bundles and types are the same wherever they are made, and the types are of all there is",
  shared(1),
  inTemp(async (dir) => {
    const [one, two] = [join(dir, "a"), join(dir, "b/c")];
    for (const dir of [one, two]) {
      await bundle(dir);
      await bundleTypes(dir);
    }
    const all = [...FILES, "untorn.d.ts"].sort();
    assertEquals([readdirSync(one).sort(), readdirSync(two).sort()], [all, all]);
    for (const file of all) {
      assert(readFileSync(join(one, file)).equals(readFileSync(join(two, file))), file);
    }
    const types = readFileSync(join(one, "untorn.d.ts"), "utf8");
    const [, exported] = /\nexport \{ ([^}]*) \};/.exec(types)!;
    assertEquals(exported!.split(", ").sort(), Object.keys(library).sort());
    assertMatch(types, /\n \* Replaces or creates one file\./);
  }),
);

test(
  "a program that Deno compiles has the permissions it was made with, and asks for none",
  onDeno,
  inTemp(async (dir) => {
    const program = join(dir, "untorn");
    const flags = ["--allow-read=/srv", "--allow-write=/srv"];
    const made = await run([process.execPath, ...denoCompileArguments(program, flags)], "", {
      cwd: project,
      // In the place of the base that Deno would download: this program can't be run, but be read.
      env: { ...process.env, DENO_NO_PACKAGE_JSON: "1", DENORT_BIN: process.execPath },
    });
    assertEquals(made.code, 0, made.stderr);
    // What is compiled stands behind the base.
    const bytes = readFileSync(program).subarray(-4_000_000);
    const at = bytes.lastIndexOf('"permissions":{');
    const permissions = bytes.subarray(at, bytes.indexOf("}", at)).toString();
    assert(permissions.includes('"allow_read":["/srv"]'), permissions);
    assert(permissions.includes('"allow_run":null'), permissions);
    assert(permissions.includes('"prompt":false'), permissions);
    for (const file of readdirSync(join(project, "lib/cli/commands"))) {
      assert(bytes.includes(file), file);
    }
    assert(!bytes.includes("node_modules/rolldown"));
  }),
);

test(
  "deno publish would publish the sources, and nothing else",
  onDeno,
  async () => {
    const { code, stderr } = await run(
      [process.execPath, "publish", "--dry-run", "--allow-dirty", "--no-check"],
      "",
      { cwd: project, env: { ...process.env, NO_COLOR: "1" } },
    );
    assertEquals(code, 0, stderr);
    const files = [...stderr.matchAll(/file:\/\/(\S+)/g)].map(([, path]) =>
      path!.slice(project.length)
    );
    const outside = files.filter((file) =>
      !/^(lib\/[\w/]+\.ts|mod\.ts|cli\.ts|deno\.json|[A-Z]+(\.md)?)$/.test(file)
    );
    assert(files.length > 60, stderr);
    assertEquals(outside, []);
  },
);
