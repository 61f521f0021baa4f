/**
 * What a sequence of operations should come to, told as simply as it can be: files by path, and what each
 * operation makes of them. Beside it, the operations themselves.
 */

import { writeFile } from "../../lib/file/atomic_write.ts";
import { cleanUp } from "../../lib/recovery/cleanup.ts";
import { cleanupSettings } from "../../lib/recovery/cleanup_options.ts";
import { syncSource } from "../../lib/stage/content.ts";
import { dirSettings, removeSettings } from "../../lib/dir/dir_options.ts";
import { partSettings, transactionSettings } from "../../lib/transaction/transaction_options.ts";
import type { Durability } from "../../lib/core/options.ts";
import { fileSettings, updateSettings } from "../../lib/file/file_options.ts";
import type { Os } from "../../lib/os/port.ts";
import { inside } from "../../lib/core/paths.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import { readAll } from "../../lib/fs/io.ts";
import { remove } from "../../lib/dir/atomic_remove.ts";
import type { Steps } from "../../lib/core/steps.ts";
import { TransactionStage } from "../../lib/transaction/transaction_stage.ts";
import { update } from "../../lib/file/update_file.ts";

/** Texts by path, `undefined` for a directory. */
export type World = Map<string, string | undefined>;

/** What can be changed alone, and in a transaction. */
export type Change =
  | { do: "write"; path: string; text: string }
  | { do: "append"; path: string; text: string }
  | { do: "remove"; path: string }
  | {
    do: "persist";
    path: string;
    entries: string[];
    text: string;
    carries: boolean;
    swap: "exchange" | "rename" | "journal";
  };

export type Operation = Change | { do: "transaction"; changes: Change[] };

export const FILES: string[] = ["f", "g", "deep/h"];
export const DIRS: string[] = ["X", "Y", "deep/Z"];
export const ENTRIES: string[] = ["a", "b", "sub/c"];

/** What an operation makes of a world. */
export function after(world: World, operation: Operation): World {
  if (operation.do === "transaction") return operation.changes.reduce(after, world);
  const next = new Map(world);
  const { path } = operation;
  const enter = (path: string, text: string): void => {
    for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
      next.set(path.slice(0, at), undefined);
    }
    next.set(path, text);
  };
  switch (operation.do) {
    case "write":
      enter(path, operation.text);
      break;
    case "append":
      enter(path, (world.get(path) ?? "") + operation.text);
      break;
    case "persist":
      if (!operation.carries) removeFrom(next, path);
      next.set(path, undefined);
      for (const entry of operation.entries) enter(`${path}/${entry}`, operation.text);
      if (operation.entries.length === 0) enter(`${path}/.`, "");
      next.delete(`${path}/.`);
      break;
    case "remove":
      removeFrom(next, path);
  }
  return next;
}

function removeFrom(world: World, path: string): void {
  for (const name of world.keys()) {
    if (name === path || name.startsWith(path + "/")) world.delete(name);
  }
}

/** A world as text, to be compared; a directory that only operations went through may be there or not. */
export function textOf(world: World): string {
  return [...world].filter(([path]) => path !== "deep")
    .map(([path, text]) => text === undefined ? `${path}/` : `${path}: ${text}`)
    .sort().join("\n");
}

/** The operation itself, in `root`. */
export function* perform(
  os: Os,
  root: string,
  operation: Operation,
  durability: Durability,
): Steps<void> {
  if (operation.do === "transaction") {
    const settings = transactionSettings({ durability });
    const stage = new TransactionStage(os, root, settings);
    yield* stage.open();
    for (const change of operation.changes) {
      const { path } = change;
      if (change.do === "write") yield* stage.write(path, syncSource(change.text), undefined);
      else if (change.do === "remove") yield* stage.remove(path);
      else if (change.do === "persist") {
        const part = partSettings({ carryOver: change.carries }, settings);
        yield* stage.persist(path, part, function* (dir) {
          for (const entry of change.entries) yield* dir.write(entry, syncSource(change.text));
        });
      }
    }
    yield* stage.commit();
    return;
  }
  const path = inside(root, operation.path);
  switch (operation.do) {
    case "write":
      yield* writeFile(os, path, syncSource(operation.text), fileSettings({ durability }));
      return;
    case "append": {
      const append = (bytes: Uint8Array | undefined): string =>
        new TextDecoder().decode(bytes) + operation.text;
      yield* update(os, path, append, syncSource, updateSettings({ durability }));
      return;
    }
    case "remove":
      yield* remove(os, path, removeSettings({ durability }));
      return;
    case "persist": {
      const { carries: carryOver, swap, entries, text } = operation;
      const contents = entries.map((entry): [string, string] => [entry, text]).values();
      const settings = dirSettings({ carryOver, swap, durability });
      yield* persist(os, path, contents, syncSource, settings);
    }
  }
}

/** Cleans up; what is odd in the report is thrown. */
export function* cleaning(os: Os, root: string): Steps<void> {
  const settings = cleanupSettings({ minAge: 0, recursive: true });
  const { failed, skipped, quarantined } = yield* cleanUp(os, root, settings, true);
  const odd = [...failed, ...skipped, ...quarantined];
  if (odd.length > 0) throw new Error(odd.map(({ path, reason }) => `${path}: ${reason}`).join());
}

/** What there is below `root`. */
export function* read(os: Os, root: string, below: string = ""): Steps<World> {
  const world: World = new Map();
  for (const { name, kind } of yield* os.readdir(inside(root, below))) {
    const path = below + name;
    const isDir = kind === "directory";
    const text = isDir
      ? undefined
      : new TextDecoder().decode(yield* readAll(os, inside(root, path)));
    world.set(path, text);
    if (isDir) { for (const entry of yield* read(os, root, path + "/")) world.set(...entry); }
  }
  return world;
}
