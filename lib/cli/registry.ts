/** The list of all commands: a summary of each, and a function that loads it when it is called. */

import type { Entry } from "./shared/command.ts";

const TABLE: Record<string, Omit<Entry, "name">> = {
  write: {
    summary: "Write standard input, or a command's output, to a file",
    load: async () => (await import("./commands/write.ts")).write,
  },
  persist: {
    summary: "Replace a whole directory with a copy or a build",
    load: async () => (await import("./commands/persist.ts")).persist,
  },
  cleanup: {
    summary: "Finish or undo changes that crashes have interrupted",
    load: async () => (await import("./commands/cleanup.ts")).cleanup,
  },
  status: {
    summary: "Show what cleanup would do, without changing anything",
    load: async () => (await import("./commands/cleanup.ts")).status,
  },
  remove: {
    summary: "Remove a file or a whole directory in one step",
    load: async () => (await import("./commands/remove.ts")).remove,
  },
  history: {
    summary: "List the previous versions of a directory",
    load: async () => (await import("./commands/history.ts")).history,
  },
  rollback: {
    summary: "Restore a previous version of a directory",
    load: async () => (await import("./commands/history.ts")).rollback,
  },
  apply: {
    summary: "Make several changes from a plan, all or none",
    load: async () => (await import("./commands/apply.ts")).apply,
  },
  lock: {
    summary: "Run a command while holding the lock of a path",
    load: async () => (await import("./commands/lock.ts")).lock,
  },
  doctor: {
    summary: "Show what a file system supports, and test Untorn on it",
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  permissions: {
    summary: "Print the smallest set of Deno flags for a command",
    load: async () => (await import("./commands/permissions.ts")).permissions,
  },
  completions: {
    summary: "Print a completion script for bash, zsh or fish",
    load: async () => (await import("./commands/completions.ts")).completions,
  },
};

/** All commands, in the order in which the help shows them. */
export const COMMANDS: readonly Entry[] = Object.entries(TABLE)
  .map(([name, entry]) => ({ name, ...entry }));

/** Returns the help that lists all commands. */
export function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const rows = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `untorn: files and directories that are never half-written

Usage: untorn COMMAND [ARGUMENTS]

Commands:
${rows.join("")}
Options:
  -h, --help     show this help; for a command: untorn COMMAND --help
  -V, --version  show the version

Exit codes:
  0  success
  1  failure; nothing was changed
  2  invalid usage
  3  changed, but the change may not survive a power failure
  4  locked by another process
  5  permission denied
On a signal, untorn removes what it has staged, and then ends by that signal.

With --json, each command prints one JSON object, whose fields its help lists.
A failure is {"error": {code, operation, path, target, outcome, message}}; only
message is always present.

Example:
  jq '.port = 8080' config.json | untorn write config.json
`;
}
