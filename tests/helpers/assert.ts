/** `@std/assert`, from npm (its registry may be out of reach), with the types it has there not. */

// @ts-types="./assert_types.ts"
export * from "deno-std/assert/mod.js";
