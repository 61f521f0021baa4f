/** Small file systems of a test's own, unmounted however it ends; only the superuser can have them. */

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TMPFS = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];

/** Runs a body with a file system at a path, which is made if it is missing; by default a tmpfs of 1 MiB. */
export async function mounted(
  path: string,
  body: () => void | Promise<void>,
  what: string[] = TMPFS,
): Promise<void> {
  mkdirSync(path, { recursive: true });
  const { status, stderr } = spawnSync("mount", [...what, path], { encoding: "utf8" });
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

/** File systems that are made in a file. */
export type ImageKind = "ext4" | "xfs" | "btrfs";

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

/** Runs a body with a new file system of a kind at `disk` in a directory, whose image is there too. */
export async function onImage(
  kind: ImageKind,
  dir: string,
  body: (disk: string) => void | Promise<void>,
): Promise<void> {
  const [image, disk] = [join(dir, "image"), join(dir, "disk")];
  writeFileSync(image, "");
  // The least that xfs takes is 300 MiB; nearly all of it stays a hole.
  truncateSync(image, 320 * 1024 * 1024);
  const made = spawnSync(`mkfs.${kind}`, ["-q", image], { encoding: "utf8", env });
  if (made.status !== 0) throw new Error(made.stderr);
  await mounted(disk, () => body(disk), ["-t", kind, "-o", "loop", image]);
}

/** Why no such image can be mounted here, or false. */
export function noImage(kind: ImageKind): string | false {
  if (noMount !== false) return noMount;
  if (!existsSync("/dev/loop-control")) return "there are no loop devices here";
  const { error } = spawnSync(`mkfs.${kind}`, ["-V"], { env });
  if (error !== undefined) return `mkfs.${kind} is not installed here`;
  const known = new RegExp(`\\b${kind}$`, "m").test(readFileSync("/proc/filesystems", "utf8"));
  return known ? false : `this kernel has no ${kind}`;
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
