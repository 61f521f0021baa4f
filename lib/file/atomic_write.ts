/** Replaces or creates one file in one step, from content of any kind. */

import { toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import { BlockWriter } from "../stage/block_writer.ts";
import {
  asyncSource,
  cancel,
  type Content,
  type Source,
  type SyncContent,
  syncSource,
  toJson,
} from "../stage/content.ts";
import {
  FILE_TABLE,
  type FileOptions,
  type FileSettings,
  fileSettings,
  type JsonOptions,
  splitIndent,
  type WriteResult,
} from "./file_options.ts";
import { FileStage } from "./file_stage.ts";

/**
 * Replaces or creates one file. Readers always see the complete old version or the complete new one, even
 * after a crash, a full disk or a power failure. By default, the new version survives a power failure once
 * the call returns.
 *
 * The content is staged in a new file beside the target, which is never accessible to anyone who may not
 * access the target. The new file takes the target's mode and, where permitted, its owner, and is then
 * renamed over it. A symbolic link is kept, and the file it leads to is replaced; other hard links keep the
 * old version. Streams are read in constant memory, and cancelled if the call fails. Concurrent calls for
 * one path each write a complete version, and the last to finish wins. Content in memory must not be
 * modified until the call has ended.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory of the file.
 *
 * @param path The file. Missing directories above it are created.
 * @param content Text (as UTF-8), bytes, a Blob, or a stream or iterable of text and bytes.
 * @param options Options; see {@link FileOptions}.
 * @returns A summary of the write.
 * @throws {TypeError | RangeError} If an argument is invalid; thrown before anything is touched.
 * @throws {UntornError} If the write fails; `outcome` says which version stands. An abort instead rejects
 * with `signal.reason` and leaves everything unchanged.
 *
 * @example Settings that are never half-written
 * ```ts
 * import { atomicWrite } from "@untorn/untorn";
 * import { mkdtemp, readFile, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * const result = await atomicWrite(`${dir}/settings.toml`, "theme = 'dark'\n", { mode: 0o600 });
 * if (!result.changed || result.bytes !== 15) throw new Error("not written");
 * if (await readFile(`${dir}/settings.toml`, "utf8") !== "theme = 'dark'\n") throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export function atomicWrite(
  path: string | URL,
  content: Content,
  options?: FileOptions,
): Promise<WriteResult> {
  return runOnSystem((os) => checkAndWrite(os, path, content, asyncSource, options));
}

/** Synchronous version of {@link atomicWrite}. It takes content in memory and iterables. */
export function atomicWriteSync(
  path: string | URL,
  content: SyncContent,
  options?: FileOptions,
): WriteResult {
  return runOnSystemSync((os) => checkAndWrite(os, path, content, syncSource, options));
}

/**
 * Replaces or creates one file with a value as JSON, followed by a newline. Otherwise the same as
 * {@link atomicWrite}. The value is serialized as by `JSON.stringify`.
 *
 * @param path The file. Missing directories above it are created.
 * @param value A value that JSON can represent.
 * @param options Options; see {@link JsonOptions}.
 * @returns A summary of the write.
 * @throws {TypeError | RangeError} If the value has no JSON form (a cycle, a BigInt, a function,
 * `undefined`), or an argument is invalid; thrown before anything is touched.
 * @throws {UntornError} If the write fails; `outcome` says which version stands.
 *
 * @example A small database
 * ```ts
 * import { atomicWriteJson } from "@untorn/untorn";
 * import { mkdtemp, readFile, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * await atomicWriteJson(`${dir}/users.json`, [{ id: 1 }], { indent: 0 });
 * if (await readFile(`${dir}/users.json`, "utf8") !== '[{"id":1}]\n') throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export function atomicWriteJson(
  path: string | URL,
  value: unknown,
  options?: JsonOptions,
): Promise<WriteResult> {
  return runOnSystem((os) => checkAndWriteJson(os, path, value, options));
}

/** Synchronous version of {@link atomicWriteJson}. */
export function atomicWriteJsonSync(
  path: string | URL,
  value: unknown,
  options?: JsonOptions,
): WriteResult {
  return runOnSystemSync((os) => checkAndWriteJson(os, path, value, options));
}

function checkAndWriteJson(
  os: Os,
  path: string | URL,
  value: unknown,
  options: JsonOptions | undefined,
): Steps<WriteResult> {
  const { indent, rest } = splitIndent(options, FILE_TABLE);
  return checkAndWrite(os, path, toJson(value, indent), syncSource, rest);
}

function checkAndWrite<C>(
  os: Os,
  path: string | URL,
  content: C,
  toSource: (content: C) => Source,
  options: FileOptions | undefined,
): Steps<WriteResult> {
  const target = toPath(path);
  const settings = fileSettings(options);
  // Last: it locks a stream, which a refused call must leave as it is.
  return writeFile(os, target, toSource(content), settings);
}

/** Replaces or creates a file, as steps. A rehearsal does everything else, and changes nothing. */
export function* writeFile(
  os: Os,
  path: string,
  source: Source,
  settings: FileSettings,
  rehearsal: boolean = false,
): Steps<WriteResult> {
  const stage = new FileStage(os, path, rehearsal ? { ...settings, durability: "none" } : settings);
  try {
    try {
      yield* stage.find(source.size);
      const { whole } = source;
      if (settings.ifChanged && whole !== undefined && (yield* stage.hasSameContent(whole))) {
        return yield* stage.leaveUnchanged();
      }
      yield* stage.create();
    } catch (error) {
      yield* cancel(source, settings.signal);
      throw error;
    }
    yield* new BlockWriter(stage, settings, source.size).writeAll(source);
    return rehearsal ? yield* stage.rehearse() : yield* stage.commit();
  } catch (error) {
    throw yield* stage.fail(error);
  }
}
