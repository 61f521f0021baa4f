/** strace(1), where it is installed and allowed: counts system calls, and lets them fail for real. */

import { spawnSync } from "node:child_process";

const works = spawnSync("strace", ["-e", "trace=none", "true"]).status === 0;

/** What strace can do for a test. */
export const strace = {
  /** Why a test that needs it must be skipped, or false. */
  missing: (works ? false : "strace is not installed here, or may not trace") as string | false,

  /** The command, with calls that fail. */
  inject: (fault: string, command: string[]): string[] => [
    "strace",
    "-f",
    // The other calls are not stopped at all.
    "--seccomp-bpf",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    `trace=${fault.split(":")[0]}`,
    "-e",
    `inject=${fault}`,
    ...command,
  ],

  /** The command, with its calls on files logged to a file, descriptors with their paths. */
  log: (file: string, command: string[]): string[] => [
    "strace",
    "-f",
    "--seccomp-bpf",
    "-y",
    "-qq",
    "-s",
    "0",
    "-o",
    file,
    "-e",
    "trace=file,desc",
    ...command,
  ],
};

/**
 * The names of the calls between the last two looks at `DIR/MARK` that name the directory, or a descriptor
 * below it.
 */
export function callsBetweenMarks(log: string, dir: string): string[] {
  const lines = log.split("\n").filter((line) => line.includes(dir));
  const marks = lines.flatMap((line, i) => line.includes("/MARK") ? [i] : []);
  const last = marks.findLast((mark, i) => marks[i + 1]! > mark + 1);
  if (last === undefined) throw new Error("nothing between marks in the log");
  return lines
    .slice(last + 1, marks.at(-1))
    .filter((line) => !line.includes("/MARK") && !/^\d+ +<\.\.\. /.test(line))
    .map((line) => /^\d+ +(\w+)/.exec(line)![1]!);
}
