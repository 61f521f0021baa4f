/**
 * Parses the plan of a transaction from JSON and checks it against the rules of `docs/plan.schema.json`.
 * Errors name the path of the faulty field.
 */

import { UsageError } from "../shared/options.ts";

/** A plan. Steps change paths below root. Root, and sources of copies, are relative to the plan's directory. */
export interface Plan {
  root: string;
  steps: Step[];
}

/** One change of a plan. */
export type Step =
  | { write: string; content: string; mode?: string }
  | { write: string; from: string; mode?: string }
  | { persist: string; from: string; carryOver?: boolean; writeOnce?: string[] }
  | { remove: string }
  | { rename: string; to: string };

/** What a value must be, and the words for that. */
type Check = [must: string, isMet: (value: unknown) => boolean];

const isText = (value: unknown): value is string => typeof value === "string";
const isPath = (value: unknown): boolean => isText(value) && value !== "";

const TEXT: Check = ["a string", isText];
const PATH: Check = ["a path", isPath];
const MODE: Check = ['octal digits such as "644"', (it) => isText(it) && /^[0-7]{3,4}$/.test(it)];
const FLAG: Check = ["true or false", (it) => typeof it === "boolean"];
const PATHS: Check = ["a list of paths", (it) => Array.isArray(it) && it.every(isPath)];

/** The other fields of each kind of step: exactly one of the required ones, and any of the optional ones. */
const KINDS: Record<string, Record<"required" | "optional", Record<string, Check>>> = {
  write: { required: { content: TEXT, from: PATH }, optional: { mode: MODE } },
  persist: { required: { from: PATH }, optional: { carryOver: FLAG, writeOnce: PATHS } },
  remove: { required: {}, optional: {} },
  rename: { required: { to: PATH }, optional: {} },
};

/** Parses and checks a plan. */
export function parsePlan(json: string): Plan {
  let plan: unknown;
  try {
    plan = JSON.parse(json);
  } catch (error) {
    throw new UsageError(`the plan is not valid JSON: ${(error as Error).message}`);
  }
  const { root, steps } = fields(plan, "the plan", ["root", "steps"]);
  check(root, "root", PATH);
  if (!Array.isArray(steps)) return wrong("steps", "must be a list");
  steps.forEach(checkStep);
  return plan as Plan;
}

function checkStep(step: unknown, index: number): void {
  const at = `steps[${index}]`;
  const kind = theOne(Object.keys(KINDS), fields(step, at), at);
  const { required, optional } = KINDS[kind]!;
  const checks: Record<string, Check> = { [kind]: PATH, ...required, ...optional };
  const given = fields(step, at, Object.keys(checks));
  const names = Object.keys(required);
  const needed = names.length > 1 ? [theOne(names, given, at)] : names;
  for (const [name, is] of Object.entries(checks)) {
    if (needed.includes(name) || Object.hasOwn(given, name)) {
      check(given[name], `${at}.${name}`, is);
    }
  }
}

/** Returns the fields of an object, and refuses fields that are not allowed. */
function fields(value: unknown, at: string, allowed?: string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return wrong(at, "must be an object");
  }
  const other = allowed && Object.keys(value).find((name) => !allowed.includes(name));
  if (other !== undefined) {
    const field = at.startsWith("steps") ? `${at}.${other}` : other;
    wrong(field, `is unknown; the known fields are ${allowed!.join(", ")}`);
  }
  return value as Record<string, unknown>;
}

/** Returns the one of some fields that is given. */
function theOne(names: string[], given: Record<string, unknown>, at: string): string {
  const [found, ...more] = names.filter((name) => Object.hasOwn(given, name));
  if (found !== undefined && more.length === 0) return found;
  return wrong(at, `must have exactly one of ${names.join(", ")}`);
}

function check(value: unknown, at: string, [must, isMet]: Check): void {
  if (value === undefined) wrong(at, "is missing");
  if (!isMet(value)) wrong(at, `must be ${must}`);
}

function wrong(at: string, why: string): never {
  throw new UsageError(`${at} ${why}`);
}
