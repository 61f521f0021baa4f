/**
 * Loaded before the tests in Deno, whose `node:test` keeps silent about errors outside of any test: at
 * the top of a file, or in a timer. They are written to a file here, for `test.ts` to see.
 */

const report = (error: unknown): void => {
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  Deno.writeTextFileSync(Deno.env.get("UNTORN_UNCAUGHT")!, text + "\n", { append: true });
};

globalThis.addEventListener("error", ({ error }) => report(error));
globalThis.addEventListener("unhandledrejection", ({ reason }) => report(reason));
