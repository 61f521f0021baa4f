/** Small file systems of a test's own, unmounted however it ends; only the superuser can have them. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs a body with a tmpfs of 1 MiB at a path, which is made if it is missing. */
export async function mounted(path: string, body: () => void | Promise<void>): Promise<void> {
  mkdirSync(path, { recursive: true });
  const options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path];
  const { status, stderr } = spawnSync("mount", options, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  const { dev } = device(path);
  try {
    await body();
  } finally {
    // Wherever it is by now: a directory above it may have been renamed.
    spawnSync("umount", ["-l", device(path, dev).path]);
  }
}

/** The mount at a path, or the one with this device number. */
function device(path: string, dev?: string): { dev: string; path: string } {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").trimEnd().split("\n")
    .map((line) => line.split(" ")).map((fields) => ({ dev: fields[2]!, path: fields[4]! }));
  return mounts.findLast((mount) => dev === undefined ? mount.path === path : mount.dev === dev)!;
}

/** Why nothing can be mounted here, or false. */
export const noMount: string | false = await tryMount();

async function tryMount(): Promise<string | false> {
  const dir = mkdtempSync(join(tmpdir(), "untorn-"));
  try {
    await mounted(dir, () => {});
    return false;
  } catch (error) {
    return `nothing can be mounted here: ${(error as Error).message.trim()}`;
  } finally {
    rmdirSync(dir);
  }
}
