/** The types of the assertions that the tests use, as `@std/assert` declares them. */

type ErrorClass<E extends Error> = new (...args: never[]) => E;

/** Fails unless the value is truthy. */
export declare function assert(value: unknown, message?: string): asserts value;
/** Fails unless the values are deeply equal. */
export declare function assertEquals<T>(actual: T, expected: T, message?: string): void;
/** Fails if the values are deeply equal. */
export declare function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
/** Fails unless the text has the part. */
export declare function assertStringIncludes(actual: string, part: string, message?: string): void;
/** Fails unless the text matches. */
export declare function assertMatch(actual: string, expected: RegExp, message?: string): void;
/** Fails unless the function throws such an error; returns it. */
export declare function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  type?: ErrorClass<E>,
  includes?: string,
): E;
/** Fails unless the function's promise is rejected with such an error; returns it. */
export declare function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  type?: ErrorClass<E>,
  includes?: string,
): Promise<E>;
/** Fails. */
export declare function fail(message?: string): never;
