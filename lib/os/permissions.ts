/** What the runtime has not permitted, and the flags that would; never prompts. */

import { OsError } from "../core/errors.ts";
import { runSync } from "../core/steps.ts";
import { denoMissingFlags } from "./deno.ts";
import { systemCalls } from "./system.ts";
import { libraryPaths, native } from "./native.ts";
import { nodeMissingFlags } from "./node.ts";
import { isDeno } from "./runtime.ts";

/** The runtime's flags that are missing to read and write in `dir`, or anywhere; empty if none. */
export function missingFlags(
  dir: string | undefined,
  kinds: readonly ("read" | "write")[] = ["read", "write"],
): string[] {
  return isDeno() ? denoMissingFlags(dir, kinds) : nodeMissingFlags(dir, kinds);
}

/** The runtime's flag that is missing for a foreign call (FFI); empty if none. */
export function missingFfiFlag(library: string): string[] {
  if (native().close !== undefined) return [];
  if (!isDeno()) return process.permission?.has("ffi") === false ? ["--allow-ffi"] : [];
  const { state } = Deno.permissions.querySync({ name: "ffi", path: library });
  return state === "granted" ? [] : [`--allow-ffi=${library}`];
}

/** Why a foreign call (FFI) can't be made, and what to do about it. */
export function whyNoFfi(): string {
  if (native().close !== undefined) return "this system's library has no such call";
  const [flag] = missingFfiFlag(libraryPath());
  return flag === undefined
    ? "this runtime has no FFI, which Node has from 26.1 on"
    : `not permitted; run again with ${flag}`;
}

/** Why there is no lock of the kernel's. */
export function whyNoLocks(): string {
  return isDeno() ? "this Deno has none, which it has from 2.7 on" : whyNoFfi();
}

/** Where the C library is, as a grant for it must name it; nothing is opened. */
export function libraryPath(): string {
  const paths = libraryPaths();
  const isThere = (path: string): boolean => {
    if (missingFlags(path, ["read"]).length > 0) return false;
    try {
      return runSync(systemCalls().sync.realpath(path)) !== "";
    } catch (error) {
      if (error instanceof OsError) return false;
      throw error;
    }
  };
  return paths.find(isThere) ?? paths[0] ?? "libc.so.6";
}

/** Why the kind of a file system is not known, and what to do about it. */
export function whyNoFsType(): string {
  const refused = isDeno() &&
    Deno.permissions.querySync({ name: "sys", kind: "statfs" }).state !== "granted";
  if (refused) return "not permitted; run again with --allow-sys=statfs";
  return "its kind is not known here";
}
