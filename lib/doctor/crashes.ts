/** The crashes of the self-test: an operation is interrupted after each of its calls, and cleaned up. */

import { type Steps, waitFor } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { cleanUp } from "../recovery/cleanup.ts";
import { cleanupSettings } from "../recovery/cleanup_options.ts";
import { Broken, expect, Fixture, type Place, type Version } from "./fixture.ts";
import { killAfter } from "./instrument.ts";

/**
 * Makes a test that interrupts an operation after each of its calls, and cleans up. Each time, the files at
 * `paths`, which the operation changes, must all have one version; the next attempt replaces that version.
 */
export function crashes(
  paths: readonly string[],
  change: (fixture: Fixture, version: Version) => Steps<unknown>,
): (_: unknown, place: Place) => Steps<void> {
  return function* (_, { os, dir, signal }) {
    // Synchronous calls are the fastest. But Deno's synchronous listings take milliseconds, and only an
    // asynchronous call lets the event loop deliver an abort.
    const quick: Os = { ...os.sync, readdir: os.async.readdir };
    const fixture = new Fixture(quick, dir);
    yield* fixture.prepare();
    let version: Version = "old";
    for (let calls = 1, isKilled = true; isKilled; calls++) {
      signal.throwIfAborted();
      const next: Version = version === "old" ? "new" : "old";
      const operation = (os: Os): Steps<unknown> => change(new Fixture(os, dir), next);
      isKilled = yield* waitFor(killAfter(calls, quick, operation));
      const settings = cleanupSettings({ recursive: true, minAge: 0 });
      const { failed, quarantined } = yield* cleanUp(quick, dir, settings, true);
      try {
        const [wrong] = [...failed, ...quarantined];
        if (wrong !== undefined) throw new Broken(`${wrong.path}: ${wrong.reason}`);
        const state = yield* fixture.state(paths);
        if (state === "missing") throw new Broken("a file is missing");
        if (state === "mixed") throw new Broken("it is old and new");
        version = state;
        yield* fixture.expectCarriedOver();
        if (!isKilled) expect("the end", version, next);
        yield* fixture.expectOnly("file", "site");
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        throw new Broken(`cut off after call ${calls}: ${error.message}`);
      }
    }
  };
}
