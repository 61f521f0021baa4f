/** Which runtime this is. */

/** Whether this runs in Deno, rather than in Node with a shim of its name. */
export function isDeno(): boolean {
  return typeof Deno !== "undefined" && typeof Deno.version?.deno === "string" &&
    typeof Deno.openSync === "function";
}
