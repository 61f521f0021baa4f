/** Options: their checks against a table, and those that operations share, for durability and locks. */

/**
 * What is guaranteed when a call returns. `"none"`: readers see the old or the new version, complete, even if
 * this process is killed; nothing is synced. `"file"`: in addition, a power cut leaves the old or the new
 * version, complete. `"full"`: in addition, the new version survives a power cut.
 */
export type Durability = "full" | "file" | "none";

/** Throws if an option's value is invalid. */
export type Check = (name: string, value: unknown) => void;

/** Each option of an operation: the check of its value, and its default, if it has one. */
export type OptionTable<Options> = {
  readonly [name in keyof Options]-?: readonly [check: Check, byDefault?: unknown];
};

/** Options with their defaults; `Open` are those without one. */
export type Settings<Options, Open extends keyof Options> =
  & Required<Omit<Options, Open>>
  & { [name in Exclude<Open, never>]: Options[name] | undefined };

/** Checks options, and fills in the defaults. */
export function withDefaults<Options extends object, Open extends keyof Options>(
  options: Options | undefined,
  table: OptionTable<Options>,
): Settings<Options, Open> {
  const [given, settings] = [known(options, table), {} as Options];
  for (const name in table) settings[name] = given[name] ?? table[name][1] as Options[typeof name];
  return settings as Settings<Options, Open>;
}

/** Checks options; refuses those that are not in the table. */
export function known<Options extends object>(
  options: Options | undefined,
  table: OptionTable<Options>,
): Options {
  if (options === undefined) return {} as Options;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`the options must be an object, not ${shown(options)}`);
  }
  for (const name of Object.keys(options) as (keyof Options & string)[]) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Object.hasOwn(table, name)) {
      throw new TypeError(`unknown option "${name}"; known are ${Object.keys(table).join(", ")}`);
    }
    table[name][0](name, value);
  }
  return options;
}

/** A check that throws an error of class `Kind`, unless `fits` accepts the value. */
function check(
  fits: (value: unknown) => boolean,
  what: string,
  Kind: ErrorConstructor = TypeError,
): Check {
  return (name, value) => {
    if (!fits(value)) throw new Kind(`option "${name}" must be ${what}, not ${shown(value)}`);
  };
}

function isInteger(value: unknown, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;
}

export const flag: Check = check((value) => typeof value === "boolean", "true or false");
export const callback: Check = check((value) => typeof value === "function", "a function");
export const abortSignal: Check = check((value) => value instanceof AbortSignal, "an AbortSignal");

export const milliseconds: Check = check(
  (value) => typeof value === "number" && value >= 0,
  "a number of milliseconds, 0 or more",
  RangeError,
);

export const indentation: Check = check(
  (value) => typeof value === "string" ? /^[ \t]{0,10}$/.test(value) : isInteger(value, 10),
  "a number from 0 to 10, or up to 10 spaces and tabs",
  RangeError,
);

const number = check((value) => typeof value === "number", "a number such as 0o644");
const mode = check((value) => isInteger(value, 0o7777), "from 0 to 0o7777", RangeError);

export function permissionBits(name: string, value: unknown): void {
  number(name, value);
  mode(name, value);
}

export function oneOf(...allowed: string[]): Check {
  return check((value) => allowed.includes(value as string), quoted(allowed), RangeError);
}

export function subsetOf(...allowed: string[]): Check {
  return (name, value) => {
    if (!Array.isArray(value) || value.some((entry) => !allowed.includes(entry))) {
      throw new TypeError(`option "${name}" must be a list of ${quoted(allowed)}`);
    }
  };
}

function quoted(words: string[]): string {
  return words.map((word) => `"${word}"`).join(" or ");
}

/** A value as error messages show it; short, and safe for values of any kind. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null || typeof value !== "object" && typeof value !== "function") {
    return String(value);
  }
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

/** Options of operations that take a lock. */
export interface LockOptions {
  /**
   * Maximum time in ms to wait for a lock: for each operation of this process that asked for it before, and
   * then for other processes. 0 doesn't wait, `Infinity` waits forever.
   * @default {10000}
   */
  wait?: number;
  /** Aborts the operation: it rejects with `signal.reason` and leaves everything unchanged. */
  signal?: AbortSignal;
}

export type LockSettings = Settings<LockOptions, "signal">;

export const LOCK_TABLE: OptionTable<LockOptions> = {
  wait: [milliseconds, 10_000],
  signal: [abortSignal],
};

export function lockSettings(options: LockOptions | undefined): LockSettings {
  return withDefaults<LockOptions, "signal">(options, LOCK_TABLE);
}
