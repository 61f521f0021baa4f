/**
 * What all options have in common: checks of their values, which take place before anything is touched; the
 * refusal of a name that an operation does not know; the durability and the waiting for locks.
 */

/**
 * What a call has made sure of when it returns. `"none"`: atomic for readers, and when this process
 * is killed; nothing is synced. `"file"`: as well, a power cut leaves the old or the new version,
 * whole. `"full"`: as well, the new version survives a power cut.
 */
export type Durability = "full" | "file" | "none";

/** Fails with what is wrong with an option's value. */
export type Check = (name: string, value: unknown) => void;

/** Each option of an operation: the check of its values, and its default, if it has one. */
export type OptionTable<Options> = {
  readonly [name in keyof Options]-?: readonly [check: Check, byDefault?: unknown];
};

/** Options with their defaults; `Open` are those that have none. */
export type Settings<Options, Open extends keyof Options> =
  & Required<Omit<Options, Open>>
  & { [name in Exclude<Open, never>]: Options[name] | undefined };

/** Checks options, and fills in the defaults. */
export function withDefaults<Options extends object, Open extends keyof Options>(
  options: Options | undefined,
  table: OptionTable<Options>,
): Settings<Options, Open> {
  const given = known(options, table);
  const names = Object.keys(table) as (keyof Options & string)[];
  const all = names.map((name) => [name, given[name] ?? table[name][1]]);
  return Object.fromEntries(all) as Settings<Options, Open>;
}

/** Checks options; a name that is not in the table is refused. */
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
      const names = Object.keys(table).join(", ");
      throw new TypeError(`unknown option "${name}": there are ${names}`);
    }
    table[name][0](name, value);
  }
  return options;
}

export function oneOf(...allowed: string[]): Check {
  return (name, value) => {
    if (!allowed.includes(value as string)) {
      throw new RangeError(`option "${name}" must be ${quoted(allowed)}, not ${shown(value)}`);
    }
  };
}

export function subsetOf(...allowed: string[]): Check {
  return (name, value) => {
    if (!Array.isArray(value) || value.some((entry) => !allowed.includes(entry))) {
      throw new TypeError(`option "${name}" must be a list of ${quoted(allowed)}`);
    }
  };
}

export function flag(name: string, value: unknown): void {
  if (typeof value !== "boolean") {
    throw new TypeError(`option "${name}" must be true or false, not ${shown(value)}`);
  }
}

export function permissionBits(name: string, value: unknown): void {
  if (typeof value !== "number") {
    throw new TypeError(`option "${name}" must be a number such as 0o644, not ${shown(value)}`);
  }
  if (!Number.isInteger(value) || value < 0 || value > 0o7777) {
    throw new RangeError(`option "${name}" must be from 0 to 0o7777, not ${value}`);
  }
}

export function abortSignal(name: string, value: unknown): void {
  if (!(value instanceof AbortSignal)) {
    throw new TypeError(`option "${name}" must be an AbortSignal, not ${shown(value)}`);
  }
}

export function callback(name: string, value: unknown): void {
  if (typeof value !== "function") {
    throw new TypeError(`option "${name}" must be a function, not ${shown(value)}`);
  }
}

export function milliseconds(name: string, value: unknown): void {
  if (typeof value === "number" && value >= 0) return;
  throw new RangeError(`option "${name}" must be milliseconds from 0 on, not ${shown(value)}`);
}

export function indentation(name: string, value: unknown): void {
  if (typeof value === "string" ? /^[ \t]{0,10}$/.test(value) : isCount(value, 10)) return;
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
  if (value === null || typeof value !== "object" && typeof value !== "function") {
    return String(value);
  }
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

/** Options of everything that takes a lock. */
export interface LockOptions {
  /**
   * How long a lock that another holds is waited for, in ms; 0: not at all, `Infinity`: for ever.
   * @default {10000}
   */
  wait?: number;
  /** Ends the call early: it fails with `signal.reason` and has changed nothing. */
  signal?: AbortSignal;
}

/** {@link LockOptions} with their defaults. */
export type LockSettings = Settings<LockOptions, "signal">;

/** The rows of {@link LockOptions}. */
export const LOCK_TABLE: OptionTable<LockOptions> = {
  wait: [milliseconds, 10_000],
  signal: [abortSignal],
};

/** Checks the options of `lock`. */
export function lockSettings(options: LockOptions | undefined): LockSettings {
  return withDefaults<LockOptions, "signal">(options, LOCK_TABLE);
}
