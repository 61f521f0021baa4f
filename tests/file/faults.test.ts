/**
 * What stands when a call fails or the process is killed, at every call of every kind of write: the
 * old version or the new one, byte for byte, nothing else, and the outcome that the error claims.
 */

import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeFile } from "../../lib/file/atomic_write.ts";
import { syncSource } from "../../lib/stage/content.ts";
import { OsError, UntornError } from "../../lib/core/errors.ts";
import { type FileOptions, fileSettings } from "../../lib/file/file_options.ts";
import type { Os } from "../../lib/os/port.ts";
import type { Steps } from "../../lib/core/steps.ts";
import { assert, assertEquals, assertRejects } from "../helpers/assert.ts";
import {
  type Call,
  drivers,
  failing,
  killAfter,
  shortWrites,
  trace,
  watched,
} from "../helpers/ports.ts";
import { inMemory, inTemp } from "../helpers/temp.ts";

const OLD = "the old version";
const NEW = "the new version, which is longer";

/** A kind of write: what is there before, what is called, which file is read afterwards. */
interface Scenario {
  name: string;
  target: string;
  path?: string;
  before: string | undefined;
  options?: FileOptions;
  chunks?: string[];
  prepare?: (dir: string) => void;
}

const scenarios: Scenario[] = [
  { name: "replace, full", target: "file", before: OLD },
  { name: "replace, file", target: "file", before: OLD, options: { durability: "file" } },
  { name: "replace, none", target: "file", before: OLD, options: { durability: "none" } },
  {
    name: "replace with a mode, none",
    target: "file",
    before: OLD,
    options: { mode: 0o640, durability: "none" },
  },
  { name: "replace with a mode", target: "file", before: OLD, options: { mode: 0o640 } },
  {
    name: "replace from chunks",
    target: "file",
    before: OLD,
    chunks: [NEW.slice(0, 4), NEW.slice(4)],
  },
  { name: "replace if changed", target: "file", before: OLD, options: { ifChanged: true } },
  {
    name: "replace if changed, same length",
    target: "file",
    before: NEW.toUpperCase(),
    options: { ifChanged: true },
    chunks: [NEW],
  },
  { name: "keep what is unchanged", target: "file", before: NEW, options: { ifChanged: true } },
  {
    name: "keep what is unchanged, from chunks",
    target: "file",
    before: NEW,
    options: { ifChanged: true },
    chunks: [NEW],
  },
  { name: "create", target: "file", before: undefined },
  { name: "create, none", target: "a/file", before: undefined, options: { durability: "none" } },
  {
    name: "create, no overwrite",
    target: "file",
    before: undefined,
    options: { overwrite: false },
  },
  { name: "create with directories", target: "a/b/file", before: undefined },
  {
    name: "replace through a link",
    target: "real/file",
    path: "link",
    before: OLD,
    prepare: (dir) => symlinkSync("real/../real/file", join(dir, "link")),
  },
];

function operation(dir: string, { target, path, options, chunks }: Scenario) {
  return (os: Os): Steps<unknown> =>
    writeFile(os, join(dir, path ?? target), syncSource(chunks ?? NEW), fileSettings(options));
}

function reset(dir: string, { target, before, prepare }: Scenario): void {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  prepare?.(dir);
  if (before === undefined) return;
  mkdirSync(join(dir, target, ".."), { recursive: true });
  writeFileSync(join(dir, target), before);
}

function content(dir: string, { target }: Scenario): string | undefined {
  const path = join(dir, target);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** All that is below a directory, apart from the scenario's own entries. */
function leftovers(dir: string, { target, path }: Scenario): string[] {
  const own = [
    target,
    path,
    ...target.split("/").map((_, i, parts) => parts.slice(0, i).join("/")),
  ];
  const found = readdirSync(dir, { recursive: true }) as string[];
  return found.filter((entry) => !own.includes(entry));
}

for (const scenario of scenarios) {
  for (const { form, os, run } of drivers) {
    const expect = (dir: string, outcome: string, where: string): void => {
      const found = content(dir, scenario);
      const whole = outcome === "replaced" ? NEW : scenario.before;
      assertEquals(found, whole, where);
      assertEquals(leftovers(dir, scenario), [], where);
      const made = scenario.before === undefined && outcome === "unchanged";
      if (made) assertEquals(readdirSync(dir), scenario.path ? [scenario.path] : [], where);
    };

    test(
      `${scenario.name}: any call that fails leaves the old version or says it is replaced (${form})`,
      inMemory(async (temp) => {
        const dir = join(temp, "dir");
        for (const code of ["ENOSPC", "EIO", "EACCES", "EMFILE", "EDQUOT"]) {
          let failures = 0;
          for (let k = 1;; k++) {
            reset(dir, scenario);
            let made = 0;
            let open = 0;
            const count = ({ name }: Call): void => {
              if (["create", "open", "openDir"].includes(name)) open++;
              if (name === "close") open--;
            };
            const watching = watched(
              failing(os(), code, k),
              ({ name, number }) => {
                made++;
                // A close that fails has closed; made again, it would close another's handle.
                if (name === "close" && number === k) open--;
              },
              count,
            );
            const error = await run(operation(dir, scenario)(watching)).catch((error) => error);
            const where = `${code} at call ${k}`;
            assertEquals(open, 0, `${where} left handles open`);
            if (made < k) break;
            assert(error instanceof UntornError, `${where}: ${error}`);
            failures++;
            assertEquals([error.code, error.operation], [code, "write"], where);
            assertEquals(error.target, join(dir, scenario.path ?? scenario.target));
            expect(dir, error.outcome, where);
          }
          assert(failures >= 5, `only ${failures} calls failed`);
        }
      }),
    );

    test(
      `${scenario.name}: a disk that fails for good leaves the old version or the new one (${form})`,
      inMemory(async (temp) => {
        const dir = join(temp, "dir");
        for (const code of ["ENOSPC", "EIO", "EROFS"]) {
          for (let k = 1;; k++) {
            reset(dir, scenario);
            let made = 0;
            const port = watched(failing(os(), code, k, Infinity), () => made++);
            const error = await run(operation(dir, scenario)(port)).catch((error) => error);
            if (made < k) break;
            assert(error instanceof UntornError, String(error));
            const wholes = error.outcome === "unknown"
              ? [NEW, scenario.before]
              : [error.outcome === "replaced" ? NEW : scenario.before];
            assert(wholes.includes(content(dir, scenario)), `${code} from call ${k}`);
            for (const path of leftovers(dir, scenario)) {
              if (path.endsWith(".tmp")) assert(error.message.includes(path), error.message);
            }
          }
        }
      }),
    );

    test(
      `${scenario.name}: a kill after any call leaves the old version or the new one (${form})`,
      inMemory(async (temp) => {
        const dir = join(temp, "dir");
        let kills = 0;
        for (let k = 1;; k++) {
          reset(dir, scenario);
          const killed = await killAfter(k, os(), operation(dir, scenario));
          assert([scenario.before, NEW].includes(content(dir, scenario)), `killed after call ${k}`);
          for (const path of leftovers(dir, scenario)) {
            assert(/(^|\/)\.file\.[0-9a-f]{12}\.tmp$/.test(path), path);
          }
          if (!killed) break;
          kills++;
        }
        assertEquals(content(dir, scenario), NEW);
        const least = scenario.name === "keep what is unchanged" ? 0 : 2;
        assert(kills >= least, `only ${kills} kills`);
      }),
    );
  }
}

const staged = ["lstat", "create", "write", "fstat"];
const made = ["openDir", "rename", "fsync", "close"];
const golden: [FileOptions, string[]][] = [
  [{ durability: "none" }, [...staged, "close", "rename"]],
  [{ durability: "none", mode: 0o640 }, [...staged, "chmod", "close", "rename"]],
  [{ durability: "file" }, [...staged, "fsync", "close", "rename"]],
  [{}, [...staged, "fsync", "close", ...made]],
  [{ mode: 0o640 }, [...staged, "chmod", "fsync", "close", ...made]],
  [{ ifChanged: true }, [...staged, "fsync", "close", ...made]],
];

for (const [options, calls] of golden) {
  test(
    `a replace with ${JSON.stringify(options)} makes just these calls, in this order`,
    inMemory((dir) => {
      const path = join(dir, "file");
      writeFileSync(path, OLD, { mode: 0o644 });
      assertEquals(
        trace((os) => writeFile(os, path, syncSource(NEW), fileSettings(options))),
        calls,
      );
    }),
  );
}

test(
  "new directories are synced before the file in them is put in place",
  inTemp((dir) => {
    const log: string[] = [];
    trace((os) => {
      const port = watched(os, ({ name, args }) => {
        const path = args.find((arg) => typeof arg === "string") as string | undefined;
        log.push(path === undefined ? name : `${name} ${path.slice(dir.length + 1)}`);
      });
      return writeFile(port, join(dir, "a/b/file"), syncSource(NEW), fileSettings({}));
    });
    const end = log.map((call) => call.replace(/\.file\.\w+\.tmp/, "TEMP")).slice(1);
    assertEquals(end, [
      "create a/b/TEMP",
      "mkdir a/b",
      "mkdir a",
      "mkdir a/b",
      "create a/b/TEMP",
      "write",
      "fsync a/b/TEMP",
      "close",
      "openDir ",
      "fsync ",
      "close",
      "openDir a",
      "fsync a",
      "close",
      "openDir a/b",
      "rename a/b/TEMP",
      "fsync a/b",
      "close",
    ]);
  }),
);

for (const { form, os, run } of drivers) {
  const call = (dir: string, port: Os, options?: FileOptions): Promise<unknown> =>
    run(writeFile(port, join(dir, "file"), syncSource(NEW), fileSettings(options)));

  test(
    `short writes are continued until all is written (${form})`,
    inTemp(async (dir) => {
      await call(dir, shortWrites(os(), 3));
      assertEquals(readFileSync(join(dir, "file"), "utf8"), NEW);
    }),
  );

  test(
    `a write that takes nothing is an error, not a loop (${form})`,
    inTemp(async (dir) => {
      const error = await assertRejects(() => call(dir, shortWrites(os(), 0)), UntornError);
      assertEquals([error.code, error.outcome], ["EIO", "unchanged"]);
      assertEquals(readdirSync(dir), []);
    }),
  );

  test(
    `a refused look at what is staged names it, though it was made by what is open (${form})`,
    inTemp(async (dir) => {
      writeFileSync(join(dir, "file"), OLD);
      const port = watched(os(), ({ name }) => {
        if (name === "fstat") throw new OsError("ERR_PERMISSION", name);
      });
      const error = await assertRejects(
        () => call(dir, port, { durability: "file" }),
        UntornError,
        `permission for "${join(dir, ".file.")}`,
      );
      assertEquals([error.code, error.outcome], ["ERR_PERMISSION", "unchanged"]);
      assertEquals(readdirSync(dir), ["file"]);
    }),
  );

  test(
    `a temporary name that is taken is another's: it stays (${form})`,
    inTemp(async (dir) => {
      let planted = 0;
      const port = watched(os(), ({ name, args }) => {
        if (name !== "create" || planted === 3) return;
        planted++;
        symlinkSync("nowhere", args[0] as string);
      });
      await call(dir, port);
      const names = readdirSync(dir);
      assertEquals([names.length, planted], [4, 3]);
      assert(!existsSync(join(dir, "nowhere")), "written through a planted link");
    }),
  );

  test(
    `directories that another removes meanwhile are made again (${form})`,
    inTemp(async (dir) => {
      let removed = 0;
      const port = watched(os(), ({ name }) => {
        if (name !== "create" || !existsSync(join(dir, "a")) || removed === 3) return;
        removed++;
        rmSync(join(dir, "a"), { recursive: true });
      });
      await run(writeFile(port, join(dir, "a/b/file"), syncSource(NEW), fileSettings({})));
      assertEquals([readFileSync(join(dir, "a/b/file"), "utf8"), removed], [NEW, 3]);
    }),
  );

  test(
    `directories made for a write that failed stay if another uses them (${form})`,
    inTemp(async (dir) => {
      const port = watched(os(), ({ name }) => {
        if (name !== "fsync") return;
        writeFileSync(join(dir, "a/other"), "");
        throw new OsError("EIO", name);
      });
      const steps = writeFile(port, join(dir, "a/b/file"), syncSource(NEW), fileSettings({}));
      await assertRejects(() => run(steps), UntornError);
      assertEquals(readdirSync(dir, { recursive: true }).sort(), ["a", "a/other"]);
    }),
  );

  test(
    `a rename that happened though it failed is "unknown", one that did not "unchanged" (${form})`,
    inTemp(async (dir) => {
      writeFileSync(join(dir, "file"), OLD);
      const lying = watched(os(), ({ name, args }) => {
        if (name !== "rename") return;
        renameSync(args[0] as string, args[1] as string);
        throw new OsError("ETIMEDOUT", name);
      });
      const error = await assertRejects(() => call(dir, lying), UntornError);
      assertEquals([error.code, error.outcome], ["ETIMEDOUT", "unknown"]);
      assertEquals(readdirSync(dir), ["file"]);
    }),
  );

  test(
    `a link that was made though the call failed counts as made (${form})`,
    inTemp(async (dir) => {
      const lying = watched(os(), ({ name, args }) => {
        if (name !== "link") return;
        linkSync(args[0] as string, args[1] as string);
        throw new OsError("EEXIST", name);
      });
      await call(dir, lying, { overwrite: false });
      assertEquals([readdirSync(dir), readFileSync(join(dir, "file"), "utf8")], [["file"], NEW]);
    }),
  );

  test(
    `a file system without hard links can't create without replacing, and says so (${form})`,
    inTemp(async (dir) => {
      const error = await assertRejects(
        () => call(dir, noCall(os(), "link", "EPERM"), { overwrite: false }),
        UntornError,
        "hard link",
      );
      assertEquals([error.code, error.outcome], ["ERR_UNSUPPORTED", "unchanged"]);
      assertEquals(readdirSync(dir), []);
    }),
  );

  test(
    `where a directory can't be synced, the result says "file" (${form})`,
    inTemp(async (dir) => {
      for (const code of ["EINVAL", "ENOTSUP"]) {
        let syncs = 0;
        const port = watched(os(), ({ name }) => {
          if (name === "fsync" && ++syncs === 2) throw new OsError(code, name);
        });
        assertEquals((await call(dir, port) as { durability: string }).durability, "file");
      }
      const error = await assertRejects(() => call(dir, noCall(os(), "fsync", "EINVAL")));
      assertEquals((error as UntornError).outcome, "unchanged");
    }),
  );
}

function noCall(os: Os, forbidden: keyof Os, code: string): Os {
  return watched(os, ({ name }) => {
    if (name === forbidden) throw new OsError(code, name);
  });
}
