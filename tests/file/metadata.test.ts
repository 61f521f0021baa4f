/** Mode and owner of a new version, and of the temporary file on its way to it. */

import {
  chmodSync,
  chownSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeFile } from "../../lib/file/atomic_write.ts";
import { syncSource } from "../../lib/stage/content.ts";
import { type FileOptions, fileSettings } from "../../lib/file/file_options.ts";
import { OsError } from "../../lib/core/errors.ts";
import type { Os } from "../../lib/os/port.ts";
import type { Steps } from "../../lib/core/steps.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { drivers, watched } from "../helpers/ports.ts";
import { isRoot, programCommand, run } from "../helpers/runtime.ts";
import { inTemp } from "../helpers/temp.ts";

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

/** Each form, and each way to write: what is not synced is created with its content. */
const ways = drivers.flatMap(({ form, ...driver }) =>
  (["full", "none"] as const).map((durability) => ({
    ...driver,
    form: `${form}, ${durability}`,
    writing: (path: string, text: string, options?: FileOptions) => (os: Os): Steps<unknown> =>
      writeFile(os, path, syncSource(text), fileSettings({ durability, ...options })),
  }))
);

for (const { form, os, run: drive, writing } of ways) {
  test(
    `a replaced file keeps its mode (${form})`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      for (const mode of [0o600, 0o644, 0o755, 0o640, 0o664, 0o666, 0o777, 0o440, 0o604, 0o4755]) {
        writeFileSync(path, "old");
        chmodSync(path, mode);
        await drive(writing(path, "new")(os()));
        assertEquals([modeOf(path).toString(8), readFileSync(path, "utf8")], [
          mode.toString(8),
          "new",
        ]);
        chmodSync(path, 0o600);
      }
    }),
  );

  test(
    `an explicit mode is set exactly, on a new file and on an old one (${form})`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      for (const mode of [0o666, 0o600, 0o777, 0o222, 0o6751, 0o000]) {
        await drive(writing(path, "x", { mode })(os()));
        assertEquals(modeOf(path).toString(8), mode.toString(8));
      }
    }),
  );

  test(
    `preserve: [] leaves the mode to the umask (${form})`,
    inTemp(async (dir) => {
      const [path, fresh] = [join(dir, "file"), join(dir, "fresh")];
      writeFileSync(path, "old");
      chmodSync(path, 0o600);
      writeFileSync(fresh, "");
      await drive(writing(path, "x", { preserve: [] })(os()));
      assertEquals(modeOf(path), modeOf(fresh));
    }),
  );

  test(
    `a temporary file is at no time wider than its target (${form})`,
    inTemp(async (dir) => {
      const path = join(dir, "file");
      for (const mode of [0o600, 0o640, 0o604, 0o644, 0o660, 0o400]) {
        writeFileSync(path, "old");
        chmodSync(path, mode);
        const seen: number[] = [];
        const look = (): void => {
          for (const name of readdirSync(dir)) {
            if (name !== "file") seen.push(modeOf(join(dir, name)));
          }
        };
        await drive(writing(path, "new")(watched(os(), look, look)));
        assert(seen.length > 0, "no temporary file was seen");
        for (const wide of seen) assertEquals(wide & 0o077 & ~mode, 0, wide.toString(8));
        chmodSync(path, 0o600);
      }
    }),
  );

  test(
    `a temporary file for an explicit mode is at no time wider than that (${form})`,
    inTemp(async (dir) => {
      const widest: number[] = [];
      const look = (): void => {
        for (const name of readdirSync(dir)) widest.push(modeOf(join(dir, name)));
      };
      await drive(writing(join(dir, "secret"), "x", { mode: 0o600 })(watched(os(), look, look)));
      assert(widest.length > 0 && widest.every((mode) => (mode & 0o077) === 0));
    }),
  );

  test(
    `a replaced file keeps its owner and set-id bits where that is allowed (${form})`,
    { skip: isRoot ? false : "only root may give files away" },
    inTemp(async (dir) => {
      const path = join(dir, "file");
      writeFileSync(path, "old");
      chownSync(path, 1234, 2345);
      chmodSync(path, 0o6640);
      const groupReadable: number[] = [];
      const look = (): void => {
        for (const name of readdirSync(dir)) {
          const { gid, mode } = statSync(join(dir, name));
          if (gid !== 2345) groupReadable.push(mode & 0o070);
        }
      };
      await drive(writing(path, "new")(watched(os(), look, look)));
      const { uid, gid } = statSync(path);
      assertEquals([uid, gid, modeOf(path).toString(8)], [1234, 2345, "6640"]);
      assert(groupReadable.length > 0 && groupReadable.every((bits) => bits === 0));
      await drive(writing(path, "new", { preserve: ["mode"] })(os()));
      assertEquals([statSync(path).uid, modeOf(path).toString(8)], [process.getuid!(), "600"]);
    }),
  );

  test(
    `where the group can't be kept, it gets no more than others have (${form})`,
    { skip: isRoot ? false : "only root may set up such a file" },
    inTemp(async (dir) => {
      const path = join(dir, "file");
      const cases = [[0o640, 0o600], [0o664, 0o644], [0o2775, 0o755], [0o4711, 0o711]];
      for (const [mode, expected] of cases) {
        writeFileSync(path, "old");
        chownSync(path, 1234, 2345);
        chmodSync(path, mode!);
        const forbidden = watched(os(), ({ name }) => {
          if (name === "chown") throw new OsError("EPERM", name);
        });
        await drive(writing(path, "new")(forbidden));
        assertEquals(modeOf(path).toString(8), expected!.toString(8));
      }
    }),
  );

  for (const plant of [symlinkSync, linkSync]) {
    test(
      `a temporary file exchanged for a ${plant.name} does not lend another its mode (${form})`,
      inTemp(async (dir) => {
        const victim = join(dir, "victim");
        writeFileSync(victim, "secret");
        chmodSync(victim, 0o600);
        const evil = watched(os(), ({ name, args }) => {
          if (name !== "chmod") return;
          renameSync(args[1] as string, join(dir, "moved"));
          plant(victim, args[1] as string);
        });
        // Whether it fails (Deno, which must open the path again) or not, the victim keeps its mode.
        await drive(writing(join(dir, "file"), "new", { mode: 0o666 })(evil)).catch((error) => {
          assertEquals([error.code, error.outcome], [
            plant === linkSync ? "ESTALE" : "ELOOP",
            "unchanged",
          ]);
        });
        assertEquals(modeOf(victim).toString(8), "600");
      }),
    );
  }
}

test(
  "a new file obeys the umask, with path-scoped permissions alone",
  inTemp(async (dir) => {
    const flags = [`--allow-read=${dir}`, `--allow-write=${dir}`];
    const write = programCommand("cli.ts", ["write", join(dir, "new")], flags);
    for (const [umask, mode] of [["027", "640"], ["000", "666"], ["077", "600"]]) {
      const { code, stderr } = await run(["sh", "-c", `umask ${umask}; exec "$@"`, "sh", ...write]);
      assertEquals([code, stderr], [0, ""]);
      assertEquals(modeOf(join(dir, "new")).toString(8), mode);
      rmSync(join(dir, "new"));
    }
  }),
);

test(
  "new entries of a directory, and new directories, obey the umask",
  inTemp(async (dir) => {
    const x = join(dir, "x");
    for (const form of ["persistDir", "persistDirSync"]) {
      for (const [umask, file, directory] of [["027", "640", "750"], ["077", "600", "700"]]) {
        const persist = programCommand("tests/fixtures/persist.ts", [form, x, "auto"]);
        const command = ["sh", "-c", `umask ${umask}; exec "$@"`, "sh", ...persist];
        const { code, stdout } = await run(command);
        assertEquals([code, JSON.parse(stdout).written], [0, 1]);
        const modes = [join(x, "a"), x].map((path) => modeOf(path).toString(8));
        assertEquals(modes, [file, directory], `${form}, ${umask}`);
        rmSync(x, { recursive: true });
      }
    }
  }),
);
