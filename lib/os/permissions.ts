/**
 * Missing permissions, and the flags that would grant them; never prompts. An error names the flags for the
 * directory of its failed call, which `fs/failure.ts` chooses; `deno.ts` writes flags in Deno's way.
 */

import { catchOsError } from "../core/errors.ts";
import { runSync } from "../core/steps.ts";
import { denoMissingFlags } from "./deno.ts";
import { libraryNames, native } from "./native.ts";
import type { Access } from "./port.ts";
import { isDeno, isGranted } from "./runtime.ts";
import { systemCalls } from "./system.ts";

/** The runtime's flags that are missing for access to `dir`, or to any path; empty if none. */
export function missingFlags(
  dir: string | undefined,
  kinds: readonly Access[] = ["read", "write"],
): string[] {
  if (isDeno()) return denoMissingFlags(dir, kinds);
  // Node's permission model (`node --permission`); Bun has none.
  return kinds.filter((kind) => process.permission?.has(`fs.${kind}`, dir) === false)
    .map((kind) => `--allow-fs-${kind}=${dir ?? "*"}`);
}

/** The runtime's flag that is missing for foreign calls (FFI); empty if none. */
export function missingFfiFlag(library: string): string[] {
  if (native().close !== undefined) return [];
  if (!isDeno()) return process.permission?.has("ffi") === false ? ["--allow-ffi"] : [];
  return isGranted({ name: "ffi", path: library }) ? [] : [`--allow-ffi=${library}`];
}

/** Why a foreign call (FFI) is unavailable, and what to do about it. */
export function whyNoFfi(): string {
  if (native().close !== undefined) return "the C library of this system has no such call";
  const [flag] = missingFfiFlag(libraryPath());
  return flag === undefined
    ? "this runtime has no FFI; Node has it since 26.1"
    : `not permitted; run again with ${flag}`;
}

/** Why kernel locks are unavailable. */
export function whyNoLocks(): string {
  return isDeno() ? "this version of Deno has none; Deno has them since 2.7" : whyNoFfi();
}

/** The path of the C library that a permission must name; opens nothing. */
export function libraryPath(): string {
  const paths = libraryNames().filter((name) => name.startsWith("/"));
  const isThere = (path: string): boolean =>
    missingFlags(path, ["read"]).length === 0 &&
    runSync(catchOsError(systemCalls().sync.realpath(path))) === undefined;
  return paths.find(isThere) ?? paths[0] ?? "libc.so.6";
}

/** Why the type of a file system is unknown, and what to do about it. */
export function whyNoFsType(): string {
  return isDeno() && !isGranted({ name: "sys", kind: "statfs" })
    ? "not permitted; run again with --allow-sys=statfs"
    : "its type is not known here";
}
