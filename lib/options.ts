/**
 * The options of every operation: their types, what each may be, what it is when absent. All of it is
 * checked before anything is touched; a name that an operation does not know is refused.
 */

/**
 * What a call has made sure of when it returns. `"none"`: atomic for readers, and when this process
 * is killed; nothing is synced. `"file"`: as well, a power cut leaves the old or the new version,
 * whole. `"full"`: as well, the new version survives a power cut.
 */
export type Durability = "full" | "file" | "none";

/** How far a write has come. */
export interface Progress {
  /** Bytes written so far. */
  bytes: number;
  /** Bytes there are in all, where that is known. */
  total: number | undefined;
}

/** Options of everything that replaces a file. */
export interface FileOptions {
  /**
   * What the call makes sure of.
   * @default {"full"}
   */
  durability?: Durability;
  /**
   * The permission bits, 0 to 0o7777, set exactly: the umask does not apply. When absent, an existing
   * file's are kept, and a new file gets 0o666 less the umask. Windows has none of them.
   */
  mode?: number;
  /**
   * What the new version takes over from an existing file. The owner is kept as far as the system
   * allows it; where the group can't be, the group gets no more than others, and a set-user-id or
   * set-group-id bit is dropped. Access control lists and extended attributes are not kept.
   * @default {["mode", "owner"]}
   */
  preserve?: readonly ("mode" | "owner")[];
  /**
   * Whether an existing file is replaced. If not, the call fails with `EEXIST`, also when the file
   * appears only meanwhile: of many who create it at once, one succeeds.
   * @default {true}
   */
  overwrite?: boolean;
  /**
   * Whether a file that has the very same bytes (and `mode`, if given) is left alone, with its time of
   * modification. It is still synced as `durability` says.
   * @default {false}
   */
  ifChanged?: boolean;
  /**
   * Whether a symbolic link stays, and what it leads to is replaced or created; else the link itself
   * is replaced by a file.
   * @default {true}
   */
  followSymlink?: boolean;
  /**
   * Whether missing directories above the file are created, and removed again if the call fails.
   * @default {true}
   */
  createParents?: boolean;
  /** Ends the call early: it fails with `signal.reason` and has changed nothing. */
  signal?: AbortSignal;
  /** Called as the content is written, about once for each MiB, and at its end. */
  onProgress?: (progress: Progress) => void;
}

/** Options of `atomicWriteJson`. */
export interface JsonOptions extends FileOptions {
  /**
   * What each level is indented by: spaces, 0 to 10 of them (0: all on one line), or up to ten spaces
   * and tabs as a string.
   * @default {2}
   */
  indent?: number | string;
}

/** {@link FileOptions} with every question answered. */
export interface FileSettings {
  durability: Durability;
  mode: number | undefined;
  keepMode: boolean;
  keepOwner: boolean;
  overwrite: boolean;
  ifChanged: boolean;
  followSymlink: boolean;
  createParents: boolean;
  signal: AbortSignal | undefined;
  onProgress: ((progress: Progress) => void) | undefined;
}

/** Checks the options of an operation on a file, and fills in what is absent. */
export function fileSettings(options: FileOptions | undefined): FileSettings {
  const given = known(options, FILE_CHECKS);
  const preserve = given.preserve ?? ["mode", "owner"];
  if (given.mode !== undefined && given.preserve?.includes("mode")) {
    throw new TypeError(
      `options "mode" and "preserve" contradict each other: drop one "mode"`,
    );
  }
  if (given.ifChanged === true && given.overwrite === false) {
    throw new TypeError(
      `options "ifChanged" and "overwrite: false" contradict each other`,
    );
  }
  return {
    durability: given.durability ?? "full",
    mode: given.mode,
    keepMode: preserve.includes("mode"),
    keepOwner: preserve.includes("owner"),
    overwrite: given.overwrite ?? true,
    ifChanged: given.ifChanged ?? false,
    followSymlink: given.followSymlink ?? true,
    createParents: given.createParents ?? true,
    signal: given.signal,
    onProgress: given.onProgress,
  };
}

/** Splits the options of `atomicWriteJson` into what JSON needs and what the file does. */
export function jsonSettings(
  options: JsonOptions | undefined,
): { indent: number | string; file: FileOptions } {
  const { indent, ...file } = known(options, {
    ...FILE_CHECKS,
    indent: indentation,
  });
  return { indent: indent ?? 2, file };
}

/** Fails with what is wrong with an option's value. */
export type Check = (name: string, value: unknown) => void;

export const FILE_CHECKS: Record<keyof FileOptions, Check> = {
  durability: oneOf("full", "file", "none"),
  mode: permissionBits,
  preserve: subsetOf("mode", "owner"),
  overwrite: flag,
  ifChanged: flag,
  followSymlink: flag,
  createParents: flag,
  signal: abortSignal,
  onProgress: callback,
};

/** The options that are given, each checked. */
export function known<Options extends object>(
  options: Options | undefined,
  checks: Record<keyof Options, Check>,
): Options {
  if (options === undefined) return {} as Options;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`the options must be an object, not ${shown(options)}`);
  }
  for (const name of Object.keys(options) as (keyof Options & string)[]) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Object.hasOwn(checks, name)) {
      const names = Object.keys(checks).join(", ");
      throw new TypeError(`unknown option "${name}": there are ${names}`);
    }
    checks[name](name, value);
  }
  return options;
}

export function oneOf(...allowed: string[]): Check {
  return (name, value) => {
    if (!allowed.includes(value as string)) {
      throw new RangeError(
        `option "${name}" must be ${quoted(allowed)}, not ${shown(value)}`,
      );
    }
  };
}

function subsetOf(...allowed: string[]): Check {
  return (name, value) => {
    if (
      !Array.isArray(value) || value.some((entry) => !allowed.includes(entry))
    ) {
      throw new TypeError(
        `option "${name}" must be a list of ${quoted(allowed)}`,
      );
    }
  };
}

export function flag(name: string, value: unknown): void {
  if (typeof value !== "boolean") {
    throw new TypeError(
      `option "${name}" must be true or false, not ${shown(value)}`,
    );
  }
}

export function permissionBits(name: string, value: unknown): void {
  if (typeof value !== "number") {
    throw new TypeError(
      `option "${name}" must be a number such as 0o644, not ${shown(value)}`,
    );
  }
  if (!Number.isInteger(value) || value < 0 || value > 0o7777) {
    throw new RangeError(
      `option "${name}" must be from 0 to 0o7777, not ${value}`,
    );
  }
}

export function abortSignal(name: string, value: unknown): void {
  if (!(value instanceof AbortSignal)) {
    throw new TypeError(
      `option "${name}" must be an AbortSignal, not ${shown(value)}`,
    );
  }
}

export function callback(name: string, value: unknown): void {
  if (typeof value !== "function") {
    throw new TypeError(
      `option "${name}" must be a function, not ${shown(value)}`,
    );
  }
}

export function milliseconds(name: string, value: unknown): void {
  if (typeof value === "number" && value >= 0) return;
  throw new RangeError(`option "${name}" must be milliseconds from 0 on, not ${shown(value)}`);
}

export function indentation(name: string, value: unknown): void {
  if (
    typeof value === "string" ? /^[ \t]{0,10}$/.test(value) : isCount(value, 10)
  ) return;
  throw new RangeError(
    `option "${name}" must be from 0 to 10, or up to 10 spaces and tabs, not ${shown(value)}`,
  );
}

function isCount(value: unknown, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 &&
    (value as number) <= most;
}

function quoted(words: string[]): string {
  return words.map((word) => `"${word}"`).join(" or ");
}

/** A value in an error's words: short, and never failing itself. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (
    value === null || typeof value !== "object" && typeof value !== "function"
  ) {
    return String(value);
  }
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
