/**
 * The self-test of `untorn doctor`: operations on a file system that must do what they promise there,
 * under a reader that looks after each of their calls, and cut off after each of them.
 */

import { writeFile } from "../file/atomic_write.ts";
import type { Capabilities } from "./capabilities.ts";
import { syncSource } from "../stage/content.ts";
import { lockSettings } from "../core/options.ts";
import { removeSettings } from "../dir/dir_options.ts";
import { OsError, RefusedError, UntornError } from "../core/errors.ts";
import { acquireLock, releaseLock } from "../lock/lock_file.ts";
import { fileSettings } from "../file/file_options.ts";
import type { Os } from "../os/port.ts";
import { inside } from "../core/paths.ts";
import { remove } from "../dir/atomic_remove.ts";
import { runSync, type Steps, waitFor } from "../core/steps.ts";
import { changeAll, crashes, replaceBy, replaceFile } from "./crashes.ts";
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
import { watched } from "./instrument.ts";

/** What one test came to. */
export interface TestResult {
  name: string;
  result: "ok" | "failed" | "skipped";
  /** Why it failed or was skipped. */
  reason?: string;
}

interface Test {
  name: string;
  needs?: "exchange" | "hardLinks" | "locks";
  run: (place: Place) => Steps<void>;
}

const TESTS: readonly Test[] = [
  { name: "a file is replaced, and keeps its mode", run: replacesFile },
  { name: "a file that exists is not overwritten", needs: "hardLinks", run: keepsFile },
  { name: "a directory is created", run: (place) => underReader(place, "create", ["missing"]) },
  {
    name: "a directory is exchanged, at no call missing",
    needs: "exchange",
    run: (place) => underReader(place, "exchange", ["old"]),
  },
  {
    name: "a directory is replaced by two renames",
    run: (place) => underReader(place, "rename", ["old", "missing"]),
  },
  {
    name: "a directory is replaced in place, file by file",
    run: (place) => underReader(place, "journal", ["old", "mixed"]),
  },
  { name: "a directory disappears in one step", run: removesTree },
  { name: "a transaction makes all of its changes", run: changesAll },
  { name: "a lock is refused to a second holder", needs: "locks", run: refusesSecond },
  { name: "a crash after each call: a file", run: (place) => crashes(place, replaceFile) },
  {
    name: "a crash after each call: an exchange",
    needs: "exchange",
    run: (place) => crashes(place, replaceBy("exchange")),
  },
  {
    name: "a crash after each call: two renames",
    run: (place) => crashes(place, replaceBy("rename")),
  },
  {
    name: "a crash after each call: in place",
    run: (place) => crashes(place, replaceBy("journal")),
  },
  { name: "a crash after each call: a transaction", run: (place) => crashes(place, changeAll) },
];

/** Runs all tests in an empty directory; an abort ends it by its reason. */
export function* selfTest(
  os: Place["os"],
  scratch: string,
  can: Capabilities,
  signal: AbortSignal,
  tell: (result: TestResult) => Promise<void>,
): Steps<TestResult[]> {
  const results: TestResult[] = [];
  for (const [number, { name, needs, run }] of TESTS.entries()) {
    signal.throwIfAborted();
    const dir = inside(scratch, `${number}`);
    let result: TestResult = { name, result: "ok" };
    if (needs !== undefined && !can[needs]) {
      result = { name, result: "skipped", reason: can.reasons[needs]! };
    } else {
      try {
        yield* os.async.mkdir(dir, 0o700);
        yield* run({ os, dir, signal });
      } catch (error) {
        result = { name, result: "failed", reason: reasonOf(error) };
      }
    }
    results.push(result);
    yield* waitFor(tell(result));
  }
  return results;
}

/** What the system or a promise says; an abort's reason, or a mistake of this program, ends all. */
function reasonOf(error: unknown): string {
  const known = [Broken, OsError, RefusedError, UntornError];
  if (error instanceof Error && known.some((kind) => error instanceof kind)) return error.message;
  throw error;
}

function* replacesFile({ os: { async: os }, dir }: Place): Steps<void> {
  const path = inside(dir, "file");
  yield* writeFile(os, path, syncSource(textOf("old")), fileSettings({ mode: 0o640 }));
  const { mode } = yield* os.lstat(path);
  yield* write(os, path, "new", "full");
  expect("what is read", versionOf(yield* read(os, path)), "new");
  expect("its mode", (yield* os.lstat(path)).mode.toString(8), mode.toString(8));
  yield* expectOnly(os, dir, ["file"]);
}

function* keepsFile({ os: { async: os }, dir }: Place): Steps<void> {
  const path = inside(dir, "file");
  const settings = fileSettings({ overwrite: false });
  yield* writeFile(os, path, syncSource(textOf("old")), settings);
  let code = "";
  try {
    yield* writeFile(os, path, syncSource(textOf("new")), settings);
  } catch (error) {
    if (!(error instanceof UntornError)) throw error;
    code = error.code;
  }
  expect("the answer to the second", code, "EEXIST");
  expect("what is read", versionOf(yield* read(os, path)), "old");
}

/** Replaces or creates a directory while a reader looks after each call. */
function* underReader(
  { os, dir, signal }: Place,
  swap: "create" | "exchange" | "rename" | "journal",
  before: string[],
): Steps<void> {
  const path = inside(dir, "site");
  if (swap !== "create") yield* fill(os.async, path, { ...site("old"), [OWN]: OWN }, { signal });
  const seen = new Set<string>();
  const watching = watched(os.async, () => {}, () => seen.add(runSync(state(os.sync, path))));
  const options = swap === "create" ? { signal } : { signal, swap };
  const { swap: done } = yield* fill(watching, path, site("new"), options);
  expect("the swap", done, swap);
  for (const found of seen) {
    if (found !== "new" && !before.includes(found)) throw new Broken(`a reader found it ${found}`);
  }
  expect("the end", yield* state(os.sync, path), "new");
  if (swap !== "create") {
    expect("what was carried over", yield* read(os.async, inside(path, OWN)), OWN);
  }
  yield* expectOnly(os.async, dir, ["site"]);
}

/** What a reader finds in a directory. */
function* state(os: Os, dir: string): Steps<Version | "missing" | "mixed"> {
  const texts: (string | undefined)[] = [];
  for (const path of ENTRIES) texts.push(yield* read(os, inside(dir, path)));
  if (texts.every((text) => text === undefined)) return "missing";
  const versions = new Set(texts.map(versionOf));
  return versions.size === 1 ? [...versions][0]! : "mixed";
}

function* removesTree({ os: { async: os }, dir, signal }: Place): Steps<void> {
  const path = inside(dir, "site");
  yield* fill(os, path, site("old"), { signal });
  yield* remove(os, path, removeSettings({ signal }));
  yield* expectOnly(os, dir, []);
}

function* changesAll({ os: { async: os }, dir }: Place): Steps<void> {
  yield* prepare(os, dir);
  yield* changeAll(os, dir, "new", "full");
  for (const path of PATHS) {
    expect(path, versionOf(yield* read(os, inside(dir, path))), "new");
  }
  yield* expectOnly(os, dir, ["file", "site"]);
}

function* refusesSecond({ os: { async: os }, dir }: Place): Steps<void> {
  const settings = lockSettings({ wait: 0 });
  const held = yield* acquireLock(os, dir, "name", settings);
  try {
    const second = yield* acquireLock(os, dir, "name", settings);
    yield* releaseLock(os, second);
    throw new Broken("a second holder got it as well");
  } catch (error) {
    if (!(error instanceof RefusedError && error.code === "ERR_LOCKED")) throw error;
  } finally {
    yield* releaseLock(os, held);
  }
}
