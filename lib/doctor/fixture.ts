/** The files of the self-test: a file and a directory in two versions, which differ in every line. */

import type { Durability } from "../core/options.ts";
import { inside } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import { type DirOptions, dirSettings, type PersistResult } from "../dir/dir_options.ts";
import { persist } from "../dir/persist_dir.ts";
import { writeFile } from "../file/atomic_write.ts";
import { type FileOptions, fileSettings } from "../file/file_options.ts";
import { readAll } from "../fs/io.ts";
import { lstatOrUndefined } from "../fs/target.ts";
import type { Os } from "../os/port.ts";
import { syncSource } from "../stage/content.ts";
import { partSettings, transactionSettings } from "../transaction/transaction_options.ts";
import { TransactionStage } from "../transaction/transaction_stage.ts";

/** Where a test runs, and on which calls. */
export interface Place {
  os: { readonly sync: Os; readonly async: Os };
  /** An empty directory of the test's own. */
  dir: string;
  signal: AbortSignal;
}

export type Version = "old" | "new";

const ENTRIES: readonly string[] = ["a", "sub/b"];

/** A file in the directory that is in neither version: it is carried over. */
const OWN = "own";

/** The paths of the versions' files: of the directory, and of everything. */
export const SITE: readonly string[] = ENTRIES.map((path) => `site/${path}`);
export const ALL: readonly string[] = ["file", ...SITE];

/** A kill loses nothing that the system has accepted: its tests need no sync. */
export const NO_SYNC: { readonly durability: "none" } = { durability: "none" };

/** An expectation that the file system did not meet. */
export class Broken extends Error {}

export function expect(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Broken(`${what} is "${found}", not "${expected}"`);
}

/** A file and a directory in a directory of their own, and the calls that are used on them. */
export class Fixture {
  readonly os: Os;
  readonly dir: string;

  constructor(os: Os, dir: string) {
    this.os = os;
    this.dir = dir;
  }

  /** Writes the old version of everything, and a file that is carried over. */
  *prepare(): Steps<void> {
    yield* this.writeFile("old", NO_SYNC);
    yield* this.fillSite("old", NO_SYNC, true);
  }

  *writeFile(version: Version, options: FileOptions): Steps<void> {
    const source = syncSource(textOf(version));
    yield* writeFile(this.os, inside(this.dir, "file"), source, fileSettings(options));
  }

  fillSite(version: Version, options: DirOptions, withOwn = false): Steps<PersistResult> {
    const entries = Object.fromEntries(ENTRIES.map((path) => [path, textOf(version)]));
    if (withOwn) entries[OWN] = OWN;
    return persist(this.os, inside(this.dir, "site"), entries, syncSource, dirSettings(options));
  }

  /** Replaces the file and the directory in one transaction. */
  *changeAll(version: Version, durability: Durability): Steps<void> {
    const settings = transactionSettings({ durability });
    const stage = new TransactionStage(this.os, this.dir, settings);
    try {
      yield* stage.open();
      yield* stage.write("file", syncSource(textOf(version)), undefined);
      yield* stage.persist("site", partSettings({}, settings), function* (to) {
        for (const path of ENTRIES) yield* to.write(path, syncSource(textOf(version)));
      });
      yield* stage.commit();
    } catch (error) {
      throw yield* stage.fail(error);
    }
  }

  /** The version of the files at these paths; `"missing"` if all are, `"mixed"` if they differ. */
  *state(paths: readonly string[]): Steps<Version | "missing" | "mixed"> {
    const texts: (string | undefined)[] = [];
    for (const path of paths) texts.push(yield* this.#read(path));
    if (texts.every((text) => text === undefined)) return "missing";
    const versions = new Set(texts.map(versionOf));
    return versions.size === 1 ? [...versions][0]! : "mixed";
  }

  *expectCarriedOver(): Steps<void> {
    expect("what was carried over", yield* this.#read(`site/${OWN}`), OWN);
  }

  *expectOnly(...names: string[]): Steps<void> {
    const found = (yield* this.os.readdir(this.dir)).map(({ name }) => name).sort();
    expect("what is there", found.join(" "), names.join(" "));
  }

  *#read(path: string): Steps<string | undefined> {
    const file = inside(this.dir, path);
    if ((yield* lstatOrUndefined(this.os, file)) === undefined) return undefined;
    return new TextDecoder().decode(yield* readAll(this.os, file));
  }
}

/** Long enough for several writes. */
function textOf(version: Version): string {
  return `${version}\n`.repeat(3000);
}

function versionOf(text: string | undefined): Version {
  for (const version of ["old", "new"] as const) if (text === textOf(version)) return version;
  throw new Broken(text === undefined ? "a file is missing" : "a file is neither version");
}
