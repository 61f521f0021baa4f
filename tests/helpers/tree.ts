/** The whole content of a directory, for comparisons. */

import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Text by path; a directory's path ends in a slash, a link's text shows its target. */
export type Tree = Record<string, string>;

/** What is in a directory: text by path. */
export function tree(dir: string, below: string = ""): Tree {
  const found: Tree = {};
  for (const name of readdirSync(join(dir, below)).sort()) {
    const path = join(below, name);
    const stat = lstatSync(join(dir, path));
    if (stat.isDirectory()) Object.assign(found, { [path + "/"]: "" }, tree(dir, path));
    else if (stat.isSymbolicLink()) found[path] = "-> " + readlinkSync(join(dir, path));
    else found[path] = readFileSync(join(dir, path), "utf8");
  }
  return found;
}
