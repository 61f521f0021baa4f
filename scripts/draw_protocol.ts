/**
 * Draws the states that an operation goes through, as the names beside its target, into
 * `docs/protocol.svg`: each as it was found on the model of a disk after a call, with the version that a
 * cleanup leads to if the process is killed there.
 *
 *     deno run -A scripts/draw_protocol.ts
 */

import { join } from "node:path";
import type { Os } from "../lib/os/port.ts";
import { runSync, type Steps } from "../lib/core/steps.ts";
import { clean, plant, tree, withoutTimes } from "../tests/crash/explore.ts";
import { bytesOf, copy, type Image, walk } from "../tests/crash/image.ts";
import { ModelDisk } from "../tests/crash/model_disk.ts";
import { deep, dirs, files, type Scenario } from "../tests/crash/scenarios.ts";
import { box, COLOURS, picture, text } from "./svg.ts";
import { main, project } from "./tools.ts";

/** What is drawn, and what the target is called in it. */
const DRAWN: [scenario: string, title: string][] = [
  ["a file is replaced", "A file"],
  ["a directory is exchanged", "A directory, by an exchange"],
  ["a directory is renamed twice", "A directory, by two renames"],
  ["a directory is persisted in place", "A directory, in place (journal)"],
  ["a transaction of files in directories", "A transaction"],
];

const WIDTH = 1120;
const LEFT = 78;
const [BOX, GAP, LINE] = [150, 60, 17] as const;
const COLUMNS = Math.floor((WIDTH - LEFT - 24 + GAP) / (BOX + GAP));

/** What the port calls by names of its own. */
const CALLS: Record<string, string> = {
  openLock: "create",
  createWhole: "create",
  removeTree: "delete",
};

/** A state: which version has which name, the call that led to it, and what a kill leads to. */
interface State {
  names: Map<string, keyof typeof COLOURS | undefined>;
  call: string;
  stands: keyof typeof COLOURS;
}

await main(async () => {
  const scenarios = [...files, ...dirs, deep];
  const parts: string[] = [];
  let y = 96;
  for (const [name, title] of DRAWN) {
    const states = statesOf(scenarios.find((scenario) => scenario.name === name)!);
    parts.push(text(24, y, title, "start", 15));
    y += 14;
    for (let at = 0; at < states.length; at += COLUMNS) {
      const row = states.slice(at, at + COLUMNS);
      parts.push(...row.flatMap((state, i) => draw(state, LEFT + i * (BOX + GAP), y)));
      y += heightOf(row) + 18;
    }
    y += 22;
  }
  const title =
    "The names on the disk, call by call, and what a cleanup leads to after a kill there";
  const entries = [["old", "the old version"], ["new", "the new version"]] as const;
  const legend = entries.flatMap(([key, label], i) => [
    box(24 + i * 150, 52, 12, 12, COLOURS[key]),
    text(42 + i * 150, 63, label, "start"),
  ]);
  const drawn = [text(24, 34, title, "start", 18), ...legend, ...parts];
  await Deno.writeTextFile(join(project, "docs/protocol.svg"), picture(WIDTH, y, drawn));
});

/** The different states of an operation, one after the other. */
function statesOf(scenario: Scenario): State[] {
  const disk = plant(scenario);
  const found = [{ call: "", image: copy(disk.image) }];
  const os = watched(disk.os, (call) => {
    const shown = (image: Image): string => JSON.stringify([...namesOf(image)]);
    if (shown(disk.image) !== shown(found.at(-1)!.image)) {
      found.push({ call, image: copy(disk.image) });
    }
  });
  runSync(scenario.change(os, "full"));
  const standing = (image: Image): string => withoutTimes(tree(image, scenario));
  const [before, after] = [standing(found[0]!.image), standing(disk.image)];
  return found.map(({ call, image }) => {
    const left = new ModelDisk(copy(image));
    clean(left.os, false);
    const now = standing(left.image);
    return {
      names: namesOf(image),
      call,
      stands: now === after ? "new" : now === before ? "old" : "lost",
    };
  });
}

/** A port that tells each call after it was made. */
function watched(os: Os, tell: (call: string) => void): Os {
  const watch = (name: string, call: (...args: unknown[]) => Steps<unknown>) =>
    function* (...args: unknown[]): Steps<unknown> {
      const answer = yield* call(...args);
      tell(name);
      return answer;
    };
  const calls = Object.entries(os).map(([name, call]) =>
    [name, watch(name, call as (...args: unknown[]) => Steps<unknown>)] as const
  );
  return Object.fromEntries(calls) as unknown as Os;
}

/** What is in the directory, by name: the version that a file says it is, of a directory its file `a`. */
function namesOf(image: Image): State["names"] {
  const names: State["names"] = new Map();
  for (const [path, , node] of walk(image)) {
    if (path === "/d") continue;
    // What is beside the directory is the lock of a transaction in it.
    if (!path.startsWith("/d/")) {
      names.set(`..${path}`, undefined);
      continue;
    }
    const [name, ...rest] = path.slice("/d/".length).replace(/[0-9a-f]{12}/, "‹hex›").split("/");
    const start = new TextDecoder().decode(bytesOf(node)).slice(0, 3);
    const version = start === "old" || start === "new" ? start : undefined;
    // What is deeper says nothing of the whole.
    if (rest.length === 0 || rest.join() === "a") names.set(name!, version ?? names.get(name!));
    else if (/^[fg]$/.test(rest.join())) {
      names.delete(name!);
      names.set(`${name}/${rest}`, version);
    }
  }
  return new Map([...names].sort(([one], [other]) => one < other ? -1 : 1));
}

function draw({ names, call, stands }: State, x: number, y: number): string[] {
  const height = heightOf([{ names }]);
  const parts = [
    box(x, y, BOX, height, "#f4f6f8"),
    box(x, y + height - 5, BOX, 5, COLOURS[stands]),
  ];
  for (const [i, [name, version]] of [...names].entries()) {
    if (version !== undefined) parts.push(box(x + 8, y + 10 + i * LINE, 8, 8, COLOURS[version]));
    parts.push(text(x + 22, y + 18 + i * LINE, name, "start", 12));
  }
  if (call === "") return parts;
  const [left, middle] = [x - GAP, y + 18];
  return [
    ...parts,
    text(left + GAP / 2, middle - 5, CALLS[call] ?? call, "middle", 11),
    `<path d="M${left + 4} ${middle}H${
      left + GAP - 5
    }m-5 -4l5 4l-5 4" fill="none" stroke="#1c2733"/>`,
  ];
}

function heightOf(states: Pick<State, "names">[]): number {
  return 16 + LINE * Math.max(...states.map(({ names }) => names.size)) + 5;
}
