/** `capabilities()`: what each file system can do, and that no answer is believed without its effect. */

import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findCapabilities } from "../../lib/doctor/capabilities.ts";
import { OsError } from "../../lib/core/errors.ts";
import { systemCalls } from "../../lib/os/system.ts";
import type { Handle, Os, Stat } from "../../lib/os/port.ts";
import { runSync, type Steps, waitFor } from "../../lib/core/steps.ts";
import { type Capabilities, capabilities, capabilitiesSync, UntornError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../helpers/assert.ts";
import { mounted, noImage, noMount, onImage } from "../helpers/mount.ts";
import { drivers, failing, watched } from "../helpers/ports.ts";
import { programCommand, run, runtime } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

/** Node has FFI from 26.1 on. */
const hasFfi = runtime !== "node" ||
  process.getBuiltinModule("node:ffi" as "node:fs") !== undefined;

/** What every local file system of Linux can do. */
const local = {
  shared: false,
  exchange: hasFfi,
  hardLinks: true,
  directorySync: true,
  locks: hasFfi,
};

async function checkOn(dir: string, expected: Partial<Capabilities>): Promise<void> {
  const found = [await capabilities(dir), capabilitiesSync(dir)];
  for (const [i, { reasons, ...all }] of found.entries()) {
    const syncFs = hasFfi && (i === 1 || runtime === "deno");
    assertEquals<object>(all, { path: dir, ...local, syncFs, ...expected });
    for (const [name, value] of Object.entries(all)) {
      const isMissing = value === undefined || value === false && name !== "shared";
      assertEquals(name in reasons, isMissing, name);
    }
  }
}

test(
  "a tmpfs can do much, but is not durable",
  { skip: noMount },
  () =>
    inTemp((dir) =>
      mounted(dir, async () => {
        await checkOn(dir, { fileSystem: "tmpfs", reflinks: false, durable: false });
        assertStringIncludes((await capabilities(dir)).reasons.durable!, "in memory only");
        assertEquals(readdirSync(dir), []);
      })
    )(),
);

for (const kind of ["ext4", "xfs", "btrfs"] as const) {
  test(
    `${kind} is told by its name, its reflinks and its durability`,
    { skip: noImage(kind) },
    () =>
      inTemp((dir) =>
        onImage(kind, dir, async (disk) => {
          const before = readdirSync(disk);
          await checkOn(disk, { fileSystem: kind, reflinks: kind !== "ext4", durable: true });
          assertEquals(readdirSync(disk), before);
        })
      )(),
  );
}

test(
  "what Node's permission model does not permit at all is missing",
  { skip: runtime === "node" ? false : "only Node has that permission model" },
  inTemp(async (dir) => {
    const [node, ...program] = programCommand("cli.ts", ["doctor", dir, "--json"]);
    const flags = ["--permission", "--allow-fs-read=*", `--allow-fs-write=${dir}`];
    const { stdout } = await run([node, ...flags, ...program]);
    const { directorySync, durable, exchange, reasons } = JSON.parse(stdout);
    assertEquals([directorySync, durable, exchange], [false, false, false]);
    assertEquals(reasons.directorySync, "the runtime does not permit it");
    assertMatch(reasons.exchange, hasFfi ? /run again with --allow-ffi$/ : /26\.1/);
    assertEquals(readdirSync(dir), []);
  }),
);

for (const { form, os, run: drive } of drivers) {
  const find = (dir: string, change: (os: Os) => Partial<Os> = () => ({})): Promise<Capabilities> =>
    drive(findCapabilities({ ...os(), ...change(os()) }, dir));

  test(
    `where nothing can be tried, the error says why, and nothing is left (${form})`,
    inTemp(async (dir) => {
      writeFileSync(join(dir, "file"), "");
      for (
        const [path, code, words] of [["missing", "ENOENT", "does not exist"], [
          "file",
          "ENOTDIR",
          "",
        ]]
      ) {
        const at = join(dir, path!);
        const error = await assertRejects(() => find(at), UntornError, words);
        assertEquals([error.code, error.outcome, error.target], [code, "unchanged", at]);
        assertStringIncludes(error.message, `cannot examine "${at}": `);
      }
      for (const wrong of ["", 5 as unknown as string, new URL("http://host/")]) {
        await assertRejects(() => capabilities(wrong), TypeError);
      }
      assertEquals(readdirSync(dir), ["file"]);
    }),
  );

  test(
    `a read-only file system is an error (${form})`,
    { skip: noMount },
    () =>
      inTemp((dir) =>
        mounted(join(dir, "disk"), async () => {
          const error = await assertRejects(
            () => find(join(dir, "disk")),
            UntornError,
            "read-only",
          );
          assertEquals(error.code, "EROFS");
        }, ["-t", "tmpfs", "-o", "ro", "tmpfs"])
      )(),
  );

  test(
    `a full disk is an error, and nothing is left on it (${form})`,
    { skip: noMount },
    () =>
      inTemp((dir) =>
        mounted(dir, async () => {
          const full = await run(["dd", "if=/dev/zero", `of=${join(dir, "big")}`, "bs=4096"]);
          assertStringIncludes(full.stderr, "No space left");
          const error = await assertRejects(
            () => find(dir),
            UntornError,
            "no space left on device",
          );
          assertEquals([error.code, readdirSync(dir)], ["ENOSPC", ["big"]]);
        })
      )(),
  );

  test(
    `an exchange that says it is done, and has not been, is none (${form})`,
    inTemp(async (dir) => {
      const has = { canExchange: () => waitFor(true) };
      const lies = await find(dir, () => ({ ...has, exchange: () => waitFor(true) }));
      assertEquals(lies.exchange, false);
      assertStringIncludes(lies.reasons.exchange!, "has not done it");
      const refuses = await find(dir, () => ({ ...has, exchange: () => waitFor(false) }));
      assertEquals(refuses.exchange, false);
      // As docker/for-mac#7687: one of the two is lost.
      const loses = await find(dir, (os) => ({
        ...has,
        *exchange(one: string, other: string) {
          yield* os.rmdir(other);
          yield* os.rename(one, other);
          return true;
        },
      }));
      assertEquals([loses.exchange, readdirSync(dir)], [false, []]);
    }),
  );

  for (const code of ["EPERM", "EINVAL", "ENOSYS", "ENOTSUP", "EBADF"]) {
    test(
      `what the system refuses with ${code} is missing, and the rest is found (${form})`,
      inTemp(async (dir) => {
        const plain = await find(dir);
        const refused: [keyof Capabilities["reasons"], keyof Os][] = [
          ["hardLinks", "link"],
          ["reflinks", "clone"],
          ["directorySync", "fsync"],
          ["locks", "tryLock"],
        ];
        if (plain.syncFs) refused.push(["syncFs", "syncFs"]);
        for (const [name, call] of refused) {
          if (call === "tryLock" && !plain.locks) continue;
          const found = await find(dir, (os) => ({
            [call]: function* (path: unknown): Steps<never> {
              yield* os.lstat(dir);
              throw new OsError(code, call, typeof path === "string" ? path : undefined);
            },
          }));
          const { reasons, durable, ...rest } = found;
          assertEquals(rest[name as "locks"], false, call);
          assertStringIncludes(reasons[name]!, `(${code})`);
          const { reasons: _, durable: before, ...all } = plain;
          assertEquals<object>({ ...all, [name]: false }, rest, call);
          assertEquals(durable, name === "directorySync" ? false : before);
        }
        assertEquals(readdirSync(dir), []);
      }),
    );
  }

  test(
    `links, copies and locks are believed by what they do (${form})`,
    inTemp(async (dir) => {
      const copies = await find(dir, () => ({
        link: (from, to) => waitFor(copyFileSync(from, to)),
        clone: (_from, to) => waitFor((writeFileSync(to, "other"), true)),
        canLock: () => waitFor(true),
        tryLock: () => waitFor(true),
      }));
      assertEquals([copies.hardLinks, copies.reflinks, copies.locks], [false, false, false]);
      assertEquals(copies.reasons.hardLinks, "the second name is another file");
      assertEquals(copies.reasons.reflinks, "the copy has another content");
      assertEquals(copies.reasons.locks, "a second holder gets it as well");
      const shares = await find(dir, () => ({
        clone: (from, to) => waitFor((copyFileSync(from, to), true)),
      }));
      assertEquals([shares.reflinks, shares.reasons.reflinks], [true, undefined]);
      const unknown = await find(dir, () => ({ clone: () => waitFor(undefined) }));
      assertEquals(unknown.reflinks, undefined);
      assert(unknown.reasons.reflinks !== undefined);
    }),
  );

  test(
    `without what a runtime lacks, the rest is found, and why it is missing (${form})`,
    inTemp(async (dir) => {
      const none = () => waitFor(undefined);
      // Whether it is shared shows on a block device without its kind.
      const { reasons: { shared: _why, ...reasons }, shared: _shared, ...found } = await find(
        dir,
        () => ({
          ...{ canExchange: () => waitFor(false), canLock: () => waitFor(false), clone: none },
          ...{ openFs: none, openDir: none, fsType: none },
        }),
      );
      assertEquals<object>(found, {
        path: dir,
        fileSystem: undefined,
        exchange: false,
        hardLinks: true,
        reflinks: undefined,
        directorySync: false,
        syncFs: false,
        locks: false,
        durable: false,
      });
      assertEquals(Object.keys(reasons).sort(), [
        ...["directorySync", "durable", "exchange", "fileSystem"],
        ...["locks", "reflinks", "syncFs"],
      ]);
    }),
  );

  test(
    `that other machines may have it too is told by its kind, unless it is on a block device (${form})`,
    inTemp(async (dir) => {
      const [anonymous, block] = [0x2a, 0xfe01];
      for (
        const [dev, number, shared] of [
          [anonymous, 0x6969, true],
          [anonymous, 0xff534d42, true],
          [anonymous, 0x65735546, true],
          [anonymous, 0x01021997, true],
          [anonymous, 0x00c36400, true],
          [anonymous, 0x01021994, false],
          [anonymous, 0x9123683e, false],
          [anonymous, 0x794c7630, false],
          [anonymous, 0x12345678, undefined],
          [anonymous, undefined, undefined],
          [block, 0x65735546, false],
          [block, undefined, false],
        ] as const
      ) {
        const found = await find(dir, (os) => ({
          fsType: () => waitFor(number),
          *lstat(path: string): Steps<Stat> {
            return { ...yield* os.lstat(path), dev };
          },
          *fstat(file: Handle): Steps<Stat> {
            return { ...yield* os.fstat(file), dev };
          },
        }));
        assertEquals(found.shared, shared, `${number}`);
        assertEquals("shared" in found.reasons, shared === undefined, `${number}`);
      }
    }),
  );

  test(
    `where only others know what a sync is worth, durable is undefined (${form})`,
    inTemp(async (dir) => {
      for (
        const [number, name, durable] of [
          [0x6969, "nfs", undefined],
          [0xff534d42 | 0, "cifs", undefined], // of 32 bits, signed
          [0x65735546, "fuse", undefined],
          [0x794c7630, "overlay", undefined],
          [0x01021997, "9p", undefined],
          [0xf2f52010, "f2fs", true],
          [0x2fc12fc1, "zfs", true],
          [0x858458f6, "ramfs", false],
          [0x12345678, undefined, undefined],
        ] as const
      ) {
        const found = await find(dir, () => ({ fsType: () => waitFor(number) }));
        assertEquals([found.fileSystem, found.durable], [name, durable], `${name}`);
        assertEquals(found.reasons.durable === undefined, durable === true, `${name}`);
        assertEquals(found.reasons.fileSystem === undefined, name !== undefined, `${name}`);
      }
    }),
  );
}

test(
  "whichever call fails, it is an error or an ability that is missing, and nothing is left",
  inTemp((dir) => {
    const names: string[] = [];
    const open = new Set<unknown>();
    const OPENS = ["open", "openDir", "openLock", "openFs"];
    const os = watched(systemCalls().sync, ({ name, args }) => {
      if (name === "close" || name === "closeFs") open.delete(args[0]);
    }, ({ name }, answer) => {
      if (OPENS.includes(name) && answer !== undefined) open.add(answer);
    });
    runSync(findCapabilities(watched(os, ({ name }) => names.push(name)), dir));
    assert(names.length > 30);
    assertEquals(open.size, 0);
    for (const code of ["EIO", "EINVAL"]) {
      for (const [i, name] of names.entries()) {
        const place = join(dir, `${code}${i}`);
        mkdirSync(place);
        try {
          const { reasons } = runSync(findCapabilities(failing(os, code, i + 1), place));
          const told = Object.values(reasons).some((reason) => reason.includes(code));
          assert(told || name === "removeTree" || code === "EINVAL", `${name}: nothing is told`);
        } catch (error) {
          assertEquals((error as UntornError).code, code, name);
        }
        // A scratch directory that can't be removed is trash by its name.
        const left = readdirSync(place);
        assertEquals(left.length > 0, name === "removeTree", `${name} left ${left}`);
        // Of a close that fails nothing is known.
        const end = name === "closeFs" ? "closeFs" : "close";
        assertEquals(open.size > 0, name === end, name);
        for (const handle of [...open]) runSync(os[end](handle as Handle));
      }
    }
  }),
);
