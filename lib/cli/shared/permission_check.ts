/**
 * What a command needs permission for. A run refuses what was not given before it touches anything, rather
 * than let the runtime ask in the middle of a pipe; `untorn permissions` collects it.
 *
 * Deno compares paths by their letters, and follows no link: a path is needed as it is given, made
 * absolute, and beside it what the links at its end lead to (runtime/permissions: "fs_permission").
 */

import { dirname, resolve } from "node:path";
import { describeFailure } from "../../fs/failure.ts";
import { Refusal } from "../../core/errors.ts";
import { libraryPath, missingFfiFlag, missingFlags } from "../../os/permissions.ts";
import { systemCalls } from "../../os/system.ts";
import { withoutSlash } from "../../core/paths.ts";
import { runAsync } from "../../core/steps.ts";
import type { Swap } from "../../fs/swap.ts";
import { locate, look, type Target } from "../../fs/target.ts";
import type { Host } from "./host.ts";

/** Something that takes a permission; `of` is absent where it takes that for all paths. */
export interface Need {
  kind: "read" | "write" | "run" | "ffi" | "sys";
  of?: string;
}

/** What asks for permissions, and why. */
export interface Asking {
  /** The operation, in the words of its errors. */
  operation: string;
  path: string;
  why: string;
}

/** Refuses what is not permitted, or only collects what would have to be. */
export class Permits {
  readonly #host: Host;
  /** Whether needs are only collected. */
  readonly collects: boolean;
  readonly needs: Need[] = [];
  /** What would be done better with more. */
  readonly hints: { need: Need; why: string }[] = [];

  constructor(host: Host, collects: boolean = false) {
    this.#host = host;
    this.collects = collects;
  }

  /** Demands these; if one is missing, `told` are named as far as they are missing, too. */
  demand(asking: Asking, needs: readonly Need[], told: readonly Need[] = needs): void {
    this.needs.push(...needs);
    // To collect is to look at what is there, and no more.
    const concerned = (list: readonly Need[]): Need[] =>
      this.collects ? list.filter(({ kind }) => kind === "read") : [...list];
    if (this.#missing(concerned(needs)).length === 0) return;
    const flags = this.#missing(concerned(told)).join(" ");
    const { operation, path: target, why } = asking;
    const reason = this.collects ? "to see what is there" : why;
    const what = `permission was not given; run again with ${flags} (${reason})`;
    throw inWords(operation, target, new Refusal("ERR_PERMISSION", target, what));
  }

  /** Demands to read and write beside a path, or where links there lead; returns what is there. */
  async beside(
    asking: Asking,
    { kinds = ["read", "write"], follow = true }: {
      kinds?: ("read" | "write")[];
      follow?: boolean;
    } = {},
  ): Promise<Target> {
    const needs = (of: string): Need[] => kinds.map((kind) => ({ kind, of }));
    const path = resolve(asking.path);
    this.demand(asking, [{ kind: "read", of: dirname(path) }], needs(dirname(path)));
    const found = await this.#locate(asking, path, follow);
    this.demand(asking, found.via.map((path) => ({ kind: "read", of: dirname(path) })));
    const dir = resolve(found.dir);
    const missing = await this.#firstMissing(asking, dir);
    if (missing === undefined || !kinds.includes("write")) this.demand(asking, needs(dir));
    else {
      // It is made in the directory above it, which is synced.
      this.demand(asking, [{ kind: "read", of: dirname(missing) }, { kind: "write", of: missing }]);
    }
    return found;
  }

  /** Demands to run a program. */
  run(asking: Omit<Asking, "why">, program: string | undefined): void {
    if (program === undefined) return;
    this.demand({ ...asking, why: `to run ${program}` }, [{ kind: "run", of: program }]);
  }

  /** Demands the call that exchanges directories, if this swap may not do without. */
  exchange(asking: Omit<Asking, "why">, swap: Swap | "auto", { stat }: Target): void {
    const need: Need = { kind: "ffi", of: libraryPath() };
    const why = "to exchange two directories in one step, with none missing for a moment";
    if (swap === "exchange") this.demand({ ...asking, why }, [need]);
    else if (swap === "auto" && stat?.kind === "directory") this.hint(need, why);
  }

  /** Tells what would be done better with a permission that is not demanded. */
  hint(need: Need, why: string): void {
    this.hints.push({ need, why });
  }

  async #locate({ operation, path }: Asking, absolute: string, follow: boolean): Promise<Target> {
    const kinds: ("read" | "write")[] = this.collects ? ["read"] : ["read", "write"];
    try {
      const given = withoutSlash(absolute);
      return await runAsync(locate(systemCalls().async, given, follow, kinds));
    } catch (error) {
      throw inWords(operation, path, error);
    }
  }

  /** The outermost directory that does not exist. */
  async #firstMissing(asking: Asking, dir: string): Promise<string | undefined> {
    let missing: string | undefined;
    for (let path = dir;; path = dirname(path)) {
      this.demand(asking, [{ kind: "read", of: path }]);
      if (await this.#exists(asking, path)) return missing;
      if (dirname(path) === path) return undefined;
      missing = path;
    }
  }

  async #exists({ operation, path: target }: Asking, path: string): Promise<boolean> {
    try {
      return (await runAsync(look(systemCalls().async, path))) !== undefined;
    } catch (error) {
      throw inWords(operation, target, error);
    }
  }

  #missing(needs: readonly Need[]): string[] {
    return needs.flatMap(({ kind, of }) => {
      if (kind === "run") return this.#host.missingRunFlags(of!);
      if (kind === "ffi") return missingFfiFlag(of!);
      // Nothing is demanded of the system's facts.
      return kind === "sys" ? [] : missingFlags(of, [kind]);
    });
  }
}

/** An error in the words that the library would use; nothing has been changed. */
export function inWords(operation: string, path: string, error: unknown): unknown {
  return describeFailure(error, operation, path);
}
