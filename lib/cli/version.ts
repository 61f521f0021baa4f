/** The version, as in `deno.json` and `package.json` (a test compares them). */
export const VERSION = "0.1.0";
