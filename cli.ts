#!/usr/bin/env -S deno run --no-prompt --allow-read --allow-write --allow-env=HOME

/**
 * The command `untorn`: run by URL or path with path-scoped permissions, or compiled to one binary.
 *
 * @module
 */

import { main } from "./lib/cli/main.ts";

if (import.meta.main) await main();
