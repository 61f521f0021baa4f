/**
 * How much an asynchronous binding writes at once instead of in the background: copying this much
 * into the page cache takes tens of microseconds, about what a hop to a thread and back costs.
 */
export const INLINE_BYTES: number = 64 * 1024;
