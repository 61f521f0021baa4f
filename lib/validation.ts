/** Asks the caller of a cleanup whether a version can be trusted. */

import { shown } from "./options.ts";
import { settle, type Steps } from "./steps.ts";

/**
 * Whether a version is valid. What throws is not, and why is added to `invalid`, by path; what forgets
 * its answer is a mistake, and fails.
 */
export function* askValid(
  validate: ((path: string) => unknown) | undefined,
  path: string,
  invalid: Map<string, string>,
): Steps<boolean> {
  if (validate === undefined) return true;
  const failed = (error: unknown): boolean => {
    invalid.set(path, error instanceof Error ? error.message : String(error));
    return false;
  };
  let answer: unknown;
  try {
    answer = validate(path);
    if (answer instanceof Promise) answer = answer.catch(failed);
  } catch (error) {
    return failed(error);
  }
  answer = yield* settle(answer);
  if (typeof answer === "boolean") return answer;
  throw new TypeError(`option "validate" must answer true or false, not ${shown(answer)}`);
}
