/** Crashes of the self-test: operations that are cut off after each of their calls, and cleaned up after. */

import { cleanUp } from "../recovery/cleanup.ts";
import { cleanupSettings } from "../recovery/cleanup_options.ts";
import { syncSource } from "../stage/content.ts";
import { partSettings, transactionSettings } from "../transaction/transaction_options.ts";
import type { Durability } from "../core/options.ts";
import type { Os } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { type Steps, waitFor } from "../core/steps.ts";
import { TransactionStage } from "../transaction/transaction_stage.ts";
import {
  Broken,
  ENTRIES,
  expect,
  expectOnly,
  fill,
  OWN,
  PATHS,
  type Place,
  prepare,
  read,
  site,
  textOf,
  type Version,
  versionOf,
  write,
} from "./fixture.ts";
import { killAfter } from "./instrument.ts";

/** What a crash may leave half done: from one version to this one. */
export type Operation = (
  os: Os,
  dir: string,
  version: Version,
  durability: Durability,
) => Steps<void>;

/** Replaces the file. */
export function* replaceFile(
  os: Os,
  dir: string,
  version: Version,
  durability: Durability,
): Steps<void> {
  yield* write(os, inside(dir, "file"), version, durability);
}

/** Replaces the directory in one of the ways. */
export function replaceBy(swap: "exchange" | "rename" | "journal"): Operation {
  return function* (os, dir, version, durability) {
    yield* fill(os, inside(dir, "site"), site(version), { swap, durability });
  };
}

/** Replaces the file and the directory together. */
export function* changeAll(
  os: Os,
  dir: string,
  version: Version,
  durability: Durability,
): Steps<void> {
  const settings = transactionSettings({ durability });
  const stage = new TransactionStage(os, dir, settings);
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

/**
 * Cuts an operation off after each of its calls, and cleans up: one whole version must stand each time,
 * and is what the next begins with. Nothing is synced: a killed process loses nothing that the system has.
 */
export function* crashes({ os, dir, signal }: Place, operation: Operation): Steps<void> {
  // Most calls at once, for that is fastest. But Deno's synchronous listings take milliseconds, and
  // signals are heard only when the event loop goes round.
  const quick: Os = { ...os.sync, readdir: os.async.readdir };
  yield* prepare(quick, dir);
  let version: Version = "old";
  for (let calls = 1, cut = true; cut; calls++) {
    signal.throwIfAborted();
    const next: Version = version === "old" ? "new" : "old";
    cut = yield* waitFor(killAfter(calls, quick, (os) => operation(os, dir, next, "none")));
    const settings = cleanupSettings({ recursive: true, minAge: 0 });
    const { failed, quarantined } = yield* cleanUp(quick, dir, settings, true);
    try {
      const [wrong] = [...failed, ...quarantined];
      if (wrong !== undefined) throw new Broken(`${wrong.path}: ${wrong.reason}`);
      version = yield* wholeVersion(quick, dir, operation);
      if (!cut) expect("the end", version, next);
      yield* expectOnly(quick, dir, ["file", "site"]);
    } catch (error) {
      if (error instanceof Broken) {
        throw new Broken(`cut off after call ${calls}: ${error.message}`);
      }
      throw error;
    }
  }
}

/** The one version of all that the operation changes; what it does not change must be there, too. */
function* wholeVersion(os: Os, dir: string, operation: Operation): Steps<Version> {
  const changed = operation === changeAll
    ? PATHS
    : PATHS.filter((path) => (path === "file") === (operation === replaceFile));
  const found = new Set<Version>();
  for (const path of changed) found.add(versionOf(yield* read(os, inside(dir, path))));
  if (found.size > 1) throw new Broken("it is old and new");
  expect("what was carried over", yield* read(os, inside(dir, `site/${OWN}`)), OWN);
  return [...found][0]!;
}
