/**
 * How each package is called: by its documented call, with its defaults, except where a comment says
 * otherwise. All is loaded only when it is used, so that this file compiles with nothing installed.
 */

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { atomicWrite, cleanup, persistDir } from "../../mod.ts";

/** Whatever a file may be written from; not each package takes all of it. */
export type Content = string | ArrayBufferView;

/** One package that writes files. */
export interface Writer {
  write: (path: string, content: Content) => Promise<unknown>;
  /** Writes what comes from a stream, where it offers that. */
  writeStream?: (path: string, source: Readable) => Promise<unknown>;
  /** The temporary name of the first write of this process, where that can be known beforehand. */
  firstTemp?: (path: string) => string;
  /** Removes what killed processes have left, where it offers that. */
  cleanup?: (dir: string) => Promise<unknown>;
}

/** Replaces a directory by one with these files. */
export type Swap = (
  target: string,
  files: Record<string, string>,
) => Promise<unknown>;

const require = createRequire(import.meta.url);

async function load<Module>(name: string): Promise<Module> {
  return await import(name) as Module;
}

/** The promise of a function that calls back. */
function called(
  body: (callback: (error: unknown) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    body((error) => error ? reject(error) : resolve());
  });
}

type Callback = (error: unknown) => void;
type WriteWithCallback = (
  path: string,
  content: Content,
  callback: Callback,
) => void;

/** The packages that write files, each with what loads it. */
export const writers: Record<string, () => Promise<Writer>> = {
  untorn: () =>
    Promise.resolve({
      write: (path, content) => atomicWrite(path, content),
      writeStream: (path, source) => atomicWrite(path, source),
      cleanup: (dir) => cleanup(dir, { minAge: 0 }),
    }),

  "write-file-atomic": async () => {
    const { default: write } = await load<{ default: Writer["write"] }>(
      "write-file-atomic",
    );
    // The name comes from the place of the package, the process, the thread and a count.
    const id = [require.resolve("write-file-atomic"), process.pid, 0, 1].join(
      "",
    );
    const number = createHash("sha1").update(id).digest().readUInt32BE(0);
    return { write, firstTemp: (path) => `${path}.${number}` };
  },

  atomically: async () => {
    type Module = {
      writeFile: (path: string, content: Content | Readable) => Promise<void>;
    };
    const { writeFile } = await load<Module>("atomically");
    return { write: writeFile, writeStream: writeFile };
  },

  "@openclaw/fs-safe": async () => {
    type Options =
      & Record<"filePath" | "content", unknown>
      & Record<string, unknown>;
    const { replaceFileAtomic } = await load<
      { replaceFileAtomic: (options: Options) => Promise<void> }
    >("@openclaw/fs-safe/atomic");
    type Store = {
      writeStream: (name: string, source: Readable) => Promise<string>;
    };
    const { fileStore } = await load<
      { fileStore: (options: { rootDir: string }) => Store }
    >(
      "@openclaw/fs-safe/store",
    );
    // With the syncs that its documentation shows; they are off by default.
    const synced = { syncTempFile: true, syncParentDir: true };
    return {
      write: (filePath, content) => replaceFileAtomic({ filePath, content, ...synced }),
      writeStream: (path, source) =>
        fileStore({ rootDir: dirname(path) }).writeStream(
          basename(path),
          source,
        ),
    };
  },

  "crash-safe-write-file": async () => {
    const { default: { writeFile } } = await load<
      { default: { writeFile: WriteWithCallback } }
    >(
      "crash-safe-write-file",
    );
    type Hash = { hash: (text: string) => Hash; result: () => number };
    const { default: murmur } = await load<{ default: (text: string) => Hash }>(
      "imurmurhash",
    );
    const number = murmur(require.resolve("crash-safe-write-file")).hash(
      String(process.pid),
    )
      .hash("1").result();
    return {
      write: (path, content) => called((callback) => writeFile(path, content, callback)),
      firstTemp: (path) => `${path}.${number}`,
    };
  },

  "fast-write-atomic": async () => {
    type Module = { default: { promise: Writer["write"] } };
    const { default: { promise } } = await load<Module>("fast-write-atomic");
    return {
      write: promise,
      firstTemp: (path) => join(dirname(path), `.${process.pid}.0`),
    };
  },

  steno: async () => {
    const { Writer } = await load<
      {
        Writer: new (
          path: string,
        ) => { write: (content: Content) => Promise<void> };
      }
    >("steno");
    return {
      write: (path, content) => new Writer(path).write(content),
      firstTemp: (path) => join(dirname(path), `.${basename(path)}.tmp`),
    };
  },

  "fs-jetpack": async () => {
    // Without `atomic` it overwrites in place, as it says.
    type Write = (
      path: string,
      content: Content,
      options: { atomic: true },
    ) => Promise<void>;
    const { default: { writeAsync } } = await load<
      { default: { writeAsync: Write } }
    >(
      "fs-jetpack",
    );
    return {
      write: (path, content) => writeAsync(path, content, { atomic: true }),
      firstTemp: (path) => `${path}.__new__`,
    };
  },

  "atomic-file-rw": async () => {
    const { default: { writeFile } } = await load<
      { default: { writeFile: WriteWithCallback } }
    >(
      "atomic-file-rw",
    );
    return {
      write: (path, content) => called((callback) => writeFile(path, content, callback)),
      firstTemp: (path) => `${path}~`,
    };
  },

  "write-file-safe": async () => {
    // It adds a newline by default, and tells a failure by `false`.
    type Options = { appendNewline: false };
    const { writeFile } = await load<
      {
        writeFile: (
          path: string,
          content: Content,
          options: Options,
        ) => Promise<boolean>;
      }
    >("write-file-safe");
    return {
      async write(path, content): Promise<void> {
        const written = await writeFile(path, content, {
          appendNewline: false,
        });
        if (!written) {
          throw Object.assign(new Error("not written"), { code: "false" });
        }
      },
      firstTemp: () => join(tmpdir(), `.${process.pid}.0`),
    };
  },
};

let versions = 0;

/** Makes the new version beside the target, for packages that put a directory in place. */
function stage(target: string, files: Record<string, string>): string {
  const dir = `${target}-${process.pid}-${++versions}`;
  mkdirSync(dir);
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(dir, name), content);
  }
  return dir;
}

/** The packages that swap directories, each with what loads it. */
export const swaps: Record<string, () => Promise<Swap>> = {
  untorn: () => Promise.resolve((target, files) => persistDir(target, files, { carryOver: false })),

  "rename-overwrite": async () => {
    type Module = {
      renameOverwrite: (from: string, to: string) => Promise<void>;
    };
    const { renameOverwrite } = await load<Module>("rename-overwrite");
    return (target, files) => renameOverwrite(stage(target, files), target);
  },

  "@openclaw/fs-safe": async () => {
    type Options = { stagedDir: string; targetDir: string };
    const { replaceDirectoryAtomic } = await load<
      { replaceDirectoryAtomic: (options: Options) => Promise<void> }
    >("@openclaw/fs-safe/atomic");
    return (target, files) =>
      replaceDirectoryAtomic({
        stagedDir: stage(target, files),
        targetDir: target,
      });
  },

  "fs-extra": async () => {
    type Move = (
      from: string,
      to: string,
      options: { overwrite: true },
    ) => Promise<void>;
    const { default: { move } } = await load<{ default: { move: Move } }>(
      "fs-extra",
    );
    return (target, files) => move(stage(target, files), target, { overwrite: true });
  },

  "symlink-dir": async () => {
    type Module = {
      symlinkDir: (to: string, link: string) => Promise<unknown>;
    };
    const { symlinkDir } = await load<Module>("symlink-dir");
    return (target, files) => symlinkDir(stage(target, files), target);
  },
};
