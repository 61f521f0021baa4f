/** The OS port: error names, interrupted calls, and that both forms of a binding do the same. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileSystemOf } from "../../lib/os/file_systems.ts";
import { amended } from "../../lib/os/errno.ts";
import { OsError } from "../../lib/core/errors.ts";
import { lift, runAsync } from "../../lib/core/steps.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../helpers/assert.ts";
import { drivers } from "../helpers/ports.ts";
import { programCommand, run, runtime } from "../helpers/runtime.ts";
import { strace } from "../helpers/strace.ts";
import { inTemp } from "../helpers/temp.ts";

/** Errors as the runtimes make them, and the name that each must get. */
const shapes: [string, object, string][] = [
  ["Node", { code: "ENOSPC", errno: -28 }, "ENOSPC"],
  ["Node, without a name", { code: "Unknown system error -122", errno: -122 }, "EDQUOT"],
  ["Node, with a broken name", { code: "", errno: -4094, message: "(os error 16)" }, "E4094"],
  ["Deno's node:fs, without a name", { code: "UNKNOWN", errno: -116 }, "ESTALE"],
  ["Deno, with a name", { code: "EMFILE", message: "Too many (os error 24)" }, "EMFILE"],
  ["Deno, without a name", { message: "Disk quota exceeded (os error 122): rename" }, "EDQUOT"],
  ["Deno, ESTALE", { message: "Stale file handle (os error 116)" }, "ESTALE"],
  ["Deno, ENOLCK", { message: "No locks available (os error 37)" }, "ENOLCK"],
  ["Deno, EMLINK", { message: "Too many links (os error 31)" }, "EMLINK"],
  ["Deno, EUCLEAN", { message: "Structure needs cleaning (os error 117)" }, "EUCLEAN"],
  [
    "Deno, not permitted",
    { name: "NotCapable", message: 'Requires write access to "x"' },
    "ERR_PERMISSION",
  ],
  ["Node, not permitted", { code: "ERR_ACCESS_DENIED" }, "ERR_PERMISSION"],
];

for (const [shape, properties, code] of shapes) {
  test(`an error of ${shape} is called ${code}, at once and later`, async () => {
    const raw = Object.assign(new Error(), properties);
    const now = lift((_from: string, _to: string): void => {
      throw raw;
    }, amended("rename"));
    const later = lift((_from: string, _to: string) => Promise.reject(raw), amended("rename"));
    for (const call of [now, later]) {
      const error = await assertRejects(() => runAsync<void>(call("from", "to")), OsError);
      assertEquals([error.code, error.call, error.path], [code, "rename", "from"]);
      assertEquals(error.cause, raw);
    }
  });
}

test("an error that is not the system's stays what it is", async () => {
  const mistake = new TypeError("not a function");
  const call = lift(() => Promise.reject(mistake), amended("write"));
  assertEquals(await assertRejects(() => runAsync(call())), mistake);
});

test("an interrupted call is made again, a close is not", async () => {
  for (const later of [false, true]) {
    for (const [name, calls] of [["fsync", 4], ["close", 1]] as const) {
      let made = 0;
      const interrupted = (): string | Promise<string> => {
        const error = Object.assign(new Error("(os error 4)"), { name: "Interrupted" });
        if (++made > 3) return later ? Promise.resolve("done") : "done";
        if (later) return Promise.reject(error);
        throw error;
      };
      const call = lift(interrupted, amended(name));
      const answer = await runAsync(call()).catch((error) => error.code);
      assertEquals([answer, made], [name === "close" ? "EINTR" : "done", calls]);
    }
  }
});

for (const { form, os, run: drive } of drivers) {
  test(
    `every call of the port does what it says (${form})`,
    inTemp(async (dir) => {
      const { lstat, fstat, readlink, realpath, create, open, openDir, read, write, ...more } =
        os();
      const { chmod, chown, fsync, close, rename, link, unlink, mkdir, rmdir } = more;
      const at = (name: string): string => join(dir, name);
      const file = await drive(create(at("file"), 0o640));
      assertEquals(await drive(write(file, new Uint8Array([1, 2, 3]))), 3);
      assertEquals(await drive(write(file, new Uint8Array(100_000).fill(7))), 100_000);
      await drive(chmod(file, at("file"), 0o4711));
      assertEquals((await drive(fstat(file))).mode, 0o4711);
      const { uid, gid } = await drive(fstat(file));
      await drive(chown(file, at("file"), uid, gid));
      await drive(fsync(file, at("file")));
      await drive(close(file));
      await drive(link(at("file"), at("second")));
      const { kind, size, links } = await drive(lstat(at("second")));
      assertEquals([kind, size, links], ["file", 100_003, 2]);
      await drive(rename(at("file"), at("moved")));
      await drive(unlink(at("second")));
      assert(existsSync(at("moved")) && !existsSync(at("file")) && !existsSync(at("second")));
      const reading = await drive(open(at("moved")));
      const into = new Uint8Array(4);
      assertEquals([await drive(read(reading, into)), into[2], into[3]], [4, 3, 7]);
      await drive(close(reading));
      writeFileSync(at("empty"), "");
      const empty = await drive(open(at("empty")));
      assertEquals(await drive(read(empty, into)), 0);
      await drive(close(empty));
      await drive(mkdir(at("sub"), 0o777));
      assertEquals((await drive(lstat(at("sub")))).kind, "directory");
      const sub = await drive(openDir(at("sub")));
      if (process.platform !== "win32") await drive(fsync(sub!, at("sub")));
      if (sub !== undefined) await drive(close(sub));
      symlinkSync("sub/../moved", at("link"));
      assertEquals((await drive(lstat(at("link")))).kind, "symlink");
      assertEquals(await drive(readlink(at("link"))), "sub/../moved");
      assertEquals(await drive(realpath(at("link"))), await drive(realpath(at("moved"))));
      await drive(rmdir(at("sub")));
      assert(!existsSync(at("sub")));
      assertEquals((await drive(lstat("/dev/null"))).kind, "other");
    }),
  );

  test(
    `calls fail with the errno's name and their path (${form})`,
    inTemp(async (dir) => {
      const at = (name: string): string => join(dir, name);
      writeFileSync(at("file"), "");
      mkdirSync(at("sub"));
      symlinkSync("file", at("link"));
      const { lstat, create, link, mkdir, rename, rmdir, readlink, unlink } = os();
      const cases = [
        [lstat(at("none")), "ENOENT", "none"],
        [lstat(at("file/x")), "ENOTDIR", "file/x"],
        [create(at("file"), 0o600), "EEXIST", "file"],
        [create(at("link"), 0o600), "EEXIST", "link"],
        [link(at("file"), at("sub")), "EEXIST", "file"],
        [mkdir(at("sub"), 0o777), "EEXIST", "sub"],
        [rename(at("file"), at("sub")), "EISDIR", "file"],
        [readlink(at("file")), "EINVAL", "file"],
        [create(at("n".repeat(256)), 0o600), "ENAMETOOLONG", "n".repeat(256)],
        [unlink(at("none")), "ENOENT", "none"],
        [rmdir(at("none")), "ENOENT", "none"],
      ] as const;
      for (const [steps, code, path] of cases) {
        const error = await assertRejects(() => drive(steps as never), OsError);
        assertEquals([error.code, error.path], [code, at(path)]);
      }
    }),
  );
}

test(
  "errors that runtimes have no name for arrive by name from the real calls",
  { skip: strace.missing },
  inTemp(async (dir) => {
    const cases: [string, string, string][] = [
      ["rename,renameat,renameat2", "EDQUOT", "unchanged"],
      ["rename,renameat,renameat2", "ESTALE", "unchanged"],
      ["rename,renameat,renameat2", "EMLINK", "unchanged"],
      ["rename,renameat,renameat2", "EUCLEAN", "unchanged"],
      ["fsync", "ENOLCK", "unchanged"],
      ["fsync", "EIO", "unchanged"],
    ];
    for (const [calls, code, outcome] of cases) {
      for (const form of ["sync", "async"]) {
        const file = join(dir, "file");
        writeFileSync(file, "old");
        const program = programCommand("tests/fixtures/write.ts", [form, file, "new"]);
        const { stdout } = await run(strace.inject(`${calls}:error=${code}`, program));
        assertEquals(JSON.parse(stdout), { code, outcome }, `${runtime} ${form}`);
        assertEquals(readFileSync(file, "utf8"), "old");
      }
    }
  }),
);

test(
  "calls that the system interrupts are made again",
  { skip: strace.missing },
  inTemp(async (dir) => {
    for (const calls of ["fsync", "rename,renameat,renameat2"]) {
      for (const form of ["sync", "async"]) {
        const file = join(dir, "file");
        writeFileSync(file, "old");
        const program = programCommand("tests/fixtures/write.ts", [form, file, "new"]);
        const { stdout } = await run(strace.inject(`${calls}:error=EINTR:when=1`, program));
        assertEquals(JSON.parse(stdout), { changed: true });
        assertEquals(readFileSync(file, "utf8"), "new");
      }
    }
  }),
);

/** Why nothing is begun early here, or false. */
const notBegun = runtime !== "bun"
  ? "only Bun begins syncs early"
  : fileSystemOf(statfsSync(tmpdir()).type)?.durable === false
  ? "the temporary directory is in memory, where there is nothing to begin"
  : strace.missing;

// What can't be written is perhaps known of by this call alone; what the system has not, or forbids, is no matter.
const outcomes = { EIO: true, ENOSPC: true, ENOSYS: false, EPERM: false };
for (const [code, fails] of Object.entries(outcomes)) {
  test(
    `sixteen writers, whose syncs are begun early, which fails with ${code}`,
    { skip: notBegun },
    inTemp(async (dir) => {
      for (let i = 0; i < 16; i++) writeFileSync(join(dir, `file${i}`), "old");
      const program = programCommand("tests/fixtures/many.ts", [dir]);
      const { stdout } = await run(strace.inject(`sync_file_range:error=${code}`, program));
      const ended: Record<string, number> = JSON.parse(stdout);
      const known = fails ? ["done", `${code} replaced`, `${code} unchanged`] : ["done"];
      assertEquals(Object.keys(ended).filter((how) => !known.includes(how)), []);
      assertEquals(Object.values(ended).reduce((sum, count) => sum + count), 64);
      assertEquals((ended[`${code} unchanged`] ?? 0) > 0, fails);
      for (const name of readdirSync(dir)) {
        assertMatch(name + readFileSync(join(dir, name), "utf8"), /^file\d+(old|new \d)$/);
      }
    }),
  );
}

test(
  "a dot follows a link, and what is no directory is not removed as one, also with scoped permissions",
  inTemp(async (dir) => {
    mkdirSync(join(dir, "there"));
    symlinkSync("there", join(dir, "link"));
    writeFileSync(join(dir, "file"), "kept");
    for (const flags of [["-A"], [`--allow-read=${dir}`, `--allow-write=${dir}`]]) {
      const { stdout, stderr } = await run(programCommand("tests/fixtures/look.ts", [dir], flags));
      const found = ["symlink", "directory", "ENOTDIR", "ENOTDIR", "ENOTDIR", "ENOTDIR"];
      assertEquals(stdout, JSON.stringify(found) + "\n", stderr);
    }
  }),
);
