/**
 * What a kill or a power cut is to interrupt: operations that bring a directory from one generation to the
 * next, and what tells which generation it holds, whole.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeFile } from "../../lib/file/atomic_write.ts";
import { syncSource } from "../../lib/stage/content.ts";
import {
  type DirOptions,
  dirSettings,
  removeSettings,
  rollbackSettings,
} from "../../lib/dir/dir_options.ts";
import { partSettings, transactionSettings } from "../../lib/transaction/transaction_options.ts";
import type { Durability } from "../../lib/core/options.ts";
import { fileSettings } from "../../lib/file/file_options.ts";
import { recognise } from "../../lib/core/names.ts";
import type { Os } from "../../lib/os/port.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import { remove } from "../../lib/dir/atomic_remove.ts";
import { rollBack } from "../../lib/dir/rollback.ts";
import type { Steps } from "../../lib/core/steps.ts";
import { TransactionStage } from "../../lib/transaction/transaction_stage.ts";
import { cleanupSync } from "../../mod.ts";

/** An operation on a directory, from generation to generation. */
export interface Operation {
  /** Makes generation 0. */
  setup(dir: string): void;
  /** Makes a generation of the one before. */
  change(os: Os, dir: string, generation: number, durability: Durability): Steps<unknown>;
  /** The generation that stands; throws `category: text` if there is no whole one. */
  read(dir: string): number;
}

/** So many bytes has a file: two blocks. */
const SIZE = 8192;

/** A text that tells its generation in every line. */
function textOf(generation: number): string {
  return `gen ${String(generation).padStart(11, "0")}\n`.repeat(SIZE / 16);
}

function readText(path: string): number {
  if (!existsSync(path)) throw new Error(`lost: ${path}`);
  const text = readFileSync(path, "utf8");
  const generation = Number(text.slice(4, 15));
  if (text !== textOf(generation)) throw new Error(`torn: ${path}`);
  return generation;
}

/** The one generation that all of these are of. */
function one(generations: number[]): number {
  if (new Set(generations).size === 1) return generations[0]!;
  throw new Error(`mixture: ${generations.join(" ")}`);
}

function plant(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const ENTRIES = ["a", "sub/b"];

/** Entries that change, and a directory of each generation's own, which the next one does not have. */
function entriesOf(generation: number): [string, string][] {
  return [...ENTRIES, `only${generation}/c`].map((path) => [path, textOf(generation)]);
}

const isCarried = (path: string): boolean => !path.startsWith("only");

function setupDir(dir: string): void {
  for (const [path, text] of entriesOf(0)) plant(join(dir, "X", path), text);
  plant(join(dir, "X/own/file"), "own");
}

function readDir(dir: string): number {
  const x = join(dir, "X");
  if (!existsSync(x)) throw new Error("lost: X");
  if (readFileSync(join(x, "own/file"), "utf8") !== "own") throw new Error("lost: X/own/file");
  return readEntries(x);
}

function readEntries(x: string): number {
  const own = readdirSync(x).filter((name) => name.startsWith("only"));
  const numbers = own.map((name) => Number(name.slice(4)));
  const paths = [...ENTRIES, ...own.map((name) => `${name}/c`)];
  return one([...numbers, ...paths.map((path) => readText(join(x, path)))]);
}

function persisting(options: DirOptions): Operation {
  return {
    setup: setupDir,
    change: (os, dir, generation, durability) => {
      const settings = dirSettings({ ...options, carryOver: isCarried, durability });
      const entries = entriesOf(generation).values();
      return persist(os, join(dir, "X"), entries, syncSource, settings);
    },
    read: readDir,
  };
}

function removing(): Operation {
  const { setup, change } = persisting({ swap: "auto" });
  return {
    setup,
    // Odd generations are removals.
    change: (os, dir, generation, durability) =>
      generation % 2 === 1
        ? remove(os, join(dir, "X"), removeSettings({ durability }))
        : change(os, dir, generation, durability),
    // Without X the removal is the last that happened, whichever it was.
    read: (dir) => existsSync(join(dir, "X")) ? readEntries(join(dir, "X")) : Infinity,
  };
}

/** There and back: each generation is a rollback to the one before. */
function rollingBack(swap: "exchange" | "rename"): Operation {
  const { setup, change, read } = persisting({ swap, keep: 2 });
  return {
    setup,
    change: function* (os, dir, generation, durability) {
      yield* change(os, dir, generation, durability);
      const settings = rollbackSettings({ swap, durability });
      yield* rollBack(os, join(dir, "X"), settings);
      yield* rollBack(os, join(dir, "X"), settings);
    },
    read,
  };
}

/** More than are synced one by one. */
const FILES = ["f", "d/g", ...Array.from({ length: 8 }, (_, i) => `d/e/h${i}`)];

function transacting(exchanges: boolean): Operation {
  return {
    setup: (dir) => {
      for (const path of FILES) plant(join(dir, path), textOf(0));
      plant(join(dir, "moved0"), textOf(0));
      plant(join(dir, "mark0"), textOf(0));
      setupDir(dir);
    },
    *change(real, dir, generation, durability) {
      const os = exchanges ? real : withoutExchange(real);
      const settings = transactionSettings({ durability });
      const stage = new TransactionStage(os, dir, settings);
      yield* stage.open();
      const text = syncSource(textOf(generation));
      for (const path of [...FILES, `mark${generation}`]) yield* stage.write(path, text, undefined);
      const part = partSettings({ carryOver: isCarried }, settings);
      yield* stage.persist("X", part, function* (x) {
        for (const [path, text] of entriesOf(generation)) yield* x.write(path, syncSource(text));
      });
      yield* stage.remove(`mark${generation - 1}`);
      yield* stage.rename(`moved${generation - 1}`, `moved${generation}`);
      yield* stage.commit();
    },
    read: (dir) => {
      const named = readdirSync(dir).filter((name) => /^(mark|moved)\d+$/.test(name));
      if (named.length !== 2) throw new Error(`mixture: ${named.join(" ")}`);
      const numbers = named.map((name) => Number(name.replace(/\D+/, "")));
      return one([...numbers, ...FILES.map((path) => readText(join(dir, path))), readDir(dir)]);
    },
  };
}

function withoutExchange(os: Os): Os {
  // deno-lint-ignore require-yield
  const no = function* (): Steps<boolean> {
    return false;
  };
  return { ...os, canExchange: no };
}

/** What can be tried, by name. */
export const operations: Record<string, Operation> = {
  "file": {
    setup: (dir) => plant(join(dir, "f"), textOf(0)),
    change: (os, dir, generation, durability) =>
      writeFile(os, join(dir, "f"), syncSource(textOf(generation)), fileSettings({ durability })),
    read: (dir) => readText(join(dir, "f")),
  },
  "exchange": persisting({ swap: "exchange" }),
  "rename": persisting({ swap: "rename" }),
  "journal": persisting({ swap: "journal" }),
  "removal": removing(),
  "rollback": rollingBack("exchange"),
  "transaction": transacting(true),
  "transaction-renames": transacting(false),
};

/**
 * Cleans up after an operation that was cut off, and returns the generation that stands; throws
 * `category: text` if none does, if it is older than was promised, or if anything of the protocol is left.
 */
export function recover(operation: string, dir: string, promised: number): number {
  const { failed, skipped, quarantined } = cleanupSync(dir, { minAge: 0, recursive: true });
  const odd = [...failed, ...skipped, ...quarantined].map(({ path, reason }) =>
    `${path} ${reason}`
  );
  if (odd.length > 0) throw new Error(`report: ${odd.join("; ")}`);
  const left = (readdirSync(dir, { recursive: true }) as string[])
    .filter((path) => path.split("/").some(isProtocol));
  if (left.length > 0) throw new Error(`leftover: ${left.join(" ")}`);
  const generation = operations[operation]!.read(dir);
  if (generation >= promised) return generation;
  throw new Error(`older: ${generation} for ${promised}`);
}

function isProtocol(name: string): boolean {
  const known = recognise(name, "directory") ?? recognise(name, "file");
  return known !== undefined && known.kind !== "history";
}
