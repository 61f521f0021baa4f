/**
 * Checks the permissions that a command needs. A run refuses missing ones before it changes anything,
 * because otherwise the runtime might prompt in the middle of a pipe. `untorn permissions` collects them.
 *
 * Deno compares paths as text and follows no links. So a command needs the path as given, made absolute,
 * and also the paths that links at its end lead to (runtime/permissions: "fs_permission").
 */

import { dirname, resolve } from "node:path";
import { RefusedError } from "../../core/errors.ts";
import { withoutSlash } from "../../core/paths.ts";
import type { Steps } from "../../core/steps.ts";
import { libraryPath, missingFfiFlag, missingFlags } from "../../os/permissions.ts";
import type { Os } from "../../os/port.ts";
import { runOnSystem } from "../../os/system.ts";
import { describeFailure } from "../../fs/failure.ts";
import type { SwapMethod } from "../../fs/swap.ts";
import { locate, lstatOrUndefined, type Target } from "../../fs/target.ts";
import type { Host } from "./host.ts";

type Access = "read" | "write";

/** A permission. Without `of` it is the permission for all paths. */
export interface Permission {
  kind: Access | "run" | "ffi" | "sys";
  of?: string;
}

/** Returns the permissions of some kinds for a path. */
export function access(of: string, kinds: readonly Access[] = ["read", "write"]): Permission[] {
  return kinds.map((kind) => ({ kind, of }));
}

/** An operation on a path, named as in its errors. */
export interface Operation {
  operation: string;
  path: string;
}

/** An operation, and the reason why it needs a permission. */
export type PermissionRequest = Operation & { why: string };

/** Refuses permissions that are missing, or only collects the ones that are needed. */
export class PermissionCheck {
  readonly #host: Host;
  /** Whether permissions are only collected. */
  readonly collects: boolean;
  readonly required: Permission[] = [];
  /** Optional permissions, and what they are good for. */
  readonly optional: (Permission & { why: string })[] = [];

  constructor(host: Host, collects: boolean = false) {
    this.#host = host;
    this.collects = collects;
  }

  /** Requires permissions. If any is missing, the error names all of `reported` that are missing. */
  require(
    { operation, path, why }: PermissionRequest,
    permissions: readonly Permission[],
    reported: readonly Permission[] = permissions,
  ): void {
    this.required.push(...permissions);
    if (this.#missing(permissions).length === 0) return;
    const flags = this.#missing(reported).join(" ");
    const reason = this.collects ? "to look at the existing files" : why;
    const what = `permission was not given; run again with ${flags} (${reason})`;
    throw describeFailure(new RefusedError("ERR_PERMISSION", path, what), operation, path);
  }

  /** Requires access to the directory of a path, or of the file that links lead to. Returns that target. */
  async requireDirOf(
    request: PermissionRequest,
    { kinds = ["read", "write"], follow = true }: { kinds?: Access[]; follow?: boolean } = {},
  ): Promise<Target> {
    const path = resolve(request.path);
    this.require(request, access(dirname(path), ["read"]), access(dirname(path), kinds));
    const needed: Access[] = this.collects ? ["read"] : ["read", "write"];
    const target = await inspect(request, (os) => locate(os, withoutSlash(path), follow, needed));
    this.require(request, target.via.flatMap((link) => access(dirname(link), ["read"])));
    const dir = resolve(target.dir);
    const missing = await this.#outermostMissing(request, dir);
    if (missing === undefined || !kinds.includes("write")) {
      this.require(request, access(dir, kinds));
    } else {
      // It will be created in its parent directory, which is then synced.
      this.require(request, [...access(dirname(missing), ["read"]), ...access(missing, ["write"])]);
    }
    return target;
  }

  /** Requires the permission to run a program, if there is one. */
  requireRun(operation: Operation, program: string | undefined): void {
    if (program === undefined) return;
    this.require({ ...operation, why: `to run ${program}` }, [{ kind: "run", of: program }]);
  }

  /** Requires the system call that exchanges directories, or lists it as optional, as the swap needs it. */
  requireExchange(operation: Operation, swap: SwapMethod | "auto", { stat }: Target): void {
    const permission: Permission = { kind: "ffi", of: libraryPath() };
    const why = "to exchange two directories in one step, so that neither is missing for a moment";
    if (swap === "exchange") this.require({ ...operation, why }, [permission]);
    else if (swap === "auto" && stat?.kind === "directory") {
      this.optional.push({ ...permission, why });
    }
  }

  /** Returns the outermost directory of a path that does not exist. */
  async #outermostMissing(request: PermissionRequest, dir: string): Promise<string | undefined> {
    let missing: string | undefined;
    for (let path = dir;; path = dirname(path)) {
      this.require(request, access(path, ["read"]));
      const stat = await inspect(request, (os) => lstatOrUndefined(os, path));
      if (stat !== undefined) return missing;
      if (dirname(path) === path) return undefined;
      missing = path;
    }
  }

  /** Returns the flags for missing permissions. Collecting only needs to read what exists. */
  #missing(permissions: readonly Permission[]): string[] {
    return permissions.flatMap(({ kind, of }) => {
      if (this.collects && kind !== "read") return [];
      if (kind === "run") return this.#host.missingRunFlags(of!);
      if (kind === "ffi") return missingFfiFlag(of!);
      // Facts about the system are always optional.
      return kind === "sys" ? [] : missingFlags(of, [kind]);
    });
  }
}

/** Runs steps that change nothing. Their errors are described as the library describes them. */
export async function inspect<T>(
  { operation, path }: Operation,
  steps: (os: Os) => Steps<T>,
): Promise<T> {
  try {
    return await runOnSystem(steps);
  } catch (error) {
    throw describeFailure(error, operation, path);
  }
}
