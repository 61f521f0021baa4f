/** Versions that are kept, and the way back to them. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type RollbackOptions, rollbackSettings } from "../../lib/dir/dir_options.ts";
import type { Os } from "../../lib/os/port.ts";
import { rollBack } from "../../lib/dir/rollback.ts";
import {
  atomicRemoveSync,
  cleanupSync,
  history,
  historySync,
  lockSync,
  persistDirSync,
  rollback,
  type RollbackResult,
  rollbackSync,
  UntornError,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import { asyncForm, failing, killAfter, watched } from "../helpers/ports.ts";
import { programCommand, start } from "../helpers/runtime.ts";
import { isMine } from "../helpers/share.ts";
import { inMemory, inTemp } from "../helpers/temp.ts";

type Rollback = (dir: string, options?: RollbackOptions) => Promise<RollbackResult>;

const forms: [string, Rollback][] = [
  ["async", rollback],
  // deno-lint-ignore require-await
  ["sync", async (dir, options) => rollbackSync(dir, options)],
];

/** Versions 1, 2, …, of which the last stands and the others are kept. */
function plant(x: string, count: number): void {
  for (let i = 1; i <= count; i++) {
    persistDirSync(x, { a: `${i}`, "sub/b": `${i}` }, { keep: 10, durability: "none" });
  }
}

const version = (x: string): string =>
  readFileSync(join(x, "a"), "utf8") + readFileSync(join(x, "sub/b"), "utf8");

const kept = (x: string): string[] =>
  historySync(x).map(({ version: number, path }) => `${number}:${version(path)}`);

for (const [form, back] of forms) {
  for (const swap of ["exchange", "rename"] as const) {
    test(
      `a version comes back, and the one before it is kept: there and back again (${form}, ${swap})`,
      inTemp(async (dir) => {
        const x = join(dir, "X");
        plant(x, 3);
        assertEquals(kept(x), ["1:11", "2:22"]);
        const result = await back(x, { swap });
        const expected = { path: x, version: 2, kept: 3, swap, durability: "full", warnings: [] };
        assertEquals(result, expected as RollbackResult);
        assertEquals([version(x), kept(x)], ["22", ["1:11", "3:33"]]);
        await back(x, { swap });
        assertEquals([version(x), kept(x)], ["33", ["1:11", "4:22"]]);
        await back(x, { to: 1, swap, durability: "none" });
        assertEquals([version(x), kept(x)], ["11", ["4:22", "5:33"]]);
        assertEquals(readdirSync(dir).sort(), [".history-X", "X"]);
      }),
    );
  }

  test(
    `a directory that was removed comes back (${form})`,
    inTemp(async (dir) => {
      const x = join(dir, "X");
      plant(x, 2);
      atomicRemoveSync(x);
      const { swap, kept: number } = await back(x);
      assertEquals([swap, number, version(x), kept(x)], ["create", undefined, "11", []]);
    }),
  );

  test(
    `what can't be rolled back is refused, and nothing changes (${form})`,
    inTemp(async (dir) => {
      const x = join(dir, "X");
      await assertRejects(() => back(x), UntornError, "there is no version to go back to");
      plant(x, 3);
      const error = await assertRejects(
        () => back(x, { to: 7 }),
        UntornError,
        "there are 1, 2 (ENOENT)",
      );
      assertEquals([error.code, error.operation], ["ENOENT", "roll back"]);
      await assertRejects(async () => await back(x, { to: 0 }), RangeError);
      await assertRejects(async () => await back(x, { to: 1.5 }), RangeError);
      const wrong = { keep: 1 } as RollbackOptions;
      await assertRejects(async () => await back(x, { to: 1, ...wrong }), TypeError, "keep");
      const held = lockSync(x);
      try {
        const locked = await assertRejects(() => back(x, { to: 1, wait: 0 }), UntornError);
        assertEquals(locked.code, "ERR_LOCKED");
      } finally {
        held.release();
      }
      rmSync(x, { recursive: true });
      writeFileSync(x, "a file");
      await assertRejects(() => back(x), UntornError, "not a directory");
      assertEquals([kept(x), readdirSync(dir).sort()], [["1:11", "2:22"], [".history-X", "X"]]);
    }),
  );
}

test(
  "history() lists what is kept, with the time of its replacement, and nothing else",
  inTemp(async (dir) => {
    const x = join(dir, "X");
    assertEquals(await history(x), []);
    const before = Date.now() - 1000;
    plant(x, 3);
    mkdirSync(join(dir, ".history-X/notes"));
    const found = await history(x);
    assertEquals(found.map(({ version }) => version), [1, 2]);
    assert(found.every(({ replaced }) => replaced.getTime() > before));
  }),
);

test(
  "versions survive a crash between two renames",
  inTemp((dir) => {
    const x = join(dir, "X");
    plant(x, 2);
    // As it is after a kill between the swap and the move to the history.
    renameSync(join(dir, ".history-X/1"), join(dir, ".old-X"));
    const { skipped, removed } = cleanupSync(dir);
    assertEquals([removed.length, skipped, kept(x), version(x)], [1, [], ["1:11"], "22"]);
    assert(removed[0]!.reason.endsWith(`see ${JSON.stringify(join(dir, ".history-X/1"))}`));
    plant(x, 1);
    assertEquals(kept(x), ["1:11", "2:22"]);
  }),
);

test(
  "200 rollbacks by exchange: a reader by path never finds the directory missing",
  inTemp(async (dir) => {
    const [x, stop] = [join(dir, "X"), join(dir, "stop")];
    writeFileSync(join(dir, "beside"), "");
    const names = Array.from({ length: 40 }, (_, i) => `file${i}`);
    for (const text of ["1", "2"]) {
      persistDirSync(x, names.map((name) => [name, text] as const), { keep: 5 });
    }
    const reader = start(programCommand("tests/fixtures/reader.ts", [x, stop]));
    try {
      await new Promise((resolve) => reader.child.stdout!.once("data", resolve));
      for (let i = 0; i < 200; i++) {
        assertEquals(rollbackSync(x, { durability: "none" }).swap, "exchange");
      }
    } finally {
      writeFileSync(stop, "");
    }
    const { stdout } = await reader.ended;
    const { reads, missing, versions } = JSON.parse(stdout.split("\n")[1]!);
    assertEquals([missing, versions], [0, 2]);
    assert(reads > 1000, `only ${reads} reads`);
  }),
);

const { os, run } = asyncForm;

for (const swap of ["exchange", "rename"] as const) {
  test(
    `whichever call of a rollback fails or is the last, no version is lost (${swap})`,
    inMemory(async (temp) => {
      const dir = join(temp, "dir");
      const x = join(dir, "X");
      const reset = (): void => {
        rmSync(dir, { recursive: true, force: true });
        mkdirSync(dir);
        plant(x, 3);
      };
      const steps = (port: Os) => rollBack(port, x, rollbackSettings({ swap }));
      const all = (): string[] =>
        [version(x), ...kept(x).map((text) => text.split(":")[1]!)].sort();
      for (let k = 1, ended = false; !ended; k++) {
        if (!isMine(k)) continue;
        reset();
        let made = 0;
        const port = watched(failing(os(), "EIO", k), () => made++);
        const result: unknown = await run(steps(port)).catch((error) => error);
        ended = made < k;
        if (!existsSync(x)) cleanupSync(dir);
        if (result instanceof UntornError && result.outcome !== "unknown") {
          assertEquals(version(x), result.outcome === "unchanged" ? "33" : "22", `call ${k}`);
        } else assert(["22", "33"].includes(version(x)), `call ${k}: ${result}`);
        cleanupSync(dir);
        assertEquals(all(), ["11", "22", "33"], `EIO at call ${k}`);
      }
      for (let k = 1, killed = true; killed; k++) {
        if (!isMine(k)) continue;
        reset();
        killed = await killAfter(k, os(), steps);
        cleanupSync(dir);
        assertEquals(all(), ["11", "22", "33"], `killed after call ${k}`);
        assertEquals(readdirSync(dir).sort(), [".history-X", "X"], `killed after call ${k}`);
      }
    }),
  );
}
