/** `untorn apply`, as a user runs it: what a plan does, and how a faulty one is refused. */

import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parsePlan } from "../../lib/cli/commands/plan.ts";
import { lockSync } from "../../mod.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../helpers/assert.ts";
import { type Ended, hidden, programCommand, run, start, until } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

/** Node says on standard error that its FFI is experimental. */
async function apply(cwd: string, args: string[], stdin = ""): Promise<Ended> {
  const ended = await run(programCommand("cli.ts", ["apply", ...args]), stdin, { cwd });
  const lines = ended.stderr.split("\n").filter((line) => !/FFI is an exp|--trace-w/.test(line));
  return { ...ended, stderr: lines.join("\n") };
}

const all = (dir: string): string[] => (readdirSync(dir, { recursive: true }) as string[]).sort();

function plant(dir: string): void {
  mkdirSync(join(dir, "root/old/sub"), { recursive: true });
  mkdirSync(join(dir, "root/site"));
  mkdirSync(join(dir, "src/sub"), { recursive: true });
  for (const path of ["root/a", "root/draft", "root/site/own", "src/index", "src/sub/page"]) {
    writeFileSync(join(dir, path), path);
  }
}

const STEPS = [
  { write: "a", content: "new", mode: "600" },
  { write: "deep/b", from: "src/index" },
  { persist: "site", from: "src" },
  { remove: "old" },
  { rename: "draft", to: "final" },
];

test(
  "untorn apply makes all changes of a plan; --dry-run, -v and --json report them",
  inTemp(async (dir) => {
    plant(dir);
    writeFileSync(join(dir, "plan.json"), JSON.stringify({ root: "root", steps: STEPS }));
    const before = all(dir);
    const dry = await apply(dir, ["plan.json", "--dry-run", "-v"]);
    assertEquals(dry, {
      ...dry,
      code: 0,
      stdout: "",
      stderr: 'untorn: would make 5 changes in "root"\n',
    });
    assertEquals(all(dir), before);
    const { code, stdout, stderr } = await apply(dir, ["plan.json", "--json"]);
    assertEquals([code, stderr], [0, ""]);
    const { changes, durability, warnings } = JSON.parse(stdout);
    assertEquals([durability, warnings], ["full", []]);
    assertEquals(changes.map((change: { do: string }) => change.do), [
      "write",
      "write",
      "persist",
      "remove",
      "rename",
    ]);
    assertEquals(all(join(dir, "root")), [
      "a",
      "deep",
      "deep/b",
      "final",
      "site",
      "site/index",
      "site/own",
      "site/sub",
      "site/sub/page",
    ]);
    assertEquals(statSync(join(dir, "root/a")).mode & 0o777, 0o600);
    assertEquals(readFileSync(join(dir, "root/deep/b"), "utf8"), "src/index");
    // Paths of a plan are those of its directory; without one, of the working directory.
    const again = JSON.stringify({ root: "root", steps: [{ rename: "final", to: "draft" }] });
    const verbose = await apply(dir, ["-", "-v"], again);
    assertMatch(
      verbose.stderr,
      /rename "final" to "draft"\nuntorn: made 1 change in "root" \(durability full/,
    );
    mkdirSync(join(dir, "elsewhere"));
    const above = await apply(join(dir, "elsewhere"), ["../plan.json"]);
    assertMatch(above.stderr, /^$/);
    assertEquals(readdirSync(dir).sort(), ["elsewhere", "plan.json", "root", "src"]);
  }),
);

test(
  "untorn apply refuses what is wrong with the path of the field, and changes nothing",
  inTemp(async (dir) => {
    plant(dir);
    symlinkSync("../src", join(dir, "root/out"));
    const before = all(dir);
    const first = { write: "a", content: "changed" };
    const refused: [string | object[], number, RegExp][] = [
      ["{", 2, /^untorn: the plan is not valid JSON: /],
      [[{ write: "../x", content: "" }], 2, /^untorn: steps\[0\]: "..\/x" is outside "root"/],
      [[{ write: "out/x", content: "" }], 1, /out\/x" is outside .* through a link; the old/],
      [
        [first, { remove: "./a" }],
        2,
        /^untorn: steps\[1\]: ".\/a", or a path above or below it, is already changed/,
      ],
      [[first, { rename: "draft" }], 2, /^untorn: steps\[1\]\.to is missing/],
      [[first, { write: "b", from: "missing" }], 1, /ENOENT.*; the old version is unchanged/],
      [[first, { persist: "site", from: "root" }], 2, /^untorn: steps\[1\]: DIR is inside SRC/],
      [[first, { persist: "site", from: "src/index" }], 2, /steps\[1\]: SRC .* not a directory/],
      [[first, { rename: "missing", to: "b" }], 1, /ENOENT/],
    ];
    for (const [steps, code, words] of refused) {
      const plan = typeof steps === "string" ? steps : JSON.stringify({ root: "root", steps });
      const ended = await apply(dir, ["-"], plan);
      assertMatch(ended.stderr, words);
      assertEquals([ended.code, all(dir)], [code, before], ended.stderr);
      assertEquals(readFileSync(join(dir, "root/a"), "utf8"), "root/a");
    }
    const held = lockSync(join(dir, "root"));
    try {
      const plan = JSON.stringify({ root: "root", steps: STEPS });
      const { code, stderr } = await apply(dir, ["-", "--wait", "0"], plan);
      assertEquals(code, 4);
      assertMatch(stderr, /holds its lock/);
    } finally {
      held.release();
    }
    assertEquals((await apply(dir, [])).code, 2);
    assertEquals((await apply(dir, ["missing.json"])).code, 1);
  }),
);

test(
  "untorn apply ends by the signal that it is sent, and leaves nothing",
  { skip: process.platform === "win32" ? "Windows has no such signals" : false },
  inTemp(async (dir) => {
    plant(dir);
    spawnSync("mkfifo", [join(dir, "pipe")]);
    const before = all(dir);
    const steps = [{ write: "a", content: "changed" }, { write: "b", from: "pipe" }];
    writeFileSync(join(dir, "plan.json"), JSON.stringify({ root: "root", steps }));
    // One waits for the plan, the other for what it copies.
    for (const plan of ["-", "plan.json"]) {
      const { child, ended } = start(programCommand("cli.ts", ["apply", plan]), { cwd: dir });
      const isStaging = (): boolean => hidden(join(dir, "root")).length > 0;
      const writer = plan === "-" ? undefined : openSync(join(dir, "pipe"), "r+");
      try {
        if (plan === "-") await new Promise((resolve) => setTimeout(resolve, 500));
        else await until(isStaging);
        child.kill("SIGTERM");
        const { signal } = await ended;
        assertEquals(signal, "SIGTERM");
      } finally {
        if (writer !== undefined) closeSync(writer);
      }
      assertEquals(all(dir).filter((path) => path !== "plan.json"), before);
      assertEquals(readFileSync(join(dir, "root/a"), "utf8"), "root/a");
    }
  }),
);

const PLANS: [unknown, string][] = [
  [{ root: ".", steps: [] }, ""],
  [{ root: ".", steps: STEPS }, ""],
  [{ root: ".", steps: [{ persist: "d", from: "s", carryOver: false, writeOnce: ["x"] }] }, ""],
  [[], "the plan"],
  [{ steps: [] }, "root"],
  [{ root: "", steps: [] }, "root"],
  [{ root: 1, steps: [] }, "root"],
  [{ root: "." }, "steps"],
  [{ root: ".", steps: {} }, "steps"],
  [{ root: ".", steps: [], more: 1 }, "more"],
  [{ root: ".", steps: [null] }, "steps[0]"],
  [{ root: ".", steps: [{}] }, "steps[0]"],
  [{ root: ".", steps: [{ write: "a", remove: "b" }] }, "steps[0]"],
  [{ root: ".", steps: [{ write: "a" }] }, "steps[0]"],
  [{ root: ".", steps: [{ write: "a", content: "", from: "b" }] }, "steps[0]"],
  [{ root: ".", steps: [{ write: "", content: "" }] }, "steps[0].write"],
  [{ root: ".", steps: [{ write: "a", content: 1 }] }, "steps[0].content"],
  [{ root: ".", steps: [{ write: "a", from: "" }] }, "steps[0].from"],
  [{ root: ".", steps: [{ write: "a", content: "", mode: 600 }] }, "steps[0].mode"],
  [{ root: ".", steps: [{ write: "a", content: "", mode: "9" }] }, "steps[0].mode"],
  [{ root: ".", steps: [{ write: "a", content: "", moed: "600" }] }, "steps[0].moed"],
  [{ root: ".", steps: [STEPS[0], { persist: "a" }] }, "steps[1].from"],
  [{ root: ".", steps: [{ persist: "a", from: "b", carryOver: 1 }] }, "steps[0].carryOver"],
  [{ root: ".", steps: [{ persist: "a", from: "b", writeOnce: [1] }] }, "steps[0].writeOnce"],
  [{ root: ".", steps: [{ remove: 1 }] }, "steps[0].remove"],
  [{ root: ".", steps: [{ remove: "a", to: "b" }] }, "steps[0].to"],
  [{ root: ".", steps: [{ rename: "a" }] }, "steps[0].to"],
  [{ root: ".", steps: [{ rename: "a", to: null }] }, "steps[0].to"],
];

test("plans are checked as the published schema says, with the path of what is wrong", () => {
  const schema = JSON.parse(
    readFileSync(new URL("../../docs/plan.schema.json", import.meta.url), "utf8"),
  );
  const ajv = new Ajv2020({ strict: true, strictTypes: false });
  const isValid = ajv.compile(schema);
  for (const [plan, fault] of PLANS) {
    const text = JSON.stringify(plan);
    assertEquals(isValid(plan), fault === "", `the schema on ${text}`);
    if (fault === "") assertEquals(parsePlan(text), plan as never);
    else {
      const { message } = assertThrows(() => parsePlan(text), Error);
      assert(message.startsWith(`${fault} `), `${text}: ${message}`);
    }
  }
});
