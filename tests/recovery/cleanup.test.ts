/** What cleanup() and inspect() make of everything that may be in a directory. */

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cleanUp } from "../../lib/recovery/cleanup.ts";
import { cleanupSettings } from "../../lib/recovery/cleanup_options.ts";
import { syncSource } from "../../lib/stage/content.ts";
import { dirSettings } from "../../lib/dir/dir_options.ts";
import { OsError } from "../../lib/core/errors.ts";
import { siblingName } from "../../lib/core/names.ts";
import { systemCalls } from "../../lib/os/system.ts";
import { persist } from "../../lib/dir/persist_dir.ts";
import { runSync } from "../../lib/core/steps.ts";
import {
  atomicRemoveSync,
  atomicWriteSync,
  cleanup,
  type CleanupOptions,
  type CleanupReport,
  cleanupSync,
  inspect,
  inspectSync,
  lockSync,
  persistDirSync,
  UntornError,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../helpers/assert.ts";
import { mounted, noMount } from "../helpers/mount.ts";
import { killAfter, watched } from "../helpers/ports.ts";
import { inTemp } from "../helpers/temp.ts";

const forms = [
  { form: "async", clean: cleanup, look: inspect },
  {
    form: "sync",
    // deno-lint-ignore require-await
    clean: async (root: string, options?: CleanupOptions) => cleanupSync(root, options),
    // deno-lint-ignore require-await
    look: async (root: string, options?: CleanupOptions) => inspectSync(root, options),
  },
];

/** Everything below a directory, with kind, size, inode, times and links: `inspect` changes none. */
function snapshot(dir: string): string {
  const format = "%P %y %s %i %m %T@ %C@ %l\\0";
  const { stdout, status } = spawnSync("find", [dir, "-printf", format], { encoding: "latin1" });
  assertEquals(status, 0);
  return stdout.split("\0").sort().join("\n");
}

function makeDir(path: string, file?: string): void {
  mkdirSync(path);
  if (file !== undefined) writeFileSync(join(path, "version"), file);
}

/** A lock file of a process that has ended. */
function deadLock(path: string, target: string): void {
  writeFileSync(path, JSON.stringify({ untorn: 1, target, pid: 999_999 }) + "\n");
}

/** Everything a user may have that looks like a name of ours; returns its names. */
function plantLookAlikes(root: string): void {
  const at = (name: string): string => join(root, name);
  for (const name of ["notes.tmp", ".old-fashioned.md", ".staging-x", ".trash-0123456789ab"]) {
    writeFileSync(at(name), "a user's");
  }
  writeFileSync(at(".lock-notes.md"), "text");
  writeFileSync(at(".lock-zeros"), "\0".repeat(8192));
  writeFileSync(at(".history-y"), "a user's");
  writeFileSync(at(".f.0123456789a.tmp"), "eleven digits");
  writeFileSync(at(".f.0123456789AB.tmp"), "capitals");
  writeFileSync(at("y".repeat(255)), "a user's");
  for (const name of [".staging", ".trash", ".old-", "dir.tmp", ".d.0123456789ab.tmp"]) {
    makeDir(at(name), "a user's");
  }
  for (const name of [".trash-0123", ".lock-dir", ".history-z", ".txn-nothex"]) {
    makeDir(at(name), "a user's");
  }
  symlinkSync("..", at(".staging-link"));
  symlinkSync("/", at(".old-link"));
  symlinkSync("notes.tmp", at(".l.0123456789ab.tmp"));
  symlinkSync("nowhere", at(".lock-link"));
  // Names that are no UTF-8, which a runtime can't even spell.
  const made = spawnSync("sh", [
    "-c",
    `cd "$1" && mkdir "$(printf '.staging-\\377')" "$(printf '.old-\\377')" && ` +
    `touch "$(printf '.lock-\\377')" "$(printf '.\\377.0123456789ab.tmp')" "$(printf '\\376.tmp')"`,
    "sh",
    root,
  ]);
  assertEquals(made.status, 0);
}

const CONDITIONS = {
  target: ["absent", "complete"],
  staging: ["absent", "partial", "complete", "a file"],
  old: ["absent", "complete", "a file"],
  lock: ["absent", "dead", "empty", "NULs", "live", "a user's"],
} as const;

interface State {
  name: string;
  target: string;
  staging: string;
  old: string;
  lock: string;
}

/** Every combination of the names beside a directory, each with a target of its own. */
function* states(): Generator<State> {
  let number = 0;
  for (const target of CONDITIONS.target) {
    for (const staging of CONDITIONS.staging) {
      for (const old of CONDITIONS.old) {
        for (const lock of CONDITIONS.lock) {
          yield { name: `X${number++}`, target, staging, old, lock };
        }
      }
    }
  }
}

function plant(root: string, { name, target, staging, old, lock }: State): Disposable | undefined {
  const at = (prefix: string): string => join(root, prefix + name);
  if (target === "complete") makeDir(at(""), "present");
  if (staging === "partial") makeDir(at(".staging-"));
  if (staging === "complete") makeDir(at(".staging-"), "staged");
  if (staging === "a file") writeFileSync(at(".staging-"), "a user's");
  if (old === "complete") makeDir(at(".old-"), "before");
  if (old === "a file") writeFileSync(at(".old-"), "a user's");
  if (lock === "dead") deadLock(at(".lock-"), name);
  // A power cut was seen to leave the size of a line that was not written.
  if (lock === "NULs") writeFileSync(at(".lock-"), "\0".repeat(60));
  if (lock === "empty") writeFileSync(at(".lock-"), "");
  if (lock === "a user's") writeFileSync(at(".lock-"), "a user's");
  return lock === "live" ? lockSync(at("")) : undefined;
}

/** What must be there after a cleanup: each name with what it holds. */
function expected({ name, target, staging, old, lock }: State): Record<string, string> {
  const leftAlone = lock === "live" || lock === "a user's";
  const there: Record<string, string> = {};
  // A swap that came to its end has no staging directory: this one was cut off, and X made since then.
  const impostor = target === "complete" && old === "complete" &&
    (staging === "partial" || staging === "complete");
  if (impostor && !leftAlone) {
    there[name] = "before";
    there[`.corrupt-${name}`] = "present";
  } else if (target === "complete") there[name] = "present";
  else if (old === "complete" && !leftAlone) there[name] = "before";
  if (staging === "a file") there[`.staging-${name}`] = "a file";
  if (old === "a file") there[`.old-${name}`] = "a file";
  if (!leftAlone) return there;
  there[`.lock-${name}`] = "a file";
  if (staging === "partial") there[`.staging-${name}`] = "empty";
  if (staging === "complete") there[`.staging-${name}`] = "staged";
  if (old === "complete") there[`.old-${name}`] = "before";
  return there;
}

/** What there is of a target: each name with the version in it. */
function found(root: string, name: string): Record<string, string> {
  const there: Record<string, string> = {};
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    const known = entry.name.replace(/^(\.corrupt-.+)-[0-9a-f]{12}$/, "$1");
    if (known !== name && !known.endsWith(`-${name}`)) continue;
    const version = join(root, entry.name, "version");
    there[known] = entry.isFile()
      ? "a file"
      : existsSync(version)
      ? readFileSync(version, "utf8")
      : "empty";
  }
  return there;
}

/** A report without what differs between looking and acting: the names that versions were given. */
function comparable(report: CleanupReport): unknown {
  const item = (item: { reason: string }) => ({
    ...item,
    reason: item.reason.replace(/; see.*/, ""),
  });
  return Object.entries(report).map(([outcome, items]) => [outcome, items.map(item)]);
}

for (const { form, clean, look } of forms) {
  test(
    `each combination of the names beside 144 directories comes to one whole version (${form})`,
    inTemp(async (dir) => {
      const root = join(dir, "root");
      mkdirSync(root);
      plantLookAlikes(root);
      const lookAlikes = snapshot(root);
      const all = [...states()];
      const held = all.map((state) => plant(root, state));
      try {
        const before = snapshot(root);
        const told = await look(root);
        assertEquals(snapshot(root), before, "inspect changed something");
        const report = await clean(root);
        assertEquals(comparable(report), comparable(told));
        assertEquals(report.failed, []);
        for (const state of all) {
          assertEquals(found(root, state.name), expected(state), JSON.stringify(state));
        }
        const after = snapshot(root);
        const again = await clean(root);
        const { skipped, ...rest } = again;
        assertEquals(Object.values(rest).flat(), [], "the second cleanup found something");
        const setAside = ({ path }: { path: string }): boolean => path.includes("/.corrupt-");
        assertEquals(skipped.filter((item) => !setAside(item)), report.skipped);
        assertEquals(skipped.filter(setAside).length, report.quarantined.length);
        // Times of the root itself may change: locks were taken.
        const lines = (text: string): string[] =>
          text.split("\n").filter((line) => line[0] !== " ");
        assertEquals(lines(snapshot(root)), lines(after));
        for (const line of lines(lookAlikes)) assert(lines(after).includes(line), line);
      } finally {
        for (const lock of held) lock?.[Symbol.dispose]();
      }
      await clean(root);
      for (const state of all.filter(({ lock }) => lock === "live")) {
        assertEquals(found(root, state.name), expected({ ...state, lock: "dead" }), state.name);
      }
    }),
  );

  test(
    `validate decides which version stands, and nothing that may be good is removed (${form})`,
    inTemp(async (root) => {
      const expect: Record<string, Record<string, string>> = {};
      const plan: [target: string, staging: boolean, old: string, then: string][] = [
        ["none", false, "good", "X=good"],
        ["none", true, "good", "X=good"],
        ["none", false, "bad", "corrupt=bad"],
        ["none", true, "bad", "corrupt=bad corrupt=staged"],
        ["none", true, "none", ""],
        ["good", true, "none", "X=good"],
        ["good", false, "good", "X=good"],
        ["good", true, "good", "X=good corrupt=good"],
        ["good", false, "bad", "X=good corrupt=bad"],
        ["good", true, "bad", "X=good corrupt=bad"],
        ["bad", true, "none", "X=bad corrupt=staged"],
        ["bad", false, "good", "X=good corrupt=bad"],
        ["bad", true, "good", "X=good corrupt=bad"],
        ["bad", false, "bad", "X=bad corrupt=bad"],
        ["bad", true, "bad", "X=bad corrupt=bad corrupt=staged"],
      ];
      plan.forEach(([target, staging, old], i) => {
        if (target !== "none") makeDir(join(root, `X${i}`), target);
        if (staging) makeDir(join(root, `.staging-X${i}`), "staged");
        if (old !== "none") makeDir(join(root, `.old-X${i}`), old);
        expect[`X${i}`] = {};
      });
      const validate = (path: string): boolean => {
        const version = readFileSync(join(path, "version"), "utf8");
        if (version === "bad") throw new Error("a bad one");
        return version === "good";
      };
      const before = snapshot(root);
      const told = await look(root, { validate });
      assertEquals(snapshot(root), before, "inspect changed something");
      const report = await clean(root, { validate });
      assertEquals(comparable(report), comparable(told));
      assertEquals(report.failed, []);
      const quarantined = report.quarantined.map(({ reason }) => reason);
      assert(quarantined.some((reason) => reason.includes("a bad one")), quarantined.join());
      const names = readdirSync(root);
      plan.forEach(([, , , then], i) => {
        const there = names.map((name) => [name, name.replace(/^\.(corrupt)-(.+)-\w{12}$/, "$2")])
          .filter(([, of]) => of === `X${i}`)
          .map(([name]) => {
            const version = readFileSync(join(root, name!, "version"), "utf8");
            return `${name!.startsWith(".corrupt") ? "corrupt" : "X"}=${version}`;
          });
        assertEquals(there.sort().join(" "), then, `${plan[i]}`);
      });
      const again = await clean(root, { validate });
      assertEquals([again.quarantined, again.restored, again.removed], [[], [], []]);
      assertEquals(again.skipped.length, report.quarantined.length);
    }),
  );

  test(
    `staged files are removed when they are old enough, and *.tmp with legacyTmp only (${form})`,
    inTemp(async (root) => {
      const staged = ".notes.md.0123456789ab.tmp";
      writeFileSync(join(root, staged), "half");
      writeFileSync(join(root, "own.tmp"), "own");
      // The time of modification may be set at will; that of the inode can't.
      utimesSync(join(root, staged), 1000, 1000);
      const { removed, skipped } = await clean(root);
      assertEquals([removed, skipped.map(({ path }) => path)], [[], [join(root, staged)]]);
      assertEquals(skipped[0]!.target, join(root, "notes.md"));
      assertEquals((await clean(root, { minAge: 0, claimedOnly: true })).removed, []);
      const second = await clean(root, { minAge: 0 });
      assertEquals(second.removed.map(({ path }) => path), [join(root, staged)]);
      assertEquals(readdirSync(root), ["own.tmp"]);
      await clean(root, { legacyTmp: true });
      assertEquals(readdirSync(root), ["own.tmp"]);
      await clean(root, { legacyTmp: true, minAge: 0 });
      assertEquals(readdirSync(root), []);
    }),
  );

  test(
    `trash is deleted, unless a process is at it (${form})`,
    inTemp(async (root) => {
      const [live, dead] = [join(root, ".trash-aaaaaaaaaaaa"), join(root, ".trash-bbbbbbbbbbbb")];
      makeDir(live, "1");
      makeDir(dead, "2");
      const os = systemCalls().sync;
      const open = runSync(os.openDir(live))!;
      const claimed = runSync(os.canLock()) && runSync(os.tryLock(open));
      try {
        const { removed, skipped } = await clean(root);
        assertEquals([claimed, removed.map(({ path }) => path)], [true, [dead]]);
        assertEquals(skipped.map(({ path }) => path), [live]);
      } finally {
        runSync(os.close(open));
      }
      assertEquals((await clean(root, { claimedOnly: true })).removed, []);
      await clean(root);
      assertEquals(readdirSync(root), []);
    }),
  );

  test(
    `claimedOnly leaves alone what has no lock file beside it (${form})`,
    inTemp(async (root) => {
      for (const name of ["a", "b"]) makeDir(join(root, `.old-${name}`), name);
      makeDir(join(root, ".staging-c"));
      deadLock(join(root, ".lock-a"), "a");
      const report = await clean(root, { claimedOnly: true });
      assertEquals(readdirSync(root).sort(), [".old-b", ".staging-c", "a"]);
      const claimed = [...report.restored, ...report.removed].map(({ claimed }) => claimed);
      assertEquals([claimed, report.skipped.length], [[true, true], 2]);
      const { restored, removed } = await clean(root);
      assertEquals([...restored, ...removed].map(({ claimed }) => claimed), [false, false]);
      assertEquals(readdirSync(root).sort(), ["a", "b"]);
    }),
  );

  test(
    `recursive goes into directories, but not through links or into what is set aside (${form})`,
    inTemp(async (dir) => {
      const root = join(dir, "root");
      const outside = join(dir, "outside");
      for (
        const path of ["root/a/b", "root/.history-a/1", "root/.corrupt-a-0123456789ab", "outside"]
      ) {
        mkdirSync(join(dir, path), { recursive: true });
        makeDir(join(dir, path, ".old-x"), "x");
      }
      symlinkSync(outside, join(root, "link"));
      assertEquals((await clean(root)).restored, []);
      const seen: string[] = [];
      const { restored, skipped } = await clean(root, {
        recursive: true,
        onProgress: ({ path, directories }) => {
          seen.push(path);
          assertEquals(directories, seen.length);
        },
      });
      assertEquals(restored.map(({ target }) => target), [join(root, "a/b/x")]);
      assertEquals(seen, ["", "/a", "/a/b", "/a/b/x"].map((path) => root + path));
      assertEquals(skipped.map(({ path }) => path), [join(root, ".corrupt-a-0123456789ab")]);
      assertEquals(readdirSync(outside), [".old-x"]);
    }),
  );

  test(
    `a root that is missing, no directory or no path (${form})`,
    inTemp(async (dir) => {
      const missing = join(dir, "missing");
      assertEquals(Object.values(await clean(missing)).flat(), []);
      assertEquals(Object.values(await look(missing)).flat(), []);
      await assertRejects(() => clean(missing, { mustExist: true }), Error, "ENOENT");
      const file = join(dir, "file");
      writeFileSync(file, "");
      await assertRejects(() => clean(file), Error, "ENOTDIR");
      await assertRejects(async () => await clean(""), TypeError);
      const wrong = { recursve: true } as CleanupOptions;
      await assertRejects(async () => await clean(dir, wrong), TypeError, "recursve");
      await assertRejects(async () => await look(dir, { minAge: -1 }), RangeError, "minAge");
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      assertEquals(await clean(dir, { signal }).catch((error) => error), reason);
    }),
  );

  test(
    `validate must answer; in the synchronous form at once (${form})`,
    inTemp(async (root) => {
      makeDir(join(root, ".old-x"), "x");
      const forgets = (() => {}) as unknown as () => boolean;
      await assertRejects(
        async () => await clean(root, { validate: forgets }),
        TypeError,
        "validate",
      );
      assertEquals(readdirSync(root).filter((name) => !name.startsWith(".lock")), [".old-x"]);
      const later = () => Promise.resolve(true);
      if (form === "sync") {
        await assertRejects(async () => await clean(root, { validate: later }), TypeError);
      } else assertEquals((await clean(root, { validate: later })).restored.length, 1);
    }),
  );
}

test(
  "a failure at one target is reported, and stops no other",
  inTemp((root) => {
    for (const name of ["a", "b", "c"]) makeDir(join(root, `.old-${name}`), name);
    deadLock(join(root, ".lock-b"), "b");
    makeDir(join(root, "sub"));
    makeDir(join(root, "sub/.staging-d"));
    const os = watched(systemCalls().sync, ({ name, args }) => {
      if (name === "rename" && String(args[0]).endsWith(".old-b")) {
        throw new OsError("EIO", name, String(args[0]));
      }
      if (name === "readdir" && String(args[0]).endsWith("sub")) {
        throw new OsError("EACCES", name, String(args[0]));
      }
    });
    const report = runSync(cleanUp(os, root, cleanupSettings({ recursive: true }), true));
    assertEquals(report.restored.map(({ target }) => target), [join(root, "a"), join(root, "c")]);
    assertEquals(report.failed.map(({ path }) => path), [join(root, ".old-b"), join(root, "sub")]);
    assert(report.failed.every(({ reason }) => /\((EIO|EACCES)\)/.test(reason)));
    // What could not be done stays claimed, and is done the next time.
    assert(existsSync(join(root, ".lock-b")));
    const second = cleanupSync(root, { recursive: true });
    assertEquals(second.restored.map(({ claimed }) => claimed), [true]);
    assertEquals(readdirSync(root).sort(), ["a", "b", "c", "sub"]);
  }),
);

test(
  "a file or a link in the place of a directory keeps what is beside it",
  inTemp((root) => {
    for (const name of ["a", "b"]) {
      makeDir(join(root, `.old-${name}`), name);
      makeDir(join(root, `.staging-${name}`), name);
    }
    writeFileSync(join(root, "a"), "a user's");
    symlinkSync("nowhere", join(root, "b"));
    const before = readdirSync(root);
    const { skipped } = cleanupSync(root);
    assertEquals([skipped.length, readdirSync(root)], [4, before]);
  }),
);

for (const name of ["x".repeat(255), "é".repeat(125) + "x", "日".repeat(82) + "a"]) {
  const bytes = new TextEncoder().encode(name).length;
  test(
    `a name of ${bytes} bytes is found again by its shortened siblings (${name[0]})`,
    inTemp(async (dir) => {
      const settings = dirSettings({ swap: "rename", durability: "none" });
      const restored: string[] = [];
      for (let k = 1, killed = true; killed; k++) {
        const root = join(dir, `${k}`);
        mkdirSync(root);
        makeDir(join(root, name), "1");
        const entries = [["version", "2"] as const].values();
        const { sync } = systemCalls();
        killed = await killAfter(
          k,
          sync,
          (os) => persist(os, join(root, name), entries, syncSource, settings),
        );
        const report = cleanupSync(root, { minAge: 0 });
        restored.push(...report.restored.map(({ target }) => target!));
        assertEquals([readdirSync(root), report.skipped, report.failed], [[name], [], []], `${k}`);
        assert(["1", "2"].includes(readFileSync(join(root, name, "version"), "utf8")));
      }
      assert(restored.length > 0 && restored.every((path) => path.endsWith("/" + name)));
    }),
  );
}

test(
  "a lock file that a power cut left without its line is no obstacle",
  inTemp((root) => {
    const x = join(root, "X");
    for (const text of ["", "\0", "\0".repeat(60), '{"untorn":1,"tar\0\0\0']) {
      writeFileSync(join(root, ".lock-X"), text);
      persistDirSync(x, { version: "1" });
      assertEquals(readdirSync(root), ["X"], JSON.stringify(text));
    }
  }),
);

test(
  "a directory that was made between the two renames of a swap does not replace the previous version",
  inTemp((root) => {
    for (const name of ["X", "Y"]) {
      makeDir(join(root, `.old-${name}`), "precious");
      makeDir(join(root, `.staging-${name}`), "half");
      // As `mkdir -p` of a program that starts again, or a write into it.
      atomicWriteSync(join(root, name, "started"), "now");
    }
    cleanupSync(root);
    const { warnings } = persistDirSync(join(root, "Y"), { more: "1" });
    for (const name of ["X", "Y"]) {
      assertEquals(readFileSync(join(root, name, "version"), "utf8"), "precious");
      const aside = readdirSync(root).find((entry) => entry.startsWith(`.corrupt-${name}`))!;
      assertEquals(readdirSync(join(root, aside)), ["started"]);
    }
    // Y was cleaned up with X; the persist of another tells it itself.
    makeDir(join(root, ".old-Z"), "precious");
    makeDir(join(root, ".staging-Z"), "half");
    makeDir(join(root, "Z"), "made");
    const second = persistDirSync(join(root, "Z"), { more: "1" });
    assertEquals([warnings.length, second.warnings.length], [0, 1]);
    assert(second.warnings[0]!.includes("was quarantined"), second.warnings[0]);
  }),
);

test(
  "no name means the root itself or the directory above it",
  inTemp((dir) => {
    const root = join(dir, "root");
    mkdirSync(root);
    for (const name of [".old-.", ".old-..", ".staging-..", ".staging-."]) {
      makeDir(join(root, name), "a user's");
    }
    writeFileSync(join(root, ".lock-.."), "");
    const before = snapshot(dir);
    const asked: string[] = [];
    const validate = (path: string): boolean => asked.push(path) > 0;
    cleanupSync(root, { validate, minAge: 0 });
    assertEquals([asked, snapshot(dir)], [[], before]);
  }),
);

test(
  "on a full disk, cleaning up works without a line in the lock file",
  inTemp((root) => {
    makeDir(join(root, ".staging-X"), "large");
    const os = watched(systemCalls().sync, ({ name }) => {
      if (name === "write") throw new OsError("ENOSPC", name);
    });
    const { removed, failed } = runSync(cleanUp(os, root, cleanupSettings({}), true));
    assertEquals([removed.length, failed, readdirSync(root)], [1, [], []]);
  }),
);

test(
  "a directory that becomes a link meanwhile is not gone into",
  inTemp((dir) => {
    for (const path of ["root/a", "outside/.staging-z"]) {
      mkdirSync(join(dir, path), { recursive: true });
    }
    const root = join(dir, "root");
    cleanupSync(root, {
      recursive: true,
      onProgress: ({ path }) => {
        if (path !== root) return;
        rmdirSync(join(root, "a"));
        symlinkSync("../outside", join(root, "a"));
      },
    });
    assertEquals(readdirSync(join(dir, "outside")), [".staging-z"]);
  }),
);

test(
  "a lock file that can't be read hinders nothing else",
  inTemp((root) => {
    const long = siblingName("lock", "L".repeat(250));
    writeFileSync(join(root, long), "");
    makeDir(join(root, ".staging-ok"));
    const os = watched(systemCalls().sync, ({ name, args }) => {
      if (name === "open" && String(args[0]).endsWith(long)) {
        throw new OsError("EACCES", name, long);
      }
    });
    const report = runSync(cleanUp(os, root, cleanupSettings({}), true));
    assertEquals([report.removed.length, report.skipped.length, readdirSync(root)], [1, 1, [long]]);
  }),
);

test(
  "a cleanup that fails claims nothing that was not claimed before",
  inTemp((root) => {
    makeDir(join(root, ".old-x"), "x");
    const later = () => Promise.resolve(true);
    assertThrows(() => cleanupSync(root, { validate: later }), TypeError);
    assertEquals(readdirSync(root), [".old-x"]);
  }),
);

test(
  "a claimed leftover that is kept keeps its claim",
  inTemp((root) => {
    makeDir(join(root, ".staging-x"));
    writeFileSync(join(root, "x"), "a file");
    deadLock(join(root, ".lock-x"), "x");
    for (let i = 0; i < 2; i++) {
      const { skipped, removed } = cleanupSync(root);
      assertEquals([skipped.map(({ claimed }) => claimed), removed], [[true], []]);
    }
    assertEquals(readdirSync(root).sort(), [".lock-x", ".staging-x", "x"]);
  }),
);

test(
  "recursive goes into what was restored, too, and reports a name that it can't go into",
  inTemp((root) => {
    mkdirSync(join(root, ".old-x/.staging-y"), { recursive: true });
    assertEquals(spawnSync("sh", ["-c", 'mkdir "$1/$(printf "sub\\376")"', "sh", root]).status, 0);
    const { removed, failed } = cleanupSync(root, { recursive: true });
    assertEquals(removed.map(({ path }) => path), [join(root, "x/.staging-y")]);
    assertEquals(failed.map(({ reason }) => reason), ["its name is not UTF-8; rename it"]);
  }),
);

test(
  "a file system that is mounted in what is removed is not emptied",
  { skip: noMount },
  inTemp(async (root) => {
    for (const path of [".trash-0123456789ab", ".staging-q/m", "X/m"]) {
      await mounted(join(root, path), () => {
        writeFileSync(join(root, path, "file"), "text");
        const { failed } = cleanupSync(root);
        assertEquals(failed.length, path.startsWith(".") ? 1 : 0);
        const error = path.startsWith(".") ? undefined : assertThrows(
          () => atomicRemoveSync(join(root, "X")),
          UntornError,
          "mount point",
        );
        assertEquals(error?.outcome, path.startsWith(".") ? undefined : "unchanged");
        const found = spawnSync("find", [root, "-name", "file"], { encoding: "utf8" }).stdout;
        assertEquals(found.trim().split("\n").length, 1);
        assert(found.includes("/file"), "the file is gone");
      });
    }
  }),
);

test("options are checked before anything is touched", () => {
  assertThrows(() => cleanupSync(".", { validate: 1 as never }), TypeError, "validate");
});
