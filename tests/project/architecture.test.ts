/** The layers of `docs/architecture.md`: a folder imports only those of its last column, and no two files import each other. */

import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path/posix";
import { test } from "node:test";
import { assert, assertEquals } from "../helpers/assert.ts";
import { project } from "../helpers/runtime.ts";

/** Each folder, with those that it may import: the document's own table. */
const uses = new Map<string, string[]>();
const table = readFileSync(join(project, "docs/architecture.md"), "utf8");
for (const [, folder, list] of table.matchAll(/^\| `([\w/]+)\/` *\|[^|\n]*\| (.*?) *\|$/gm)) {
  uses.set(folder!, list === "all above" ? [...uses.keys()] : list!.split(" "));
}

const files = (readdirSync(join(project, "lib"), { recursive: true }) as string[])
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts"));

/** The files of `lib/` that a file imports; types, and what is loaded later, included. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(project, "lib", file), "utf8").replace(/^ *(\*|\/\/).*$/gm, "");
  return [...text.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)]
    .map(([, path]) => join(dirname(file), path!));
}

test("a folder imports only what the table of layers lets it", () => {
  assert(files.length > 80);
  assertEquals(new Set(files.map((file) => dirname(file))), new Set(uses.keys()));
  const wrong = files.flatMap((file) => {
    const allowed = [dirname(file), ...uses.get(dirname(file))!];
    return importsOf(file).filter((path) => !allowed.includes(dirname(path)))
      .map((path) => `${file} imports ${path}`);
  });
  assertEquals(wrong, []);
});

test("docs/architecture.md names every file that is no command", () => {
  const missing = files.filter((file) => !file.startsWith("cli/commands/"))
    .filter((file) => !table.includes(`${basename(file)}\``));
  assertEquals(missing, []);
});

test("no two files import each other, directly or through others", () => {
  const done = new Set<string>();
  const visit = (file: string, above: string[]): void => {
    assert(!above.includes(file), `a circle: ${[...above, file].join(" → ")}`);
    if (done.has(file)) return;
    for (const path of importsOf(file)) visit(path, [...above, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});
