/** What atomicRemove() removes, and what stands when it fails or is killed. */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type RemoveOptions, removeSettings } from "../../lib/dir/dir_options.ts";
import { OsError } from "../../lib/core/errors.ts";
import { systemCalls } from "../../lib/os/system.ts";
import type { Os } from "../../lib/os/port.ts";
import { remove, type RemoveResult } from "../../lib/dir/atomic_remove.ts";
import { runSync } from "../../lib/core/steps.ts";
import { atomicRemove, atomicRemoveSync, cleanupSync, lockSync, UntornError } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { drivers, failing, killAfter, trace, watched } from "../helpers/ports.ts";
import { inMemory, inTemp } from "../helpers/temp.ts";

const forms: [string, (path: string, options?: RemoveOptions) => Promise<RemoveResult>][] = [
  ["async", atomicRemove],
  // deno-lint-ignore require-await
  ["sync", async (path, options) => atomicRemoveSync(path, options)],
];

function plant(dir: string): void {
  mkdirSync(join(dir, "X/sub/empty"), { recursive: true });
  for (const path of ["X/a", "X/sub/b"]) writeFileSync(join(dir, path), "text");
}

for (const [form, removes] of forms) {
  test(
    `a file, a link, an empty and a full directory disappear, and nothing else (${form})`,
    inTemp(async (dir) => {
      plant(dir);
      mkdirSync(join(dir, "empty"));
      writeFileSync(join(dir, "file"), "text");
      symlinkSync("X", join(dir, "link"));
      symlinkSync("nowhere", join(dir, "dangling"));
      for (const name of ["file", "link", "dangling", "empty/", "X"]) {
        const before = readdirSync(dir);
        const path = join(dir, name);
        const result = await removes(path);
        assertEquals(result, { path, removed: true, durability: "full", warnings: [] });
        assertEquals(readdirSync(dir), before.filter((entry) => entry !== name.replace("/", "")));
      }
    }),
  );

  test(
    `what is missing is no error, unless it must exist (${form})`,
    inTemp(async (dir) => {
      const path = join(dir, "missing");
      assertEquals((await removes(path)).removed, false);
      const error = await assertRejects(
        () => removes(path, { mustExist: true }),
        UntornError,
        "does not exist (ENOENT); nothing was removed",
      );
      assertEquals([error.operation, error.outcome, readdirSync(dir)], ["remove", "unchanged", []]);
    }),
  );

  test(
    `what a crash left of a directory goes with it, and does not come back (${form})`,
    inTemp(async (dir) => {
      plant(dir);
      renameSync(join(dir, "X"), join(dir, ".old-X"));
      mkdirSync(join(dir, ".staging-X"));
      assertEquals((await removes(join(dir, "X"), { mustExist: true })).removed, true);
      assertEquals(readdirSync(dir), []);
    }),
  );

  test(
    `a locked directory is waited for; a locked file is not (${form})`,
    inTemp(async (dir) => {
      plant(dir);
      writeFileSync(join(dir, "file"), "");
      const held = [lockSync(join(dir, "X")), lockSync(join(dir, "file"))];
      try {
        const error = await assertRejects(() => removes(join(dir, "X"), { wait: 0 }), UntornError);
        assertEquals([error.code, existsSync(join(dir, "X/a"))], ["ERR_LOCKED", true]);
        // A live persist's staging directory is none of a removal that does not lock.
        mkdirSync(join(dir, ".staging-X"));
        assertEquals((await removes(join(dir, "X"), { lock: false })).removed, true);
        assertEquals(existsSync(join(dir, ".staging-X")), true);
        assertEquals((await removes(join(dir, "file"), { wait: 0 })).removed, true);
      } finally {
        for (const lock of held) lock.release();
      }
    }),
  );

  test(
    `paths and options that can't be are refused before anything is touched (${form})`,
    inTemp(async (dir) => {
      plant(dir);
      for (const name of [".", "..", "/"]) {
        await assertRejects(() => removes(name === "/" ? name : `${dir}/X/${name}`), UntornError);
      }
      await assertRejects(async () => await removes(""), TypeError);
      const wrong = { durabilty: "none" } as RemoveOptions;
      await assertRejects(async () => await removes(join(dir, "X"), wrong), TypeError, "durabilty");
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      assertEquals(await removes(join(dir, "X"), { signal }).catch((error) => error), reason);
      assert(existsSync(join(dir, "X/sub/b")));
    }),
  );
}

test(
  "the calls of a removal: a step, a sync, and only then the deletion",
  inTemp((dir) => {
    plant(dir);
    writeFileSync(join(dir, "file"), "");
    const calls = (name: string, options?: RemoveOptions): string[] =>
      trace((os) => remove(os, join(dir, name), removeSettings(options)))
        .filter((call) => ["rename", "unlink", "fsync", "removeTree"].includes(call));
    assertEquals(calls("file"), ["unlink", "fsync"]);
    assertEquals(calls("X"), ["rename", "fsync", "removeTree", "unlink"]);
    plant(dir);
    assertEquals(calls("X", { lock: false, durability: "none" }), ["rename", "removeTree"]);
  }),
);

for (const { form, os, run } of drivers) {
  test(
    `whichever call of a removal fails or is the last, all of it is there or nothing (${form})`,
    inMemory(async (temp) => {
      const dir = join(temp, "dir");
      const removal = (port: Os) => remove(port, join(dir, "X"), removeSettings({}));
      const all = (): string[] => {
        if (!existsSync(join(dir, "X"))) return [];
        return (readdirSync(join(dir, "X"), { recursive: true }) as string[]).sort();
      };
      const reset = (): void => {
        rmSync(dir, { recursive: true, force: true });
        mkdirSync(dir);
        plant(dir);
      };
      reset();
      const whole = all();
      const outcomes = new Set<string>();
      for (let k = 1, ended = false; !ended; k++) {
        reset();
        let made = 0;
        const port = watched(failing(os(), "EIO", k), () => made++);
        const result: unknown = await run(removal(port)).catch((error) => error);
        if (result instanceof UntornError) {
          outcomes.add(result.outcome);
          assertEquals(all(), result.outcome === "unchanged" ? whole : [], `EIO at call ${k}`);
        } else {
          const { removed, warnings } = result as RemoveResult;
          assertEquals([removed, all()], [true, []], `EIO at call ${k}`);
          ended = made < k;
          assert(ended || warnings.length > 0, `EIO at call ${k} went unnoticed`);
        }
        cleanupSync(dir);
        assertEquals(readdirSync(dir).filter((name) => name !== "X"), [], `EIO at call ${k}`);
      }
      assertEquals([...outcomes].sort(), ["replaced", "unchanged"]);
      for (let k = 1, killed = true; killed; k++) {
        reset();
        killed = await killAfter(k, os(), removal);
        const after = all();
        assert(after.length === 0 || after.join() === whole.join(), `killed after call ${k}`);
        cleanupSync(dir);
        assertEquals(all(), after, `cleaned up after a kill after call ${k}`);
        assertEquals(readdirSync(dir).filter((name) => name !== "X"), []);
      }
    }),
  );
}

test(
  "directories that their owner may not change are made writable to be deleted",
  inTemp((dir) => {
    plant(dir);
    chmodSync(join(dir, "X/sub/empty"), 0o500);
    chmodSync(join(dir, "X/sub"), 0o555);
    const log: string[] = [];
    // As the system answers whoever is not root.
    const os = watched(systemCalls().sync, ({ name, args }) => {
      if (!["removeTree", "chmod"].includes(name)) return;
      const path = String(args[name === "chmod" ? 1 : 0]).replace(/^.*trash-\w+/, "");
      log.push(`${name} ${path}`);
      if (log.length === 1) throw new OsError("EACCES", name, path);
    });
    const { warnings } = runSync(remove(os, join(dir, "X"), removeSettings({})));
    const chmods = ["chmod /sub", "chmod /sub/empty"];
    assertEquals(log, ["removeTree ", ...chmods, "removeTree "]);
    assertEquals([warnings, readdirSync(dir)], [[], []]);
  }),
);
