/** What the documents tell users to type works, and what they link to is there. */

import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import { COMMANDS } from "../../lib/cli/registry.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { project, run, runtime } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

const documents = [
  "README.md",
  "bench/losses/README.md",
  "docs/benchmarks/README.md",
  "docs/benchmarks/machines.md",
  "examples/README.md",
  "tests/powercut/README.md",
]
  .concat(
    readdirSync(join(project, "docs")).filter((name) => name.endsWith(".md")).map((name) =>
      `docs/${name}`
    ),
  );
const read = (path: string): string => readFileSync(join(project, path), "utf8");

const { tasks } = JSON.parse(read("deno.json"));

test("what documents link to is there", () => {
  assert(documents.length > 6);
  for (const document of documents) {
    for (const [, link] of read(document).matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)) {
      if (/^https?:/.test(link!)) continue;
      assert(existsSync(join(project, dirname(document), link!)), `${document}: ${link}`);
    }
  }
});

test("the tasks, commands and options that documents name are there", async () => {
  const tables = new Map(
    await Promise.all(
      COMMANDS.map(async ({ name, load }) => [name, (await load()).options] as const),
    ),
  );
  let found = 0;
  for (const document of documents) {
    const text = read(document);
    for (const [, task] of text.matchAll(/\bdeno(?:@2)? task (\w+)/g)) {
      assert(Object.hasOwn(tasks, task!), `${document}: ${task}`);
      found++;
    }
    for (const [, name, rest] of text.matchAll(/(?:`|^|\| )untorn ([a-z]+)(.*?)(?:`|$| -- )/gm)) {
      const table = tables.get(name!);
      assert(table !== undefined, `${document}: untorn ${name}`);
      const options = Object.keys(table).map((option) => `--${option}`);
      for (const [option] of rest!.matchAll(/--[a-z-]+/g)) {
        assert(
          options.includes(option) || name === "permissions",
          `${document}: untorn ${name} ${option}`,
        );
      }
      found++;
    }
  }
  assert(found > 20, `${found}`);
});

/** Programs of others, in so far as the commands need them. */
const OTHERS: Record<string, string> = {
  hugo: 'mkdir -p "$2" && echo page > "$2/index.html"',
  jq: 'cat "$2"',
  npx: 'shift 2; exec deno "$@"',
  pandoc: 'cat "$1"',
  rsync: 'cp -r "$2" "$3"',
};

/** Not run: it runs this very test. */
const NOT_RUN = "npx -y deno@2 task test";

test(
  "each command of README.md does what it should, in a clone",
  { skip: runtime === "deno" ? false : "it runs all three, and is run on Deno" },
  inTemp(async (dir) => {
    const [clone, bin, place] = ["clone", "bin", "place"].map((name) => join(dir, name)) as [
      string,
      string,
      string,
    ];
    for (
      const path of [
        bin,
        place,
        join(clone, "build"),
        join(clone, "site"),
        join(clone, "public"),
        join(clone, "releases/2024-01-31"),
        join(place, "app"),
      ]
    ) mkdirSync(path, { recursive: true });
    for (
      const path of [
        "cli.ts",
        "mod.ts",
        "lib",
        "scripts",
        "deno.json",
        "package.json",
        "package-lock.json",
      ]
    ) {
      cpSync(join(project, path), join(clone, path), { recursive: true });
    }
    symlinkSync(join(project, "node_modules"), join(clone, "node_modules"));
    for (
      const [path, text] of Object.entries({
        "config.json": "{}",
        "index.md": "# Text\n",
        "build/index.html": "new",
        "public/index.html": "old",
        "release.json": '{"root": ".", "steps": [{"write": "released", "content": "yes"}]}',
      })
    ) writeFileSync(join(clone, path), text);
    const programs = {
      ...OTHERS,
      bun: `exec '${join(project, "node_modules/bun/bin/bun.exe")}' "$@"`,
      deno: `exec '${process.execPath}' "$@"`,
      node: `exec '${join(project, "node_modules/node/bin/node")}' "$@"`,
      untorn: `exec '${process.execPath}' run -A '${join(clone, "cli.ts")}' "$@"`,
    };
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(bin, name), 0o755);
    }
    const env = { ...process.env, PATH: [bin, process.env.PATH].join(delimiter) };

    const blocks = [...read("README.md").matchAll(/```sh\n([^]*?)```/g)].map(([, block]) => block!);
    const lines = blocks.flatMap((block) => block.trim().split("\n")).filter((line) =>
      line !== NOT_RUN
    );
    assert(lines.length > 15);
    for (const line of lines) {
      const here = line.replaceAll("/tmp", place).replaceAll("/var/lib", place);
      // A permission that was left out would be denied, not asked for.
      const { code, stdout, stderr } = await run(["sh", "-c", here], "", { cwd: clone, env });
      assertEquals(code, 0, `${line}\n${stdout}${stderr}`);
    }
    const text = (path: string): string => readFileSync(join(clone, path), "utf8");
    assertEquals(readFileSync(join(place, "hello.txt"), "utf8"), "hello\n");
    assertEquals([text("config.json"), text("index.html"), text("released")], [
      "{}",
      "# Text\n",
      "yes",
    ]);
    // Persisted by hand, by hugo, and rolled back.
    assertEquals(text("public/index.html"), "new");
    assert(!existsSync(join(clone, "releases/2024-01-31")) && existsSync(join(clone, "backup")));
    assertEquals(readdirSync(clone).filter((name) => /^\.(?!history-)/.test(name)), []);
  }),
);
