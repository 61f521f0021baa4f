/** What holds for the project as a whole, and no compiler checks. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { VERSION } from "../../lib/cli/main.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { project } from "../helpers/runtime.ts";

const read = (path: string): string => readFileSync(join(project, path), "utf8");

const sources = ["mod.ts", "cli.ts"].concat(
  (readdirSync(join(project, "lib"), { recursive: true }) as string[])
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join("lib", path)),
);

test("there is one version number", () => {
  for (const file of ["deno.json", "package.json"]) {
    assertEquals(JSON.parse(read(file)).version, VERSION, file);
  }
  assert(read("CHANGELOG.md").includes(`## ${VERSION}`), "CHANGELOG.md does not mention it");
});

test("a source file starts with what it promises and reads in one sitting", () => {
  assert(sources.length > 15);
  for (const file of sources) {
    const text = read(file);
    assert(/^(#!.*\n\n)?\/\*\*/.test(text), `${file} starts with no comment`);
    assert(text.split("\n").length <= 320, `${file} is long`);
  }
});

test("nothing is imported but relative files and what the runtimes bring", () => {
  for (const file of sources) {
    for (const [, name] of read(file).matchAll(/(?<!")\b(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
      if (/^\.{1,2}\/.*\.ts$/.test(name!) || name!.startsWith("node:")) continue;
      // Examples in comments import the package by its name, as users do.
      assert(name === "@untorn/untorn" && read(file).includes(` * import `), `${file}: ${name}`);
    }
  }
});
