/** `untorn doctor`, as a user runs it, and its self-test on systems that don't do what they say. */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { findCapabilities } from "../../lib/doctor/capabilities.ts";
import { doctor } from "../../lib/cli/commands/doctor.ts";
import { helpOf } from "../../lib/cli/shared/help.ts";
import { selfTest, type TestResult } from "../../lib/doctor/self_test.ts";
import { OsError } from "../../lib/core/errors.ts";
import { systemCalls } from "../../lib/os/system.ts";
import type { Os } from "../../lib/os/port.ts";
import { runAsync, type Steps, waitFor } from "../../lib/core/steps.ts";
import { capabilitiesSync, persistDirSync } from "../../mod.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../helpers/assert.ts";
import { mounted, noImage, noMount, onImage } from "../helpers/mount.ts";
import {
  type Ended,
  hidden,
  programCommand,
  run,
  runtime,
  start,
  until,
} from "../helpers/runtime.ts";
import { ELSEWHERE, isMine } from "../helpers/share.ts";
import { inMemory, inTemp } from "../helpers/temp.ts";

async function untorn(args: string[], cwd: string, denoFlags?: string[]): Promise<Ended> {
  const ended = await run(programCommand("cli.ts", args, denoFlags), "", { cwd });
  // Node says on standard error that its FFI is experimental.
  const lines = ended.stderr.split("\n").filter((line) => !/FFI is an exp|--trace-w/.test(line));
  return { ...ended, stderr: lines.join("\n") };
}

/** The runtime of the tests may have no FFI: what depends on it is skipped then. */
const can = await inSomePlace();

function inSomePlace(): Promise<{ exchange: boolean; locks: boolean }> {
  return new Promise((resolve) => void inTemp((dir) => resolve(capabilitiesSync(dir)))());
}

test(
  "untorn doctor shows capabilities and the results of its self-test, and leaves nothing",
  inTemp(async (dir) => {
    const { code, stdout, stderr } = await untorn(["doctor", "."], dir);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^"\." is on /);
    const exchange = can.exchange ? "yes {2}a directory is replaced in one step" : "no ";
    assertMatch(stdout, new RegExp(`^exchange {8}${exchange}`, "m"));
    assertMatch(stdout, /^hard links {6}yes {2}entries of the previous version/m);
    assertMatch(stdout, /^ok {7}a file is replaced, and keeps its mode$/m);
    assertMatch(stdout, /^ok {7}a crash after each call: a transaction$/m);
    assertMatch(stdout, /\n\nAll self-tests passed\.\n$/);
    assertEquals(/failed/.test(stdout), false);
    for (const line of stdout.split("\n")) assert(line.length <= 80, line);
    assertEquals(readdirSync(dir), []);
  }),
);

test("untorn doctor --help fits a terminal, and names each field of --json", () => {
  for (const line of helpOf(doctor).split("\n")) assert(line.length <= 80, line);
  const fields = [
    "path",
    "fileSystem",
    "shared",
    "exchange",
    "hardLinks",
    "reflinks",
    "directorySync",
  ];
  fields.push("syncFs", "locks", "durable", "reasons", "selfTest", "ok");
  for (const field of fields) assert(new RegExp(`\\b${field}\\b`).test(doctor.json), field);
});

test(
  "untorn doctor --json is one object with all fields",
  inTemp(async (dir) => {
    const { code, stdout, stderr } = await untorn(["doctor", dir, "--json"], "/");
    assertEquals([code, stderr], [0, ""]);
    const report = JSON.parse(stdout);
    assertEquals(Object.keys(report), [
      ...["path", "fileSystem", "shared", "exchange", "hardLinks", "reflinks", "directorySync"],
      ...["syncFs", "locks", "durable", "reasons", "selfTest", "ok"],
    ]);
    assertEquals([report.path, report.ok, report.hardLinks], [dir, true, true]);
    assertEquals([report.exchange, report.locks], [can.exchange, can.locks]);
    for (const { name, result, reason } of report.selfTest as TestResult[]) {
      const missing = /exchange/.test(name) && !can.exchange || /lock/.test(name) && !can.locks;
      assertEquals(result, missing ? "skipped" : "ok", name);
      assertEquals(reason !== undefined, missing, name);
    }
    assertEquals(readdirSync(dir), []);
  }),
);

for (const [i, kind] of (["tmpfs", "ext4", "xfs", "btrfs"] as const).entries()) {
  const skip = !isMine(i) ? ELSEWHERE : kind === "tmpfs" ? noMount : noImage(kind);
  test(
    `the self-test passes on ${kind}`,
    { skip },
    () =>
      inTemp(async (dir) => {
        const check = async (disk: string): Promise<void> => {
          const before = readdirSync(disk);
          const { code, stdout } = await untorn(["doctor", disk, "--json"], "/");
          const { ok, fileSystem, durable } = JSON.parse(stdout);
          assertEquals([code, ok, fileSystem, durable], [0, true, kind, kind !== "tmpfs"], stdout);
          const quiet = await untorn(["doctor", "-q", disk], "/");
          assertEquals([quiet.code, quiet.stdout, quiet.stderr], [0, "", ""]);
          assertEquals(readdirSync(disk), before);
        };
        if (kind === "tmpfs") await mounted(join(dir, "disk"), () => check(join(dir, "disk")));
        else await onImage(kind, dir, check);
      })(),
  );
}

test(
  "untorn doctor fails where it can try nothing, and says why",
  inTemp(async (dir) => {
    writeFileSync(join(dir, "file"), "");
    for (const [path, code] of [["missing", "ENOENT"], ["file", "ENOTDIR"]]) {
      const { code: exit, stdout, stderr } = await untorn(["doctor", path!, "--json"], dir);
      assertEquals([exit, JSON.parse(stdout).error.code], [1, code]);
      assert(stderr.startsWith(`untorn: cannot examine "${path}": `), stderr);
    }
    for (const args of [[], ["a", "b"], [".", "--no-such"], [""]]) {
      assertEquals((await untorn(["doctor", ...args], dir)).code, 2, args.join(" "));
    }
    assertEquals(readdirSync(dir), ["file"]);
  }),
);

test(
  "on a read-only file system untorn doctor exits with 1",
  { skip: noMount },
  () =>
    inTemp((dir) =>
      mounted(join(dir, "disk"), async () => {
        const { code, stderr } = await untorn(["doctor", "disk"], dir);
        assertEquals(code, 1);
        assertMatch(stderr, /cannot examine "disk": the file system is read-only \(EROFS\)/);
      }, ["-t", "tmpfs", "-o", "ro", "tmpfs"])
    )(),
);

test(
  "a disk that gets full fails the self-test, and is as it was",
  { skip: noMount },
  () =>
    inTemp((dir) =>
      mounted(dir, async () => {
        const { code, stdout } = await untorn(["doctor", dir], "/");
        assertEquals(code, 1);
        assertMatch(stdout, /^failed {3}/m);
        assertMatch(stdout.replace(/\s+/g, " "), /no space left on device \(ENOSPC\)/);
        assertMatch(stdout, /\n\d+ of \d+ self-tests failed\.\n$/);
        const quiet = await untorn(["doctor", dir, "-q"], "/");
        assertEquals(quiet.code, 1);
        for (const line of quiet.stdout.trimEnd().split("\n")) assertMatch(line, /^(failed| {9})/);
        const json = await untorn(["doctor", dir, "--json"], "/");
        assertEquals([json.code, JSON.parse(json.stdout).ok], [1, false]);
        assertEquals(readdirSync(dir), []);
      }, ["-t", "tmpfs", "-o", "size=40k", "tmpfs"])
    )(),
);

test(
  "a permission that untorn doctor lacks is named",
  { skip: runtime === "deno" ? false : "only Deno has path-scoped permissions by default" },
  inTemp(async (dir) => {
    const [read, write] = [`--allow-read=${dir}`, `--allow-write=${dir}`];
    const refused = await untorn(["doctor", dir], dir, [read]);
    assertEquals(refused.code, 5);
    assert(refused.stderr.includes(`run again with ${write} (to create a scratch`), refused.stderr);

    const { code, stdout, stderr } = await untorn(["doctor", dir, "--json"], dir, [read, write]);
    assertEquals([code, stderr], [0, ""]);
    const { exchange, reflinks, syncFs, locks, fileSystem, durable, reasons } = JSON.parse(stdout);
    assertEquals([exchange, syncFs, locks], [false, false, true]);
    assertEquals([reflinks, fileSystem, durable], [null, null, null]);
    for (const name of ["exchange", "reflinks", "syncFs"]) {
      assertMatch(reasons[name], /run again with --allow-ffi=\/.*libc/);
    }
    for (const name of ["fileSystem", "durable"]) {
      assertMatch(reasons[name], /run again with --allow-sys=statfs$/);
    }
    const more = ["--allow-ffi", "--allow-sys=statfs"];
    const all = await untorn(["doctor", dir, "--json"], dir, [read, write, ...more]);
    const found = JSON.parse(all.stdout);
    assertEquals([found.exchange, typeof found.fileSystem], [can.exchange, "string"]);
    assertEquals(readdirSync(dir), []);
  }),
);

test(
  "untorn doctor goes on after the reader of its output has gone",
  { skip: process.platform === "win32" ? "it takes a shell" : false },
  inTemp(async (dir) => {
    const command = programCommand("cli.ts", ["doctor", dir]);
    const { stdout, stderr } = await run(["sh", "-c", '"$@" | head -n 1', "sh", ...command]);
    assertMatch(stdout, /^".*" is on .*\n$/);
    assertEquals(/EPIPE|Broken pipe/.test(stderr), false, stderr);
    assertEquals(readdirSync(dir), []);
  }),
);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(
    `${signal} ends untorn doctor, and nothing is left`,
    inTemp(async (dir) => {
      const { child, ended } = start(programCommand("cli.ts", ["doctor", dir]));
      child.stdin!.end();
      // Within the crashes, where hardly a call is waited for.
      let seen = "";
      child.stdout!.on("data", (text) => seen += text);
      await until(() => /crash after each call: a file/.test(seen) && hidden(dir).length > 0);
      child.kill(signal);
      const { signal: by, stdout } = await ended;
      assertEquals(by, signal);
      assertEquals(/All self-tests passed/.test(stdout), false);
      assertEquals(readdirSync(dir), []);
    }),
  );
}

/** Ports that break a promise, and the tests that must see it. */
const broken: [what: string, change: (os: Os) => Partial<Os>, seen: RegExp, why: RegExp][] = [
  [
    "exchanges by two renames",
    (os) => ({
      canExchange: () => waitFor(true),
      *exchange(one, other) {
        yield* os.rename(other, `${one}.aside`);
        // What is there now, a kill may leave.
        yield* waitFor(undefined);
        yield* os.rename(one, other);
        yield* os.rename(`${one}.aside`, one);
        return true;
      },
    }),
    /call: an exchange/,
    /cut off after call \d+: a file is missing/,
  ],
  [
    "loses one of two that are exchanged",
    (os) => ({
      canExchange: () => waitFor(true),
      *exchange(_one, other) {
        yield* os.rename(other, `${other}.lost`);
        return true;
      },
    }),
    /^a directory is exchanged/,
    /a reader found it missing/,
  ],
  [
    "has links that replace what is there",
    (os) => ({
      *link(from, to) {
        yield* os.copy(from, `${to}.copy`);
        yield* os.rename(`${to}.copy`, to);
      },
      *lstat(path) {
        // Nothing is seen before the link: as if it came to be just then.
        if (path.endsWith("/1/file")) throw new OsError("ENOENT", "lstat", path);
        return yield* os.lstat(path);
      },
    }),
    /^a file that exists/,
    /ENOENT|not "EEXIST"/,
  ],
  [
    "forgets modes",
    (os) => ({
      *lstat(path) {
        const stat = yield* os.lstat(path);
        return path.endsWith("/0/file") ? { ...stat, mode: modes++ } : stat;
      },
    }),
    /keeps its mode/,
    /its mode is/,
  ],
  [
    "gives a lock to everybody",
    () => ({ canLock: () => waitFor(true), tryLock: () => waitFor(true) }),
    /^a lock is refused/,
    /a second holder got it as well/,
  ],
  [
    "removes nothing",
    (os) => ({
      removeTree: (path) =>
        path.includes(".trash-") && path.includes("/6/") ? waitFor(undefined) : os.removeTree(path),
    }),
    /^a directory disappears/,
    /what is there is ".trash-/,
  ],
  [
    "writes something else",
    (os) => ({
      createWhole: (path, mode, bytes) =>
        os.createWhole(path, mode, path.includes("/.staging-") ? bytes.slice(1) : bytes),
    }),
    /^a directory is created/,
    /neither version/,
  ],
  [
    "does not list a transaction that was committed",
    (os) => ({
      *readdir(path) {
        return (yield* os.readdir(path)).filter(({ name }) => !name.startsWith(".commit-"));
      },
    }),
    /call: a transaction/,
    /cut off after call \d+: what is there is "\.lock-site/,
  ],
  [
    "refuses to rename",
    (os) => ({
      *rename(from): Steps<void> {
        yield* os.lstat(from);
        throw new OsError("EIO", "rename", from);
      },
    }),
    /^a file is replaced/,
    /input\/output error/,
  ],
];
let modes = 1;

for (const [i, [what, change, seen, why]] of broken.entries()) {
  test(
    `the self-test fails on a system that ${what}`,
    { skip: !isMine(i) && ELSEWHERE },
    inMemory(async (dir) => {
      const results = await selfTestOn(dir, change);
      const failed = results.filter(({ result }) => result === "failed");
      const texts = failed.map(({ name, reason }) => `${name}: ${reason}`);
      assert(
        failed.some(({ name, reason }) => seen.test(name) && why.test(reason!)),
        texts.join("\n"),
      );
      // The others are run all the same.
      assert(results.length > 10);
    }),
  );
}

async function selfTestOn(
  dir: string,
  change: (os: Os) => Partial<Os>,
  signal: AbortSignal = new AbortController().signal,
): Promise<TestResult[]> {
  // What an exchange does is found out once for each file system: not by the broken one.
  const first = join(dir, "first");
  for (const text of ["1", "2"]) persistDirSync(first, { text });
  rmSync(first, { recursive: true });
  const { sync, async } = systemCalls();
  const os = { sync: { ...sync, ...change(sync) }, async: { ...async, ...change(async) } };
  const found = await runAsync(findCapabilities(async, dir));
  const all = { ...found, exchange: true, locks: true, hardLinks: true };
  return await runAsync(selfTest(os, dir, all, signal, async () => {}));
}

test(
  "what a crash must not leave fails the self-test",
  inMemory(async (dir) => {
    // Without the lock file and by age, a leftover stays: as if cleaning up did not see it.
    const results = await selfTestOn(dir, (os) => ({
      *readdir(path) {
        const entries = yield* os.readdir(path);
        return entries.filter(({ name }) => !/^\.file\..*\.tmp$/.test(name) || !isOpen(path));
      },
    }));
    const { result, reason } = results.find(({ name }) => name.endsWith("call: a file"))!;
    assertEquals(result, "failed");
    assertMatch(reason!, /cut off after call \d+: what is there is "\.file\..*\.tmp file site"/);
  }),
);

let looks = 0;
/** Every other time, which is when cleaning up lists the directory. */
function isOpen(path: string): boolean {
  return /\/9$/.test(path) && looks++ % 2 === 0;
}

test(
  "an abort ends the self-test by its reason, between two tests, two calls, two crashes",
  inMemory(async (dir) => {
    for (
      const [last, what] of [["0", "a file"], ["5", "a replacement"], [
        "13",
        "the crashes of a transaction",
      ]]
    ) {
      const place = join(dir, last!);
      mkdirSync(place);
      const controller = new AbortController();
      const reason = new Error("ended");
      let more = 0;
      const found = selfTestOn(place, (os) => ({
        mkdir: (path, mode) => {
          if (controller.signal.aborted && /^\d+$/.test(basename(path))) more++;
          if (path === join(place, last!)) controller.abort(reason);
          return os.mkdir(path, mode);
        },
        readdir: (path) => {
          if (last === "13" && path === join(place, last)) more++;
          return os.readdir(path);
        },
      }), controller.signal);
      assertEquals([await assertRejects(() => found), more], [reason, 0], what);
    }
  }),
);
