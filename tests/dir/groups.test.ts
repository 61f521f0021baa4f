/** The groups of new files in set-group-id directories. */

import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { atomicWriteSync, persistDirSync, transactionSync } from "../../mod.ts";
import { assertEquals } from "../helpers/assert.ts";
import { isRoot } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

const skip = isRoot ? false : "only root can give a directory a group that is not its own";

const GROUP = 12345;

function plant(dir: string): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "old"), "old");
  chownSync(dir, 0, GROUP);
  chmodSync(dir, 0o2775);
}

function facts(path: string): [group: number, bits: string] {
  const { gid, mode } = statSync(path);
  return [gid, (mode & 0o7777).toString(8)];
}

test(
  "a new file in a set-group-id directory gets the directory's group, however it is written",
  { skip },
  inTemp((dir) => {
    const shared = join(dir, "root/shared");
    plant(shared);
    atomicWriteSync(join(shared, "write"), "new");
    transactionSync(join(dir, "root"), (tx) => {
      tx.write("shared/transaction", "new");
      tx.write("plain", "new");
    });
    persistDirSync(shared, { "persist": "new", "sub/deep": "new" });
    for (const name of ["write", "transaction", "persist", "sub/deep"]) {
      assertEquals(facts(join(shared, name)), [GROUP, "644"], name);
    }
    assertEquals(facts(shared), [GROUP, "2775"]);
    assertEquals(facts(join(shared, "sub")), [GROUP, "2755"]);
    assertEquals(facts(join(dir, "root/plain"))[0], process.getgid!());
    assertEquals(readFileSync(join(shared, "old"), "utf8"), "old");
  }),
);
