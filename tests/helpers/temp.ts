/** Temporary directories, removed when the test has ended, however it ended. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

type Body = (dir: string) => void | Promise<void>;

/** Runs a test's body with a directory of its own. */
export function inTemp(body: Body): () => Promise<void> {
  return () => withDir(tmpdir(), body);
}

/** The same on a memory file system where there is one: for thousands of small directories. */
export function inMemory(body: Body): () => Promise<void> {
  return () => withDir(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), body);
}

async function withDir(place: string, body: Body): Promise<void> {
  const dir = mkdtempSync(join(place, "untorn-"));
  try {
    await body(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
