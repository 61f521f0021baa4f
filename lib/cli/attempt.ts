/** Runs a command, and turns how it ended into messages and an exit code. */

import { UntornError } from "../core/errors.ts";
import { type Command, type Entry, UsageError } from "./shared/command.ts";
import type { Host } from "./shared/host.ts";
import { paint } from "./shared/color.ts";
import { Permits } from "./shared/permission_check.ts";

/** Returns the exit code. */
export async function attempt(
  command: Command,
  args: string[],
  json: boolean,
  host: Host,
  signal: AbortSignal,
  commands: readonly Entry[],
): Promise<number> {
  try {
    const context = { host, signal, permits: new Permits(host), commands };
    const run = await command.prepare(args, context);
    return await run();
  } catch (error) {
    if (signal.aborted && error === signal.reason) return 1;
    let message = error instanceof Error ? error.message : String(error);
    if (error instanceof UsageError) {
      message = `${message}; see untorn ${error.command ?? command.name} --help`;
    }
    await host.print("stderr", `${paint(host, "stderr", "red", "untorn:")} ${message}\n`);
    if (json) {
      await host.print("stdout", JSON.stringify({ error: facts(error, message) }) + "\n");
    }
    return exitCode(error);
  }
}

function facts(error: unknown, message: string): object {
  if (!(error instanceof UntornError)) return { message };
  const { code, operation, path, target, outcome } = error;
  return { code, operation, path, target, outcome, message };
}

function exitCode(error: unknown): number {
  if (error instanceof UsageError) return 2;
  if (!(error instanceof UntornError)) return 1;
  if (error.outcome !== "unchanged") return 3;
  if (error.code === "ERR_LOCKED") return 4;
  return error.code === "ERR_PERMISSION" ? 5 : 1;
}
