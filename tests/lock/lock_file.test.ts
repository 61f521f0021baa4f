/** What is in a lock file, and what is made of it, on a model of a disk. */

import { test } from "node:test";
import { acquireLock, inspectLock, type LockState, releaseLock } from "../../lib/lock/lock_file.ts";
import { runSync } from "../../lib/core/steps.ts";
import { bytesOf, walk } from "../crash/image.ts";
import { ModelDisk } from "../crash/model_disk.ts";
import { assert, assertEquals, assertThrows } from "../helpers/assert.ts";

const WAITING = { lock: true, wait: 0, signal: undefined };

/** A line as a holder writes it. */
function line(target: string, pid: number): string {
  return `${JSON.stringify({ untorn: 1, target, pid })}\n`;
}

function diskWith(text: string): ModelDisk {
  const disk = new ModelDisk();
  runSync(disk.os.createWhole("/.lock-x", 0o644, new TextEncoder().encode(text)));
  return disk;
}

function textOn({ image }: ModelDisk): string | undefined {
  const found = [...walk(image)].find(([path]) => path === "/.lock-x");
  return found && new TextDecoder().decode(bytesOf(found[2]));
}

function seenOn({ os }: ModelDisk): LockState {
  return runSync(inspectLock(os, "/.lock-x"));
}

test("who takes a dead process's lock adds a line, and a crash keeps both", () => {
  const disk = diskWith(line("x", 1));
  const held = runSync(acquireLock(disk.os, "/", "x", WAITING));
  assertEquals(textOn(disk), `${line("x", 1)}\n${line("x", process.pid)}`);
  assertEquals([seenOn(disk).state, seenOn(disk).holder], ["held", `process ${process.pid}`]);
  const error = assertThrows(() => runSync(acquireLock(disk.os, "/", "x", WAITING)), Error);
  assert(error.message.includes(`process ${process.pid} holds its lock`), error.message);

  const crashed = new ModelDisk(disk.image);
  assertEquals([seenOn(crashed).state, seenOn(crashed).target], ["free", "x"]);
  runSync(releaseLock(disk.os, held));
  assertEquals(textOn(disk), undefined);
});

test("the last line that was written whole counts, also after a power cut", () => {
  const torn = line("torn", 3).slice(0, -9);
  for (
    const [text, target] of [
      [`${line("first", 1)}\n${torn}`, "first"],
      [`${line("first", 1)}\n${torn}\n${line("second", 2)}`, "second"],
      [`${line("first", 1)}${"\0".repeat(40)}`, "first"],
      [`${"\0".repeat(40)}\n${line("second", 2)}`, "second"],
      [`${line("first", 1)}\nnull\n`, "first"],
      [torn, undefined],
    ] as [string, string | undefined][]
  ) {
    const { state, claims, target: found } = seenOn(diskWith(text));
    assertEquals([state, claims, found], ["free", true, target], text);
  }
  for (const text of ["", "\0".repeat(50), "\0".repeat(512) + line("second", 2).slice(15)]) {
    const { state, claims, target } = seenOn(diskWith(text));
    assertEquals([state, claims, target], ["free", false, undefined]);
  }
});

test("a file of that name with other content is the user's, and stays", () => {
  const long = line("x", 1).repeat(2000);
  for (const text of ["mine", `mine\n${line("x", 1)}`, "\0".repeat(4096), "\0mine\n", long]) {
    const disk = diskWith(text);
    assertEquals(seenOn(disk).state, "users");
    const take = (): unknown => runSync(acquireLock(disk.os, "/", "x", WAITING));
    assert(assertThrows(take, Error).message.includes("is in the way of its lock"));
    assertEquals(textOn(disk), text);
  }
});

test("after many dead holders the file begins anew", () => {
  const disk = diskWith(line("x", 1).repeat(1850));
  runSync(acquireLock(disk.os, "/", "x", WAITING));
  assertEquals(textOn(disk), line("x", process.pid));
  assertEquals(seenOn(disk).state, "held");
});
