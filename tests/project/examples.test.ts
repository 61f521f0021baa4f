/** The examples of a settings file, a site and `@std`, run as programs: see `examples/README.md`. */

import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "../helpers/assert.ts";
import { contents, printed, startExample, told } from "../helpers/examples.ts";
import { programCommand, project, run, runtime, until } from "../helpers/runtime.ts";
import { shared } from "../helpers/share.ts";
import { inTemp } from "../helpers/temp.ts";

test(
  "config_store: settings have their types and defaults, and are their owner's alone",
  inTemp(async (dir) => {
    const file = join(dir, "config.json");
    const config = (...args: string[]) => printed("config_store", dir, [file, ...args]);
    assertEquals(await config("get", "port"), "8080\n");
    assertEquals(readdirSync(dir), []);
    assertEquals(await config("set", "theme", "dark"), "dark\n");
    assertEquals(await config("add", "visits", "2"), "2\n");
    assertEquals(await config("get", "theme"), "dark\n");
    const refused = await told("config_store", dir, [file, "set", "port", "high"]);
    assertStringIncludes(refused, '"high" is no number');
    assertEquals(contents(dir), { "config.json": '{\n  "theme": "dark",\n  "visits": 2\n}\n' });
    assertEquals(statSync(file).mode & 0o777, 0o600);
  }),
);

test(
  "config_store: a broken file is told, and not overwritten",
  inTemp(async (dir) => {
    const file = join(dir, "config.json");
    for (const [broken, why] of [['{"visits": 1', "JSON"], ['{"visits": "1"}', "no number"]]) {
      writeFileSync(file, broken!);
      for (const args of [["add", "visits", "1"], ["get", "visits"]]) {
        assertStringIncludes(await told("config_store", dir, [file, ...args]), why!);
      }
      assertEquals(contents(dir), { "config.json": broken! });
    }
  }),
);

test(
  "config_store: the changes of five processes at a time add up",
  shared(2),
  inTemp(async (dir) => {
    const file = join(dir, "config.json");
    const add = () => printed("config_store", dir, [file, "add", "visits", "1"]);
    const sums: string[] = [];
    for (let round = 0; round < 3; round++) {
      sums.push(...await Promise.all(Array.from({ length: 5 }, add)));
    }
    const expected = Array.from({ length: 15 }, (_, i) => i + 1);
    assertEquals(sums.map(Number).sort((a, b) => a - b), expected);
    assertEquals(contents(dir), { "config.json": '{\n  "visits": 15\n}\n' });
  }),
);

function texts(dir: string, count: number): [src: string, out: string, site: string] {
  const [src, out] = [join(dir, "src"), join(dir, "out")];
  for (const path of [src, out]) mkdirSync(path);
  for (let i = 0; i < count; i++) writeFileSync(join(src, `text${i}.txt`), `a < b & ${i}\n`);
  return [src, out, join(out, "site")];
}

test(
  "publish: a reader beside ten builds sees all pages of one build",
  shared(3),
  inTemp(async (dir) => {
    const [src, out, site] = texts(dir, 30);
    const build = () => printed("publish", out, ["build", src, site], [src]);
    assertEquals(await build(), "build 1: 31 pages (create)\n");
    const watcher = startExample("publish", out, ["watch", site, "0"]);
    let seen = "";
    watcher.child.stdout!.on("data", (text) => seen += text);
    const sees = (line: string) =>
      until(() => seen.includes(line) || watcher.child.exitCode !== null);
    try {
      await sees("build 1:");
      for (let number = 2; number <= 11; number++) await build();
      await sees("build 11:");
    } finally {
      watcher.child.kill();
    }
    const { signal, stdout, stderr } = await watcher.ended;
    assertEquals([signal, stderr], ["SIGTERM", ""]);
    const lines = stdout.trimEnd().split("\n");
    assert(lines.length > 5, `only ${lines.length} builds were seen`);
    assert(lines.every((line) => /^build \d+: 31 pages$/.test(line)), stdout);
  }),
);

test(
  "publish: a page goes with its text; a build that fails changes nothing; versions come back",
  inTemp(async (dir) => {
    const [src, out, site] = texts(dir, 2);
    const publish = (...args: string[]) => printed("publish", out, args, [src]);
    await publish("build", src, site);
    const first = contents(site);
    assertStringIncludes(first["text1.html"]!, "<pre>a &lt; b &amp; 1\n</pre>");
    rmSync(join(src, "text1.txt"));
    await publish("build", src, site);
    assertEquals(Object.keys(contents(site)).sort(), ["index.html", "text0.html"]);
    writeFileSync(join(src, "index.txt"), "");
    assertStringIncludes(await told("publish", out, ["build", src, site], [src]), "index.txt");
    assertEquals(await publish("versions", site), "now: build 2: 2 pages\n1: build 1: 3 pages\n");
    await publish("rollback", site);
    assertEquals(contents(site), first);
    assertEquals(await publish("versions", site), "now: build 1: 3 pages\n2: build 2: 2 pages\n");
    assertEquals(readdirSync(out).sort(), [".history-site", "site", "site.build.json"]);
  }),
);

/** Where `@std` comes from in a test: its own registry may be out of reach. */
const std = Object.fromEntries(
  ["assert/mod", "cli/parse_args", "path/mod"].map((file) => [
    `@std/${file.split("/")[0]}`,
    pathToFileURL(join(project, "node_modules/deno-std", `${file}.js`)).href,
  ]),
);

/** The command of `with_std.ts`, which finds `@std` by an import map, or by packages beside a copy of it. */
function withStd(dir: string, args: string[]): string[] {
  if (runtime === "deno") {
    const map = join(dir, "imports.json");
    writeFileSync(map, JSON.stringify({ imports: std }));
    const flags = [`--import-map=${map}`, `--allow-read=${dir}`, `--allow-write=${dir}`];
    return programCommand("examples/with_std.ts", args, flags);
  }
  for (const [name, url] of Object.entries(std)) {
    const folder = join(dir, "node_modules", name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{"type": "module", "exports": "./mod.js"}');
    writeFileSync(join(folder, "mod.js"), `export * from "${url}";\n`);
  }
  const copy = join(dir, "examples/with_std.ts");
  mkdirSync(join(dir, "examples"));
  copyFileSync(join(project, "examples/with_std.ts"), copy);
  writeFileSync(
    join(dir, "mod.ts"),
    `export * from "${pathToFileURL(join(project, "mod.ts"))}";\n`,
  );
  return [process.execPath, copy, ...args];
}

test(
  "with_std: lines are sorted beside @std/path, @std/cli and @std/assert; what is no text stays",
  inTemp(async (dir) => {
    const [list, bytes] = [join(dir, "list.txt"), join(dir, "bytes.txt")];
    writeFileSync(list, "b\na10\na2\nb");
    writeFileSync(bytes, Uint8Array.of(0x62, 0x0a, 0xff, 0x0a));
    const command = withStd(dir, ["--unique", list, bytes]);
    const { code, stdout, stderr } = await run(command);
    assertEquals([code, stdout, readFileSync(list, "utf8")], [
      1,
      "list.txt: sorted\n",
      "a2\na10\nb\n",
    ]);
    assertStringIncludes(stderr, "bytes.txt");
    assertEquals([...readFileSync(bytes)], [0x62, 0x0a, 0xff, 0x0a]);
  }),
);

/** Whether `with_std_fs.ts` can be loaded: it says then what it wants to be told. */
function canLoad(): boolean {
  const [program, ...args] = withStdFs([], []);
  const { stderr } = spawnSync(program!, args, { encoding: "utf8", timeout: 3000 });
  return stderr.includes("say FROM and TO");
}

function withStdFs(args: string[], flags: string[]): string[] {
  return programCommand("examples/with_std_fs.ts", args, ["--no-lock", ...flags]);
}

const noStdFs = "only Deno loads @std/fs by itself, where its registry can be reached";

test(
  "with_std_fs: a folder is mirrored beside @std/fs",
  { skip: runtime === "deno" && canLoad() ? false : noStdFs },
  inTemp(async (dir) => {
    const [from, to] = [join(dir, "from"), join(dir, "to/mirror")];
    mkdirSync(join(from, "sub"), { recursive: true });
    mkdirSync(join(dir, "to"));
    for (const name of ["a", "sub/b"]) writeFileSync(join(from, name), name);
    const flags = [`--allow-read=${from},${join(dir, "to")}`, `--allow-write=${join(dir, "to")}`];
    const mirror = async () => assertEquals((await run(withStdFs([from, to], flags))).code, 0);
    await mirror();
    assertEquals(readFileSync(join(to, "sub/b"), "utf8"), "sub/b");
    rmSync(join(from, "a"));
    await mirror();
    assertEquals(readdirSync(to), ["sub"]);
  }),
);
