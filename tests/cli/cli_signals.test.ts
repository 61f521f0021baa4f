/** A signal at any moment of any command that changes something: nothing is left, and nothing is half. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assert, assertEquals } from "../helpers/assert.ts";
import { programCommand, runtime, start } from "../helpers/runtime.ts";
import { ELSEWHERE, isMine } from "../helpers/share.ts";
import { inTemp } from "../helpers/temp.ts";

/** How long a command takes to its end, or somewhat more, in ms. */
const LONGEST = { deno: 150, bun: 80, node: 250 }[runtime];

interface Case {
  name: string;
  args: string[];
  /** What may be found afterwards: all the old, or all the new. */
  states: string[][];
}

const pages = ["a", "b", "c"];
const plan = { root: ".", steps: pages.map((page) => ({ write: `site/${page}`, content: "new" })) };

const cases: Case[] = [
  {
    name: "persist --from",
    args: ["persist", "site", "--from", "src"],
    states: [["old", "old", "old"], ["new", "new", "new"]],
  },
  {
    name: "persist -- COMMAND",
    args: ["persist", "site", "--", "sh", "-c", "cp src/* {}; sleep 0.03"],
    states: [["old", "old", "old"], ["new", "new", "new"]],
  },
  {
    name: "persist --swap journal",
    args: ["persist", "site", "--swap", "journal", "--from", "src"],
    states: [["old", "old", "old"], ["new", "new", "new"]],
  },
  {
    name: "apply",
    args: ["apply", "plan.json"],
    states: [["old", "old", "old"], ["new", "new", "new"]],
  },
  { name: "remove", args: ["remove", "site"], states: [["old", "old", "old"], []] },
  {
    name: "write -- COMMAND",
    args: ["write", "site/a", "--", "sh", "-c", "printf n; sleep 0.03; printf ew"],
    states: [["old", "old", "old"], ["new", "old", "old"]],
  },
];

/** How often each is tried. */
const COUNT = 30;

for (const [number, { name, args, states }] of cases.entries()) {
  test(
    `SIGINT or SIGTERM at any moment of untorn ${name} leaves nothing, and all or nothing done`,
    {
      skip: process.platform === "win32"
        ? "Windows has no such signals"
        : !isMine(number) && ELSEWHERE,
    },
    inTemp(async (root) => {
      const ends = await Promise.all([0, 1].map((half) => trial(half)));
      // Some must have come in time, or nothing was tried.
      assert(ends.flat().includes("signal"), `${ends.flat()}`);

      async function trial(half: number): Promise<string[]> {
        const ends: string[] = [];
        for (let i = half; i < COUNT; i += 2) {
          const signal = i % 4 < 2 ? "SIGINT" : "SIGTERM";
          const dir = join(root, `${i}`);
          prepare(dir);
          const { child, ended } = start(programCommand("cli.ts", args), { cwd: dir });
          child.stdin!.end();
          await new Promise((resolve) => setTimeout(resolve, LONGEST * i / COUNT));
          child.kill(signal);
          const { code, signal: by, stderr } = await ended;
          ends.push(by === null ? "done" : "signal");
          assert(by === signal || code === 0, `${code} ${by}: ${stderr}`);
          const left = readdirSync(dir, { recursive: true }) as string[];
          assertEquals(left.filter((path) => /(^|[/\\])\./.test(path)), [], `${signal} ${i}`);
          const found = pages.filter((page) => left.includes(join("site", page)))
            .map((page) => readFileSync(join(dir, "site", page), "utf8"));
          const wanted = states.map((state) => state.join());
          assert(wanted.includes(found.join()), `${signal} ${i}: ${found}`);
        }
        return ends;
      }
    }),
  );
}

function prepare(dir: string): void {
  mkdirSync(dir);
  for (const [name, text] of [["site", "old"], ["src", "new"]]) {
    mkdirSync(join(dir, name!));
    for (const page of pages) writeFileSync(join(dir, name!, page), text!);
  }
  writeFileSync(join(dir, "plan.json"), JSON.stringify(plan));
}
