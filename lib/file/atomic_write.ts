/**
 * One file, replaced or created in one step, from content of any kind.
 */

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
  type FileOptions,
  type FileSettings,
  fileSettings,
  type JsonOptions,
  jsonSettings,
  type WriteResult,
} from "./file_options.ts";
import { FileStage } from "./file_stage.ts";
import { systemCalls } from "../os/system.ts";
import type { Os } from "../os/port.ts";
import { toPath } from "../core/paths.ts";
import { runEager, runSync, type Steps } from "../core/steps.ts";

/**
 * Replaces or creates one file. A reader finds the whole old version or the whole new one, and so does
 * whoever comes after a crash; by default the new version survives a power cut once the call returns.
 *
 * The content is staged in a new file beside the target, which is never open to anyone whom the
 * target keeps out; then it takes the target's mode and, where allowed, its owner, and is renamed over
 * it. A symbolic link stays, and what it leads to is replaced; other hard links keep the old version.
 * Streams are read in constant memory, and cancelled if the call fails. Calls for one path that run at
 * once each write a whole version; the last to finish stands. Content in memory must not be changed
 * until the call has ended.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the directory of the file.
 *
 * @param path The file. Missing directories above it are created.
 * @param content Text (as UTF-8), bytes, a Blob, or a stream or iterable of text and bytes.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was touched.
 * @throws {UntornError} When it failed; `outcome` says what stands now. What comes after an abort is
 * the signal's reason, and nothing was changed.
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
export async function atomicWrite(
  path: string | URL,
  content: Content,
  options?: FileOptions,
): Promise<WriteResult> {
  const target = toPath(path);
  const settings = fileSettings(options);
  const source = asyncSource(content);
  return await runEager(writeFile(systemCalls().async, target, source, settings));
}

/**
 * The same as {@link atomicWrite}, done when it returns. It takes content in memory and iterables.
 *
 * @param path The file. Missing directories above it are created.
 * @param content Text (as UTF-8), bytes, or an iterable of them.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a mistake in the call; nothing was touched.
 * @throws {UntornError} When it failed; `outcome` says what stands now.
 */
export function atomicWriteSync(
  path: string | URL,
  content: SyncContent,
  options?: FileOptions,
): WriteResult {
  const target = toPath(path);
  const settings = fileSettings(options);
  return runSync(writeFile(systemCalls().sync, target, syncSource(content), settings));
}

/**
 * Replaces or creates one file with a value as JSON, with a newline at its end; otherwise the same as
 * {@link atomicWrite}. The value is turned into text as `JSON.stringify` does it.
 *
 * @param path The file. Missing directories above it are created.
 * @param value What JSON can say.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a value that is no JSON (a cycle, a BigInt, a function,
 * `undefined`), or a mistake in the call; nothing was touched.
 * @throws {UntornError} When it failed; `outcome` says what stands now.
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
export async function atomicWriteJson(
  path: string | URL,
  value: unknown,
  options?: JsonOptions,
): Promise<WriteResult> {
  const { indent, file } = jsonSettings(options);
  return await atomicWrite(path, toJson(value, indent), file);
}

/**
 * The same as {@link atomicWriteJson}, done when it returns.
 *
 * @param path The file. Missing directories above it are created.
 * @param value What JSON can say.
 * @param options What differs from the defaults.
 * @returns What was done.
 * @throws {TypeError | RangeError} For a value that is no JSON, or a mistake in the call.
 * @throws {UntornError} When it failed; `outcome` says what stands now.
 */
export function atomicWriteJsonSync(
  path: string | URL,
  value: unknown,
  options?: JsonOptions,
): WriteResult {
  const { indent, file } = jsonSettings(options);
  return atomicWriteSync(path, toJson(value, indent), file);
}

/** Replaces or creates a file, as steps; a rehearsal does all but that. */
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
      if (
        settings.ifChanged && source.whole !== undefined &&
        (yield* stage.hasSameContent(source.whole))
      ) {
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
