/** The packages of `bench/package.json`, installed when a script needs them. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Failure, programs } from "../scripts/tools.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));

interface Manifest {
  version: string;
  dependencies: Record<string, string>;
}

async function manifest(path: string): Promise<Manifest> {
  return JSON.parse(await Deno.readTextFile(join(folder, path, "package.json")));
}

/** Installs them in the versions that are wanted; returns these, and Untorn's. */
export async function installPeers(): Promise<Record<string, string>> {
  const { dependencies } = await manifest(".");
  for (const [name, wanted] of Object.entries(dependencies)) {
    const found = await manifest(join("node_modules", name)).catch(() => undefined);
    if (found?.version === wanted) continue;
    // In the Node that runs them: native parts are left out where another one would not do.
    const PATH = [join(programs.node, ".."), Deno.env.get("PATH")].join(":");
    // Not `npm ci`: it fails where the registry lacks a native part for some other platform.
    const args = ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
    const options = { cwd: folder, env: { PATH }, stdout: "null", stderr: "inherit" } as const;
    const { success } = await new Deno.Command("npm", { args, ...options }).output();
    if (!success) throw new Failure("npm install failed in bench");
    break;
  }
  return { untorn: (await manifest("..")).version, ...dependencies };
}

/** A Markdown table, its columns aligned; the first row is its head. */
export function table(rows: string[][]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const lines = rows.map((row) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  );
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}
