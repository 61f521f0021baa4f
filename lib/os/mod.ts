/**
 * Chooses the binding of the runtime that this runs in, on first use: importing it touches nothing.
 */

import { denoCalls, denoMissingFlags } from "./deno.ts";
import { native } from "./native.ts";
import { nodeCalls, nodeMissingFlags } from "./node.ts";
import { type Os, port } from "./port.ts";
import { isDeno } from "./runtime.ts";

let chosen: { sync: Os; async: Os } | undefined;

/** The system's calls: `sync` answers each at once, `async` the long ones later. */
export function systemCalls(): { readonly sync: Os; readonly async: Os } {
  if (chosen === undefined) {
    const { sync, async } = isDeno() ? denoCalls() : nodeCalls();
    chosen = { sync: port(sync), async: port(async) };
  }
  return chosen;
}

/** The runtime's flags that reading and writing in `dir` still needs; empty where all is allowed. */
export function missingFlags(
  dir: string,
  kinds: readonly ("read" | "write")[] = ["read", "write"],
): string[] {
  return isDeno() ? denoMissingFlags(dir, kinds) : nodeMissingFlags(dir, kinds);
}

/** Why a foreign call (FFI) can't be made, and what to do about it. */
export function whyNoFfi(): string {
  if (native().close !== undefined) return "this system's library has no such call";
  const refused = isDeno()
    ? Deno.permissions.querySync({ name: "ffi" }).state !== "granted"
    : process.permission?.has("ffi") === false;
  return refused
    ? "not permitted; run again with --allow-ffi"
    : "this runtime has no FFI, which Node has from 26.1 on";
}

/** Why the kind of a file system is not known, and what to do about it. */
export function whyNoFsType(): string {
  const refused = isDeno() &&
    Deno.permissions.querySync({ name: "sys", kind: "statfs" }).state !== "granted";
  if (refused) return "not permitted; run again with --allow-sys=statfs";
  return "its kind is not known here";
}

/** The number of this process. */
export function processId(): number {
  return isDeno() ? Deno.pid : process.pid;
}
