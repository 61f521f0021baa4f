/** Early syncs of a file that is still written: when they are made, and what stands when they fail. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeFile } from "../../lib/file/atomic_write.ts";
import { asyncSource } from "../../lib/stage/content.ts";
import { OsError, type UntornError } from "../../lib/core/errors.ts";
import { type FileOptions, fileSettings } from "../../lib/file/file_options.ts";
import type { Os } from "../../lib/os/port.ts";
import { waitFor } from "../../lib/core/steps.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { asyncForm, drivers } from "../helpers/ports.ts";
import { inTemp } from "../helpers/temp.ts";

const MIB = 1024 * 1024;

/** 134 MiB: early syncs are due when 64 and 128 of them have come. */
function* pieces(note: (mib: number) => void = () => {}): Generator<Uint8Array> {
  const piece = new Uint8Array(MIB);
  for (let i = 1; i <= 134; i++) {
    yield piece;
    note(i);
  }
}

/**
 * Writes them, with `early` in the place of syncs by descriptors that are open for reading. Returns the syncs and
 * closes of both kinds in order, and how it ended.
 */
async function write(
  path: string,
  driver: (typeof drivers)[number],
  early: () => Promise<void> | undefined,
  { options, content = pieces() }: { options?: FileOptions; content?: Iterable<Uint8Array> } = {},
): Promise<string[]> {
  const real = driver.os();
  const [calls, own] = [[] as string[], new Set<unknown>()];
  const os: Os = {
    ...real,
    // The content does not matter.
    write: (_file, bytes) => waitFor(bytes.length),
    *open(path) {
      const file = yield* real.open(path);
      own.add(file);
      return file;
    },
    *fsync(file, path) {
      calls.push(own.has(file) ? "early" : "fsync");
      const sync = own.has(file) ? early() : undefined;
      if (sync !== undefined) yield* waitFor(sync);
      else yield* real.fsync(file, path);
    },
    *close(file) {
      calls.push(own.delete(file) ? "end" : "close");
      yield* real.close(file);
    },
  };
  const settings = fileSettings({ durability: "file", ...options });
  try {
    await driver.run(writeFile(os, path, asyncSource(content), settings));
  } catch (error) {
    calls.push((error as UntornError).code, (error as UntornError).outcome);
  }
  return calls;
}

for (const driver of drivers) {
  test(
    `a file that comes in pieces is synced for each 64 MiB, and at the end (${driver.form})`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      const [early, last] = [["early", "end"], ["fsync", "close"]];
      // One that is done at once goes on beside nothing.
      const atOnce = driver.form === "sync";
      const calls = await write(path, driver, () => atOnce ? undefined : Promise.resolve());
      assertEquals(calls, [...early, ...atOnce ? [] : early, ...last]);
      const none = { options: { durability: "none" } as const };
      assertEquals(await write(path, driver, () => undefined, none), ["close"]);
      writeFileSync(path, new Uint8Array(134 * MIB));
      const same = { options: { ifChanged: true } };
      // The target itself, once it has proved to be the same.
      assertEquals(await write(path, driver, () => undefined, same), ["close", "early", "end"]);
    }),
  );
}

test(
  "an early sync goes on while more comes, 64 MiB at most",
  inTemp(async (dir) => {
    let come = 0;
    const underWay: PromiseWithResolvers<void>[] = [];
    const early = (): Promise<void> => {
      underWay.push(Promise.withResolvers());
      return underWay.at(-1)!.promise;
    };
    const content = pieces((mib) => void (come = mib));
    const writing = write(join(dir, "file"), asyncForm, early, { content });
    for (const mib of [127, 133]) {
      while (come < mib) await new Promise((resolve) => void setTimeout(resolve, 1));
      await new Promise((resolve) => void setTimeout(resolve, 10));
      assert(come <= mib + 1, `${come} MiB have come`);
      underWay.shift()!.resolve();
    }
    assertEquals(await writing, ["early", "end", "early", "end", "fsync", "close"]);
  }),
);

test(
  "an early sync that fails leaves the target as it was, though the sync at the end would succeed",
  inTemp(async (dir) => {
    const path = join(dir, "file");
    writeFileSync(path, "old");
    const calls = await write(path, asyncForm, async () => {
      await Promise.resolve();
      throw new OsError("EIO", "fsync");
    });
    assertEquals(calls, ["early", "end", "close", "EIO", "unchanged"]);
    assertEquals([readdirSync(dir), readFileSync(path, "utf8")], [["file"], "old"]);
  }),
);

test(
  "a file that is given up waits for its early sync, whose error reaches nobody",
  inTemp(async (dir) => {
    const sync = Promise.withResolvers<void>();
    const broken = pieces((mib) => {
      if (mib === 80) throw new Error("no more");
    });
    const early = (): Promise<void> => {
      setTimeout(() => sync.reject(new OsError("EIO", "fsync")), 50);
      return sync.promise;
    };
    const calls = await write(join(dir, "file"), asyncForm, early, { content: broken });
    assertEquals(calls, ["early", "end", "close", "ERR_SOURCE", "unchanged"]);
    assertEquals(readdirSync(dir), []);
  }),
);

test(
  "where the staged file can't be opened again, it is synced at the end only",
  inTemp(async (dir) => {
    const os: Os = {
      ...asyncForm.os(),
      write: (_file, bytes) => waitFor(bytes.length),
      open: () => {
        throw new OsError("EMFILE", "open");
      },
    };
    const source = asyncSource(pieces());
    await asyncForm.run(writeFile(os, join(dir, "file"), source, fileSettings({})));
    assertEquals(readdirSync(dir), ["file"]);
  }),
);
