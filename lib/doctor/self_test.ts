/**
 * The self-test of `untorn doctor`: operations must do on a file system what they promise, while a reader
 * looks after each of their calls, and when they are interrupted after each of them.
 */

import { OsError, RefusedError, UntornError } from "../core/errors.ts";
import { lockSettings } from "../core/options.ts";
import { inside } from "../core/paths.ts";
import { runSync, type Steps, waitFor } from "../core/steps.ts";
import { remove } from "../dir/atomic_remove.ts";
import { removeSettings } from "../dir/dir_options.ts";
import { acquireLock, releaseLock } from "../lock/lock_file.ts";
import type { Capabilities } from "./capabilities.ts";
import { crashes } from "./crashes.ts";
import { ALL, Broken, expect, Fixture, NO_SYNC, type Place, SITE } from "./fixture.ts";
import { watched } from "./instrument.ts";

/** The result of one test. */
export interface TestResult {
  name: string;
  result: "ok" | "failed" | "skipped";
  /** Why it failed or was skipped. */
  reason?: string;
}

type Swap = "exchange" | "rename" | "journal";
type Test = [name: string, run: Run, needs?: "exchange" | "hardLinks" | "locks"];
/** `fixture` is on the asynchronous calls. */
type Run = (fixture: Fixture, place: Place) => Steps<void>;

const TESTS: readonly Test[] = [
  ["a file is replaced, and keeps its mode", replacesFile],
  ["a file that exists is not overwritten", keepsFile, "hardLinks"],
  ["a directory is created", underReader("create", "missing")],
  ["a directory is exchanged, and never missing", underReader("exchange", "old"), "exchange"],
  ["a directory is replaced by two renames", underReader("rename", "old", "missing")],
  ["a directory is replaced in place, file by file", underReader("journal", "old", "mixed")],
  ["a directory disappears in one step", removesTree],
  ["a transaction makes all of its changes", changesAll],
  ["a lock is refused to a second holder", refusesSecond, "locks"],
  ["a crash after each call: a file", crashes(["file"], (on, to) => on.writeFile(to, NO_SYNC))],
  ["a crash after each call: an exchange", siteCrashes("exchange"), "exchange"],
  ["a crash after each call: two renames", siteCrashes("rename")],
  ["a crash after each call: in place", siteCrashes("journal")],
  ["a crash after each call: a transaction", crashes(ALL, (on, to) => on.changeAll(to, "none"))],
];

/** Runs all tests in an empty directory, and reports each result. An abort throws the signal's reason. */
export function* selfTest(
  os: Place["os"],
  scratch: string,
  can: Capabilities,
  signal: AbortSignal,
  report: (result: TestResult) => Promise<void>,
): Steps<TestResult[]> {
  const results: TestResult[] = [];
  for (const [number, [name, run, needs]] of TESTS.entries()) {
    signal.throwIfAborted();
    const dir = inside(scratch, `${number}`);
    let result: TestResult = { name, result: "ok" };
    if (needs !== undefined && !can[needs]) {
      result = { name, result: "skipped", reason: can.reasons[needs]! };
    } else {
      try {
        yield* os.async.mkdir(dir, 0o700);
        yield* run(new Fixture(os.async, dir), { os, dir, signal });
      } catch (error) {
        result = { name, result: "failed", reason: reasonOf(error) };
      }
    }
    results.push(result);
    yield* waitFor(report(result));
  }
  return results;
}

/** Returns why a test failed. An abort, or a mistake in this program, ends the whole self-test. */
function reasonOf(error: unknown): string {
  const known = [Broken, OsError, RefusedError, UntornError];
  if (error instanceof Error && known.some((kind) => error instanceof kind)) return error.message;
  throw error;
}

function* replacesFile(fixture: Fixture): Steps<void> {
  const path = inside(fixture.dir, "file");
  yield* fixture.writeFile("old", { mode: 0o640 });
  const { mode } = yield* fixture.os.lstat(path);
  yield* fixture.writeFile("new", {});
  expect("what is read", yield* fixture.state(["file"]), "new");
  expect("its mode", (yield* fixture.os.lstat(path)).mode.toString(8), mode.toString(8));
  yield* fixture.expectOnly("file");
}

function* keepsFile(fixture: Fixture): Steps<void> {
  yield* fixture.writeFile("old", { overwrite: false });
  let code = "";
  try {
    yield* fixture.writeFile("new", { overwrite: false });
  } catch (error) {
    if (!(error instanceof UntornError)) throw error;
    code = error.code;
  }
  expect("the answer to the second", code, "EEXIST");
  expect("what is read", yield* fixture.state(["file"]), "old");
}

/** Replaces or creates a directory; until the end, a reader after each call may see one of `before`. */
function underReader(swap: Swap | "create", ...before: string[]): Run {
  return function* (fixture, { os, dir, signal }) {
    if (swap !== "create") yield* fixture.fillSite("old", { signal }, true);
    const reader = new Fixture(os.sync, dir);
    const seen = new Set<string>();
    const watching = watched(os.async, () => {}, () => seen.add(runSync(reader.state(SITE))));
    const options = swap === "create" ? { signal } : { signal, swap };
    const { swap: done } = yield* new Fixture(watching, dir).fillSite("new", options);
    expect("the swap", done, swap);
    for (const found of seen) {
      if (found !== "new" && !before.includes(found)) {
        throw new Broken(`a reader found it ${found}`);
      }
    }
    expect("the end", yield* reader.state(SITE), "new");
    if (swap !== "create") yield* fixture.expectCarriedOver();
    yield* fixture.expectOnly("site");
  };
}

function* removesTree(fixture: Fixture, { signal }: Place): Steps<void> {
  yield* fixture.fillSite("old", { signal });
  yield* remove(fixture.os, inside(fixture.dir, "site"), removeSettings({ signal }));
  yield* fixture.expectOnly();
}

function* changesAll(fixture: Fixture): Steps<void> {
  yield* fixture.prepare();
  yield* fixture.changeAll("new", "full");
  expect("the end", yield* fixture.state(ALL), "new");
  yield* fixture.expectOnly("file", "site");
}

function* refusesSecond({ os, dir }: Fixture): Steps<void> {
  const settings = lockSettings({ wait: 0 });
  const held = yield* acquireLock(os, dir, "name", settings);
  try {
    // A port of its own, as another process has: within one, turns refuse it before the kernel does.
    const second = yield* acquireLock({ ...os }, dir, "name", settings);
    yield* releaseLock(os, second);
    throw new Broken("a second holder got it as well");
  } catch (error) {
    if (!(error instanceof RefusedError && error.code === "ERR_LOCKED")) throw error;
  } finally {
    yield* releaseLock(os, held);
  }
}

function siteCrashes(swap: Swap): Run {
  return crashes(SITE, (on, version) => on.fillSite(version, { ...NO_SYNC, swap }));
}
