/** Runs a command, and turns its errors into messages and an exit code. */

import { UntornError } from "../core/errors.ts";
import { color, type Context, type Entry, printJson } from "./shared/command.ts";
import { UsageError } from "./shared/options.ts";
import { PermissionCheck } from "./shared/permission_check.ts";

/** Returns the exit code. */
export async function attempt(
  { name, load }: Entry,
  args: string[],
  json: boolean,
  context: Omit<Context, "permissions">,
): Promise<number> {
  const { host, signal } = context;
  try {
    const permissions = new PermissionCheck(host);
    const call = await (await load()).prepare(args, { ...context, permissions });
    return await call() ?? 0;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return 1;
    const message = error instanceof UsageError
      ? await withHints(error, name)
      : error instanceof Error
      ? error.message
      : String(error);
    await host.print("stderr", `${color(host, "stderr", "red", "untorn:")} ${message}\n`);
    if (json) await printJson(host, { error: facts(error, message) });
    return exitCode(error);
  }
}

async function withHints({ message, unknown, command }: UsageError, name: string): Promise<string> {
  // Loaded here because only mistakes need it.
  const hint = unknown && (await import("./shared/suggest.ts")).suggestion(unknown);
  return `${message}${hint ?? ""}; see untorn ${command ?? name} --help`;
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
