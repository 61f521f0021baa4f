/** Changes several files and directories below one root together, or not at all. */

import { toPath } from "../core/paths.ts";
import type { Steps } from "../core/steps.ts";
import type { Os } from "../os/port.ts";
import { runOnSystem, runOnSystemSync } from "../os/system.ts";
import {
  type TransactionOptions,
  type TransactionResult,
  transactionSettings,
} from "./transaction_options.ts";
import { type Transaction, TransactionSteps, type TransactionSync } from "./transaction_steps.ts";

/**
 * Changes several files and directories below one root atomically: all changes take effect or none, even
 * after a crash or a power failure. The function plans and stages the changes; they are committed after it
 * has returned. If it throws, nothing changes. The next transaction on the same root, or a `cleanup` of it,
 * completes a committed transaction that a crash interrupted.
 *
 * The root's lock serialises transactions. A reader that does not take that lock (see `lock`) may see one
 * file changed and another not yet. A transaction changes each path once, and neither a path above nor one
 * below it.
 *
 * Permissions in Deno: `--allow-read` and `--allow-write` for the root, and for the directory above it, which
 * holds its lock.
 *
 * @param root The directory that contains all changed paths.
 * @param change Plans the changes.
 * @param options Options; see {@link TransactionOptions}.
 * @returns A summary of the transaction.
 * @throws {TypeError | RangeError} If an argument is invalid; nothing was changed.
 * @throws {UntornError} If the transaction failed. With the outcome `"unchanged"` nothing was changed; with
 * `"replaced"` it is committed, and a cleanup makes the changes that are missing. The code is `ERR_SOURCE` if
 * the function threw (see `cause`).
 *
 * @example A settings file, and what was computed from it
 * ```ts
 * import { transaction } from "@untorn/untorn";
 * import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * await writeFile(`${dir}/old.css`, "p {}");
 * await transaction(dir, async (tx) => {
 *   await tx.writeJson("settings.json", { theme: "dark" });
 *   await tx.write("css/dark.css", "p { color: white }");
 *   await tx.remove("old.css");
 * });
 * if ((await readdir(dir)).sort().join() !== "css,settings.json") throw new Error("?");
 * await rm(dir, { recursive: true });
 * ```
 */
export async function transaction(
  root: string | URL,
  change: (tx: Transaction) => void | Promise<void>,
  options?: TransactionOptions,
): Promise<TransactionResult> {
  const steps = await runOnSystem((os) => openTransaction(os, root, change, options));
  return await steps.fillAndCommit((inOrder) => change(steps.asyncForm(inOrder)));
}

/** Synchronous version of {@link transaction}. */
export function transactionSync(
  root: string | URL,
  change: (tx: TransactionSync) => void,
  options?: TransactionOptions,
): TransactionResult {
  const steps = runOnSystemSync((os) => openTransaction(os, root, change, options));
  return steps.fillAndCommitSync(() => change(steps.syncForm()));
}

function* openTransaction(
  os: Os,
  root: string | URL,
  change: unknown,
  options: TransactionOptions | undefined,
): Steps<TransactionSteps> {
  const steps = new TransactionSteps(os, toPath(root), transactionSettings(options));
  if (typeof change !== "function") {
    throw new TypeError(`the change must be a function, not ${typeof change}`);
  }
  yield* steps.open();
  return steps;
}
