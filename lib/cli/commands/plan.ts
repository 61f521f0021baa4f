/**
 * The plan of a transaction, as JSON: read, and checked as `docs/plan.schema.json` says. What is wrong is
 * refused with the path of the faulty field.
 */

import { UsageError } from "../shared/command.ts";

/** A plan. Its relative paths are those of the plan's own directory; those of its steps are below root. */
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

/** What a step of each kind has besides: one of the first, any of the others. */
const KINDS: Record<string, { one: Record<string, Check>; more: Record<string, Check> }> = {
  write: { one: { content: text, from: path }, more: { mode: octal } },
  persist: { one: { from: path }, more: { carryOver: flag, writeOnce: paths } },
  remove: { one: {}, more: {} },
  rename: { one: { to: path }, more: {} },
};

/** The plan that a text is. */
export function parsePlan(json: string): Plan {
  let plan: unknown;
  try {
    plan = JSON.parse(json);
  } catch (error) {
    throw new UsageError(`the plan is no JSON: ${(error as Error).message}`);
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
  if (found.length !== 1) return wrong(at, `must have one of ${kinds.join(", ")}`);
  const [kind] = found as [string];
  const { one, more } = KINDS[kind]!;
  const given = fields(step, at, [kind, ...Object.keys(one), ...Object.keys(more)]);
  check(given[kind], `${at}.${kind}`, path);
  const which = Object.keys(one).filter((name) => Object.hasOwn(given, name));
  const names = Object.keys(one);
  if (names.length > 1 && which.length !== 1) wrong(at, `must have one of ${names.join(", ")}`);
  if (names.length === 1) check(given[names[0]!], `${at}.${names[0]}`, path);
  for (const [name, is] of Object.entries({ ...one, ...more })) {
    if (Object.hasOwn(given, name)) check(given[name], `${at}.${name}`, is);
  }
}

/** The fields of an object, which has no others than these. */
function fields(value: unknown, at: string, allowed?: string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return wrong(at, "must be an object");
  }
  const other = allowed && Object.keys(value).find((name) => !allowed.includes(name));
  if (other !== undefined) {
    const field = at.startsWith("steps") ? `${at}.${other}` : other;
    wrong(field, `is not known; there are ${allowed!.join(", ")}`);
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
