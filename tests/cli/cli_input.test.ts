/** `untorn write` and what its standard input may be: pipes, slow ones, ones that do not wait, files. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertEquals } from "../helpers/assert.ts";
import { programCommand, run } from "../helpers/runtime.ts";
import { strace } from "../helpers/strace.ts";
import { inTemp } from "../helpers/temp.ts";

const windows = process.platform === "win32";
const NO_SH = "there is no sh on Windows";

/** Bytes that are the same nowhere near. */
function numbers(size: number): Uint8Array {
  return new Uint8Array(Uint32Array.from({ length: size / 4 }, (_, i) => i * 2654435761).buffer);
}

function hash(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Runs a script that finds a command in `$1`… and files in its environment. */
async function shell(script: string, command: string[], env: Record<string, string>) {
  return await run(["sh", "-c", script, "sh", ...command], "", { env: { ...process.env, ...env } });
}

const ways: Record<string, string> = {
  "a pipe": 'cat "$IN" | "$@"',
  "a pipe that is filled in small pieces": 'dd if="$IN" bs=1777 2>/dev/null | "$@"',
  "a pipe that pauses": '{ head -c 3000000; sleep 0.3; cat; } < "$IN" | "$@"',
  "a file": '"$@" < "$IN"',
};

for (const [what, script] of Object.entries(ways)) {
  test(
    `untorn write takes all of ${what}`,
    { skip: windows && NO_SH },
    inTemp(async (dir) => {
      const [from, to] = [join(dir, "from"), join(dir, "to")];
      writeFileSync(from, numbers(7_000_000));
      const { code, stderr } = await shell(script, programCommand("cli.ts", ["write", to]), {
        IN: from,
      });
      assertEquals([code, stderr, hash(to)], [0, "", hash(from)]);
    }),
  );
}

test(
  "untorn write waits for a pipe that does not wait itself (EAGAIN), and loses nothing of it",
  { skip: windows ? NO_SH : strace.missing },
  inTemp(async (dir) => {
    const [from, to, pipe] = [join(dir, "from"), join(dir, "to"), join(dir, "pipe")];
    writeFileSync(from, numbers(1_000_000));
    execFileSync("mkfifo", [pipe]);
    const [program, ...args] = strace.inject(
      "read:error=EAGAIN:when=5",
      programCommand("cli.ts", ["write", to]),
    );
    const script = 'cat "$IN" > "$PIPE" & "$@" < "$PIPE"';
    // Only of that pipe: the runtimes read other files too.
    const command = [program!, "-P", pipe, ...args];
    const { code, stderr } = await shell(script, command, { IN: from, PIPE: pipe });
    assertEquals([code, stderr, hash(to)], [0, "", hash(from)]);
  }),
);
