#!/usr/bin/env -S deno run --no-prompt --allow-read --allow-write --allow-env=HOME

/**
 * The command `untorn`: run by URL or path with path-scoped permissions, or compiled to one binary.
 *
 * @module
 */

import { main } from "./lib/cli/main.ts";

// Not awaited: where all of it is one file, what is loaded later stands below this line.
if (import.meta.main) void main();
