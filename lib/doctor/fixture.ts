/** What the self-test writes and reads: two versions of a file and of a directory, told apart by each line. */

import { writeFile } from "../file/atomic_write.ts";
import { syncSource } from "../stage/content.ts";
import { type DirOptions, dirSettings, type PersistResult } from "../dir/dir_options.ts";
import type { Durability } from "../core/options.ts";
import { fileSettings } from "../file/file_options.ts";
import type { Os } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { persist } from "../dir/persist_dir.ts";
import type { Steps } from "../core/steps.ts";
import { readAll } from "../fs/io.ts";
import { lstatOrUndefined } from "../fs/target.ts";

/** Where a test runs, and on what. */
export interface Place {
  os: { readonly sync: Os; readonly async: Os };
  /** An empty directory of the test's own. */
  dir: string;
  signal: AbortSignal;
}

/** A promise that was not kept. */
export class Broken extends Error {}

export type Version = "old" | "new";

/** More than one write. */
export function textOf(version: Version): string {
  return `${version}\n`.repeat(3000);
}

export const ENTRIES: readonly string[] = ["a", "sub/b"];
/** In the directory, but in no version: it is carried over. */
export const OWN: string = "own";

export function site(version: Version): Record<string, string> {
  return Object.fromEntries(ENTRIES.map((path) => [path, textOf(version)]));
}

export function* write(
  os: Os,
  path: string,
  version: Version,
  durability: Durability,
): Steps<void> {
  yield* writeFile(os, path, syncSource(textOf(version)), fileSettings({ durability }));
}

/** Replaces or creates a directory. */
export function* fill(
  os: Os,
  dir: string,
  entries: Record<string, string>,
  options: DirOptions,
): Steps<PersistResult> {
  return yield* persist(os, dir, entries, syncSource, dirSettings(options));
}

/** All files that have versions. */
export const PATHS: readonly string[] = ["file", ...ENTRIES.map((path) => `site/${path}`)];

export function* prepare(os: Os, dir: string): Steps<void> {
  yield* write(os, inside(dir, "file"), "old", "none");
  const entries = { ...site("old"), [OWN]: OWN };
  yield* fill(os, inside(dir, "site"), entries, { durability: "none" });
}

export function* expectOnly(os: Os, dir: string, names: string[]): Steps<void> {
  const found = (yield* os.readdir(dir)).map(({ name }) => name).sort();
  expect("what is there", found.join(" "), names.join(" "));
}

export function expect(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Broken(`${what} is "${found}", not "${expected}"`);
}

export function versionOf(text: string | undefined): Version {
  for (const version of ["old", "new"] as const) if (text === textOf(version)) return version;
  throw new Broken(text === undefined ? "a file is missing" : "a file is neither version");
}

export function* read(os: Os, path: string): Steps<string | undefined> {
  if ((yield* lstatOrUndefined(os, path)) === undefined) return undefined;
  return new TextDecoder().decode(yield* readAll(os, path));
}
