/**
 * bench/stdin.ts DIR BUDGET: how long `untorn write` takes for 1 GiB from a pipe, and how much memory, against
 * cat, sync and mv.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dir, isQuick, quantile, race, type Run, runtime, tell, time } from "./measure.ts";

const BYTES = isQuick ? 2 ** 27 : 2 ** 30;
const table = "From a pipe";
const row = isQuick ? "128 MiB" : "1 GiB";
const cli = fileURLToPath(new URL("../cli.ts", import.meta.url));
const flags = runtime === "Deno" ? ["run", "-A"] : [];
const memory: number[] = [];

/** Runs a command in a shell of its own; the most memory it had at any time, in MiB, is looked up as it runs. */
function piped(command: string[], note: (mebibytes: number) => void): Run {
  return () =>
    time(async () => {
      const script = `head -c ${BYTES} /dev/zero | "$@"`;
      const child = spawn("sh", ["-c", script, "sh", ...command], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      const look = setInterval(() => note(peakBelow(child.pid!)), 20);
      const [code] = await once(child, "exit");
      clearInterval(look);
      if (code !== 0) throw new Error(`${command.join(" ")} failed: ${code}`);
    });
}

/** VmHWM of the processes below one: proc(5). */
function peakBelow(pid: number): number {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    return Math.max(...children.map((child) => {
      const status = readFileSync(`/proc/${child}/status`, "utf8");
      return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    }));
  } catch {
    // It has just ended.
    return 0;
  }
}

const path = join(dir, "piped");
const byHand = 'cat > "$1.tmp" && sync "$1.tmp" && mv "$1.tmp" "$1" && sync "$(dirname "$1")"';
await race({
  table,
  row: `${row} / cat, sync, mv`,
  contestants: {
    cat: piped(["sh", "-c", byHand, "sh", path], () => {}),
    Untorn: piped([process.execPath, ...flags, cli, "write", path, "-q"], (mebibytes) => {
      memory.push(mebibytes);
    }),
  },
  least: 9,
  most: 9,
});
tell({
  table,
  row: `${row}: memory at most`,
  column: "Untorn",
  text: `${Math.round(quantile(memory, 1))} MiB`,
});
