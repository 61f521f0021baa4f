/**
 * Builds a small site from the text files of a folder, and publishes it under its readers: one page for
 * each text and an index, all with the number of their build.
 *
 *     deno run --allow-read=SRC,OUT --allow-write=OUT examples/publish.ts build SRC OUT/site
 *     bun examples/publish.ts build SRC OUT/site
 *     node examples/publish.ts build SRC OUT/site
 *
 *     build SRC SITE          makes it, and keeps the three versions before
 *     watch SITE [MS]         tells of each new build, looking every so many milliseconds (1000)
 *     versions SITE           what there is to go back to
 *     rollback SITE [N]       goes back to version N, or to the last
 *
 * It rests on `persistDir`: whoever comes finds all pages of one build, after a crash too, and a build
 * that fails changes nothing. Who reads many pages while they are replaced reads by `readStable`. In
 * Deno, `--allow-ffi` as well makes the swap one step; without it, the site is missing for an instant.
 */

import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { history, persistDir, readStable, rollback, updateJson } from "../mod.ts";

/** The pages, one by one: the texts need not fit into memory together. */
async function* pages(source: string, build: number): AsyncGenerator<[string, string]> {
  const names = (await readdir(source)).filter((name) => name.endsWith(".txt")).sort();
  const titles = names.map((name) => basename(name, ".txt"));
  const links = titles.map((title) =>
    `<li><a href="${encodeURIComponent(title)}.html">${escaped(title)}</a></li>`
  );
  yield ["index.html", page("Contents", `<ul>${links.join("")}</ul>`, build)];
  for (const title of titles) {
    if (title === "index") throw new Error("index.txt would take the place of the contents");
    const text = await readFile(join(source, `${title}.txt`), "utf8");
    yield [`${title}.html`, page(title, `<pre>${escaped(text)}</pre>`, build)];
  }
}

function page(title: string, body: string, build: number): string {
  const head = `<!doctype html>\n<meta charset="utf-8">\n<title>${escaped(title)}</title>`;
  return `${head}\n<h1>${escaped(title)}</h1>\n${body}\n<footer>build ${build}</footer>\n`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

async function build(source: string, site: string): Promise<string> {
  // Beside the site, so that a rollback does not bring a number back that was used.
  let number = 0;
  await updateJson<number>(`${site}.build.json`, (last = 0) => number = last + 1);
  // What is not built any more has to go: without `carryOver: false` its page would stay.
  const options = { carryOver: false, keep: 3 };
  const { written, swap } = await persistDir(site, pages(source, number), options);
  return `build ${number}: ${written} pages (${swap})`;
}

/** The build that all pages of a directory are of, and how many there are. */
async function buildOf(site: string): Promise<string> {
  const names = await readdir(site);
  const builds = new Set<string | undefined>();
  for (const name of names) {
    const text = await readFile(join(site, name), "utf8");
    builds.add(/<footer>build (\d+)<\/footer>\n$/.exec(text)?.[1]);
  }
  if (builds.size !== 1) throw new Error(`a mixture of the builds ${[...builds].join(", ")}`);
  return `build ${[...builds][0]}: ${names.length} pages`;
}

/** Until the process is ended. */
async function watch(site: string, pause: number): Promise<never> {
  for (let last = "";;) {
    const found = await readStable(site, buildOf);
    if (found !== last) console.log(last = found);
    await setTimeout(pause);
  }
}

async function versions(site: string): Promise<string> {
  const lines: string[] = [`now: ${await readStable(site, buildOf)}`];
  for (const { version, path } of (await history(site)).reverse()) {
    lines.push(`${version}: ${await buildOf(path)}`);
  }
  return lines.join("\n");
}

async function main([command, first, second]: string[]): Promise<string> {
  if (first !== undefined) {
    if (command === "build" && second !== undefined) return await build(first, second);
    if (command === "watch") return await watch(first, Number(second ?? 1000));
    if (command === "versions") return await versions(first);
    if (command === "rollback") {
      const { version, kept } = await rollback(
        first,
        second === undefined ? {} : { to: Number(second) },
      );
      return `back at version ${version}; what was there is version ${kept}`;
    }
  }
  throw new TypeError("say build SRC SITE, watch SITE [MS], versions SITE or rollback SITE [N]");
}

try {
  console.log(await main(process.argv.slice(2)));
} catch (error) {
  console.error(`publish: ${(error as Error).message}`);
  process.exitCode = 1;
}
