/** Sizes up to which the bindings and those who use them take a shorter way. */

/**
 * How much an asynchronous binding writes at once instead of in the background: copying this much
 * into the page cache takes tens of microseconds, about what a hop to a thread and back costs.
 */
export const INLINE_BYTES: number = 64 * 1024;

/** Up to so many bytes a new file is made by one call: `Deno.writeFile` copies them at once. */
export const WHOLE_BYTES: number = 64 * 1024;
