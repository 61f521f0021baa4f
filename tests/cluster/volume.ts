/**
 * A GlusterFS volume of three replicas, and two machines that have it mounted: all of it on this one, in the
 * namespaces that `run.ts` has made, with which it ends.
 */

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where all of it is; absent where there is no volume. */
const base = process.env.UNTORN_CLUSTER;

/** Why a test of this folder is skipped, or false. */
export const noCluster: string | false = base === undefined
  ? "it takes a cluster: tests/cluster/run.ts"
  : false;

const VOLUME = "untorn";
/** An address for documentation (RFC 5737), of the loopback of a network of its own. */
const ADDRESS = "192.0.2.1";
const REPLICAS = [0, 1, 2];

/** A machine that has the volume mounted. */
export type Machine = "a" | "b";

/** The path of a file as a machine has it. */
export function on(machine: Machine, name: string): string {
  return join(base!, machine, name);
}

/** The path of a file in a replica. */
export function inReplica(number: number, name: string): string {
  return join(base!, `replica${number}`, name);
}

/** Runs a command to its end; fails with what it says. */
function command(program: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

function gluster(...args: string[]): string {
  return command("gluster", "--mode=script", ...args);
}

/** Waits until something holds, and what tells it does not fail, for half a minute. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  let cause: unknown;
  for (let tries = 0; tries < 300; tries++) {
    try {
      if (holds()) return;
    } catch (error) {
      cause = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not in half a minute: ${what}`, { cause });
}

/** Makes the volume, starts it and mounts it twice. */
export async function start(): Promise<void> {
  command("ip", "link", "set", "lo", "up");
  command("ip", "address", "add", `${ADDRESS}/32`, "dev", "lo");
  // What its programs leave on the machine, they leave there.
  for (const path of ["/run", "/var/lib/glusterd", "/var/log/glusterfs"]) {
    command("mount", "-t", "tmpfs", "tmpfs", path);
  }
  for (const path of ["/run/gluster", "/var/log/glusterfs/bricks"]) mkdirSync(path);
  for (const name of ["a", "b", ...REPLICAS.map((i) => `replica${i}`)]) {
    mkdirSync(join(base!, name));
  }
  command("glusterd");
  await eventually("glusterd answers", () => gluster("pool", "list") !== "");
  const replicas = REPLICAS.map((i) => `${ADDRESS}:${inReplica(i, "")}`);
  gluster("volume", "create", VOLUME, "replica", `${replicas.length}`, ...replicas, "force");
  gluster("volume", "start", VOLUME);
  for (const machine of ["a", "b"] as const) await mount(machine);
}

/** Mounts the volume on a machine, with options of `glusterfs`. */
export async function mount(machine: Machine, ...options: string[]): Promise<void> {
  const from = ["--process-name", "fuse", `--volfile-server=${ADDRESS}`, `--volfile-id=/${VOLUME}`];
  command("glusterfs", ...from, ...options, "-p", pidFile(machine), on(machine, ""));
  await eventually(`machine ${machine} has the volume`, () => isMounted(on(machine, "")));
}

function isMounted(path: string): boolean {
  return spawnSync("stat", ["-f", "-c", "%t", path], { encoding: "utf8" }).stdout.trim() ===
    "65735546";
}

function pidFile(machine: Machine): string {
  return join(base!, `${machine}.pid`);
}

/** Kills a machine's client, as if the machine had lost its power; its mount goes as well. */
export function killMachine(machine: Machine): void {
  process.kill(Number(readFileSync(pidFile(machine), "utf8")), "SIGKILL");
}

/** Takes a machine's mount away, or what is left of that of a killed one. */
export function unmount(machine: Machine): void {
  command("umount", "-l", on(machine, ""));
}

/** The process of a replica; nothing while it is down. */
function replicaProcess(number: number): number | undefined {
  const found = spawnSync("pgrep", [
    "-f",
    "--",
    `--brick-name ${inReplica(number, "").replace(/\/$/, "")}`,
  ], {
    encoding: "utf8",
  });
  return found.status === 0 ? Number(found.stdout.split("\n")[0]) : undefined;
}

/** Sets an option of the volume to a value, or back to its default. */
export function set(option: string, value?: string): void {
  if (value === undefined) gluster("volume", "reset", VOLUME, option);
  else gluster("volume", "set", VOLUME, option, value);
}

/** Lets strace (of these options) look at all replicas while something runs. */
export async function traced(options: string[], during: () => Promise<void>): Promise<void> {
  const replicas = REPLICAS.flatMap((number) => ["-p", `${replicaProcess(number)}`]);
  const tracer = spawn("strace", ["-f", ...options, ...replicas], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise((resolve) => tracer.on("close", resolve));
  try {
    await new Promise((resolve) => tracer.stderr!.once("data", resolve));
    await during();
  } finally {
    tracer.kill("SIGINT");
  }
  await ended;
}

/** Kills a replica. */
export async function killReplica(number: number): Promise<void> {
  process.kill(replicaProcess(number)!, "SIGKILL");
  await eventually("the replica is down", () => replicaProcess(number) === undefined);
}

/** Starts the replicas that are down. */
export async function startReplicas(): Promise<void> {
  gluster("volume", "start", VOLUME, "force");
  await eventually(
    "all replicas are up",
    () => REPLICAS.every((number) => replicaProcess(number) !== undefined),
  );
}

/** Waits until all replicas have the same. */
export async function healed(): Promise<void> {
  await eventually("all is healed", () => {
    gluster("volume", "heal", VOLUME);
    const info = gluster("volume", "heal", VOLUME, "info");
    const counts = [...info.matchAll(/^Number of entries: (.*)$/gm)].map(([, count]) => count);
    return counts.length === REPLICAS.length && counts.every((count) => count === "0");
  });
  // Machines look every three seconds for a replica that was away.
  await new Promise((resolve) => setTimeout(resolve, 4000));
}
