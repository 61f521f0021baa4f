/** Which runtime this is, and which permissions Deno has been granted. */

/** Whether this runs in Deno, not in Node with a shim of that name. */
export function isDeno(): boolean {
  return typeof Deno !== "undefined" && typeof Deno.version?.deno === "string" &&
    typeof Deno.openSync === "function";
}

/** Whether Deno has a permission; never prompts. */
export function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}
