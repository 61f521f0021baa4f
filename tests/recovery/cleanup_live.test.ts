/** Cleaning up beside writers that live, and after writers that were killed at any moment. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cleanup, cleanupSync } from "../../mod.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { programCommand, start, until } from "../helpers/runtime.ts";
import { isLong, times } from "../helpers/share.ts";
import { inTemp } from "../helpers/temp.ts";

/** `UNTORN_LONG=1` makes the tests long. */
const KILLS = isLong ? 200 : 5;
const PERSISTS = times(300);

for (const swap of ["exchange", "rename"] as const) {
  test(
    `${PERSISTS} persists beside a process that cleans up: no error, nothing live removed (${swap})`,
    inTemp(async (dir) => {
      const [root, stop] = [join(dir, "root"), join(dir, "stop")];
      mkdirSync(root);
      const acks = join(dir, "acks");
      writeFileSync(acks, "");
      const args = [join(root, "X"), swap, "1", `${PERSISTS}`, acks];
      const persister = start(programCommand("tests/fixtures/persister.ts", args));
      // Only then is the scratch directory gone in which it tried an exchange: made, it is nobody's for
      // an instant, and may be removed, whereupon another is made.
      await until(() => readFileSync(acks, "utf8") !== "");
      const cleaner = start(programCommand("tests/fixtures/cleaner.ts", [root, stop]));
      let written;
      try {
        written = await persister.ended;
      } finally {
        writeFileSync(stop, "");
      }
      const { stdout, code } = await cleaner.ended;
      const { rounds, kept, did } = JSON.parse(stdout.split("\n")[1]!);
      assertEquals([written.stdout, written.code], ["started\n[]\n", 0]);
      assertEquals([did, code], [[], 0]);
      assert(rounds > 30 && kept > 10, `only ${rounds} rounds, ${kept} meetings`);
      assertEquals(readdirSync(root), ["X"]);
    }),
  );

  test(
    `after kill -9 at ${KILLS} moments one whole version stands, no older than promised (${swap})`,
    inTemp(async (dir) => {
      const [root, acks] = [join(dir, "root"), join(dir, "acks")];
      const x = join(root, "X");
      mkdirSync(root);
      let [last, leftovers] = [0, 0];
      for (let kill = 0; kill < KILLS; kill++) {
        writeFileSync(acks, "");
        const from = last + 1;
        const args = [x, swap, `${from}`, "100000", acks];
        const { child, ended } = start(programCommand("tests/fixtures/persister.ts", args));
        try {
          await until(() => readFileSync(acks, "utf8") !== "");
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
        } finally {
          process.kill(child.pid!, "SIGKILL");
        }
        await ended;
        leftovers += readdirSync(root).length - 1;
        const report = kill % 2 === 0 ? cleanupSync(root) : await cleanup(root);
        assertEquals([report.failed, report.skipped], [[], []]);
        assertEquals(readdirSync(root), ["X"]);
        const versions = new Set(readdirSync(x).map((name) => readFileSync(join(x, name), "utf8")));
        const promised = readFileSync(acks, "utf8").split("\n").filter(Boolean).map(Number);
        assertEquals([versions.size, readdirSync(x).length], [1, 40]);
        last = Number([...versions][0]);
        assert(last >= promised.at(-1)!, `version ${last}, though ${promised.at(-1)} was promised`);
      }
      assert(leftovers > 0, "no kill left anything");
      assert(existsSync(x));
    }),
  );
}
