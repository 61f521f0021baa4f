/**
 * Runs the tests of this folder on a GlusterFS volume, which is made for it and taken down with it: see README.md
 * beside this file.
 *
 *     deno run -A tests/cluster/run.ts [--runtime deno|bun|node] [--cost] [PART OF A FILE NAME]...
 */

import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measure } from "../../bench/child.ts";
import type { Cell } from "../../bench/measure.ts";
import { shown } from "../../bench/report.ts";
import {
  ensureDependencies,
  Failure,
  main,
  programs,
  run,
  type Runtime,
} from "../../scripts/tools.ts";
import { on, start } from "./volume.ts";

const PACKAGES = ["glusterfs-server", "glusterfs-client", "iproute2", "procps", "strace"];

/** So long may a test take, in ms. */
const LIMIT = 10 * 60_000;

/** So long is each comparison measured, in ms. */
const BUDGET = 5000;

await main(async () => {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    options: {
      runtime: { type: "string", default: "deno" },
      cost: { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
  const runtime = values.runtime as Runtime;
  if (programs[runtime] === undefined) throw new Failure("--runtime takes deno, bun or node");
  if (Deno.env.has("UNTORN_CLUSTER")) return await inside(runtime, values.cost, positionals);
  await prepare();
  const base = await Deno.makeTempDir({ prefix: "untorn-cluster-" });
  try {
    // All processes, mounts and addresses are those of namespaces that end with the first process in them.
    const apart = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];
    const self = [Deno.execPath(), "run", "-A", fileURLToPath(import.meta.url), ...Deno.args];
    // A shell, since the first process has to wait for all whose parents have ended.
    const shell = ["sh", "-c", 'mount --make-rprivate / && "$@"; exit $?', "sh", ...self];
    const child = new Deno.Command("unshare", {
      args: [...apart, ...shell],
      env: { UNTORN_CLUSTER: base },
      stdin: "null",
    }).spawn();
    // unshare(1) heeds no other signal while it waits; all that is in the namespaces ends with it.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      Deno.addSignalListener(signal, () => child.kill("SIGKILL"));
    }
    const { success, code } = await child.status;
    if (!success) throw new Failure(`the tests ended with exit code ${code}`);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});

/** Looks for what it takes, and installs the packages that are missing. */
async function prepare(): Promise<void> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) throw new Failure("it takes Linux, and root");
  try {
    await Deno.stat("/dev/fuse");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Failure("it takes FUSE: there is no /dev/fuse");
  }
  await ensureDependencies();
  for (const program of ["glusterd", "glusterfs", "ip", "pgrep", "strace"]) {
    const { problem } = await run(["sh", "-c", `command -v ${program} > /dev/null`]);
    if (problem === "") continue;
    const install = `apt-get update -qq && apt-get install -qq -y ${PACKAGES.join(" ")}`;
    const { problem: failed } = await run(["sh", "-c", install], {
      env: { DEBIAN_FRONTEND: "noninteractive" },
    });
    if (failed !== "") throw new Failure(`${install}: ${failed}`);
    return;
  }
}

/** In the namespaces: starts the volume, and runs the tests. */
async function inside(runtime: Runtime, isCost: boolean, parts: string[]): Promise<void> {
  await start();
  if (isCost) return await printCost(runtime);
  const folder = fileURLToPath(new URL(".", import.meta.url));
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => name.endsWith(".test.ts"))
    .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part))).sort();
  if (files.length === 0) throw new Failure("no test file has such a name");
  const paths = files.map((name) => `./${join("tests", basename(folder), name)}`);
  const flags = {
    deno: ["test", "-A", "--no-prompt"],
    bun: ["test", `--timeout=${LIMIT}`],
    node: ["--test"],
  };
  const { problem } = await run([programs[runtime], ...flags[runtime], ...paths]);
  if (problem !== "") throw new Failure(problem);
}

/** Prints what writes and persists take against the same calls by hand. */
async function printCost(runtime: Runtime): Promise<void> {
  const dir = on("a", "cost");
  await Deno.mkdir(dir);
  for (const cell of await measure("tests/cluster/cost.ts", runtime, dir, BUDGET) as Cell[]) {
    console.log(`${cell.row}, ${cell.column}: ${shown(cell)}`);
  }
}
