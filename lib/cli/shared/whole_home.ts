/** Protects the root and the home directory, which are hardly ever meant. */

import { parse, resolve } from "node:path";
import { OsError } from "../../core/errors.ts";
import { missingFlags } from "../../os/permissions.ts";
import { runOnSystem } from "../../os/system.ts";
import type { Host } from "./host.ts";
import { UsageError } from "./options.ts";

/** Refuses a path that is the root of a file system or the home directory. */
export async function refuseWholeHome(path: string, host: Host): Promise<void> {
  const home = host.home();
  const found = await realPath(path);
  const isRoot = found === parse(found).root;
  const isHome = home === undefined
    // Deno may lack the permission to read HOME (--allow-env=HOME).
    ? /^(\/root|\/home\/[^/]+|\/Users\/[^/]+)$/.test(found)
    : found === await realPath(home);
  if (!isRoot && !isHome) return;
  const what = isRoot ? "the root of the file system" : "the home directory";
  throw new UsageError(`${JSON.stringify(path)} is ${what}; use --force to allow that`);
}

async function realPath(path: string): Promise<string> {
  if (missingFlags(path, ["read"]).length > 0) return path;
  try {
    return await runOnSystem((os) => os.realpath(resolve(path)));
  } catch (error) {
    // The operation itself reports a path that is missing or cannot be entered.
    if (error instanceof OsError) return path;
    throw error;
  }
}
