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

type Check = (value: unknown) => string | undefined;

const text: Check = (value) => typeof value === "string" ? undefined : "must be a string";

const path: Check = (value) =>
  typeof value === "string" && value !== "" ? undefined : "must be a path";

const octal: Check = (value) =>
  typeof value === "string" && /^[0-7]{3,4}$/.test(value)
    ? undefined
    : 'must be octal digits such as "644"';

const flag: Check = (value) => typeof value === "boolean" ? undefined : "must be true or false";

const paths: Check = (value) =>
  Array.isArray(value) && value.every((item) => path(item) === undefined)
    ? undefined
    : "must be a list of paths";

/** The other fields of each kind of step: exactly one of the required ones, and any of the optional ones. */
const KINDS: Record<string, { required: Record<string, Check>; optional: Record<string, Check> }> =
  {
    write: { required: { content: text, from: path }, optional: { mode: octal } },
    persist: { required: { from: path }, optional: { carryOver: flag, writeOnce: paths } },
    remove: { required: {}, optional: {} },
    rename: { required: { to: path }, optional: {} },
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
  check(root, "root", path);
  if (!Array.isArray(steps)) return wrong("steps", "must be a list");
  steps.forEach(checkStep);
  return plan as Plan;
}

function checkStep(step: unknown, index: number): void {
  const at = `steps[${index}]`;
  const kinds = Object.keys(KINDS);
  const found = kinds.filter((kind) => Object.hasOwn(fields(step, at), kind));
  if (found.length !== 1) return wrong(at, `must have exactly one of ${kinds.join(", ")}`);
  const [kind] = found as [string];
  const { required, optional } = KINDS[kind]!;
  const given = fields(step, at, [kind, ...Object.keys(required), ...Object.keys(optional)]);
  check(given[kind], `${at}.${kind}`, path);
  const names = Object.keys(required);
  const which = names.filter((name) => Object.hasOwn(given, name));
  if (names.length > 1 && which.length !== 1) {
    wrong(at, `must have exactly one of ${names.join(", ")}`);
  }
  if (names.length === 1) check(given[names[0]!], `${at}.${names[0]}`, path);
  for (const [name, is] of Object.entries({ ...required, ...optional })) {
    if (Object.hasOwn(given, name)) check(given[name], `${at}.${name}`, is);
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

function check(value: unknown, at: string, is: Check): void {
  const why = value === undefined ? "is missing" : is(value);
  if (why !== undefined) wrong(at, why);
}

function wrong(at: string, why: string): never {
  throw new UsageError(`${at} ${why}`);
}
