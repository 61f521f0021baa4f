/** The commands there are: what each does in a line, and where it is, to be loaded when it is called. */

import type { Entry } from "./shared/command.ts";

/** All commands, in the order of the help. */
export const COMMANDS: readonly Entry[] = [
  {
    name: "write",
    summary: "what comes in, or what a command prints, becomes a file",
    load: async () => (await import("./commands/write.ts")).write,
  },
  {
    name: "persist",
    summary: "a directory is replaced as one, by a copy or what is built",
    load: async () => (await import("./commands/persist.ts")).persist,
  },
  {
    name: "cleanup",
    summary: "what crashes left below a directory is finished or undone",
    load: async () => (await import("./commands/cleanup.ts")).cleanup,
  },
  {
    name: "status",
    summary: "what a cleanup would do, without touching anything",
    load: async () => (await import("./commands/cleanup.ts")).status,
  },
  {
    name: "remove",
    summary: "a file or a directory with all in it disappears in one step",
    load: async () => (await import("./commands/remove.ts")).remove,
  },
  {
    name: "history",
    summary: "the versions of a directory that were kept",
    load: async () => (await import("./commands/history.ts")).history,
  },
  {
    name: "rollback",
    summary: "a version that was kept comes back, in one step",
    load: async () => (await import("./commands/history.ts")).rollback,
  },
  {
    name: "apply",
    summary: "several changes below one directory, all or none, from a plan",
    load: async () => (await import("./commands/apply.ts")).apply,
  },
  {
    name: "lock",
    summary: "a command runs under the lock of a path",
    load: async () => (await import("./commands/lock.ts")).lock,
  },
  {
    name: "doctor",
    summary: "what a file system allows, and a self-test on it",
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  {
    name: "permissions",
    summary: "the smallest Deno flags that a command needs",
    load: async () => (await import("./commands/permissions.ts")).permissions,
  },
  {
    name: "completions",
    summary: "a script that completes what is typed in bash, zsh or fish",
    load: async () => (await import("./commands/completions.ts")).completions,
  },
];

/** The help that names all commands. */
export function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const rows = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `untorn: files and directories that are never half-written

Usage: untorn COMMAND [ARGUMENTS]

${rows.join("")}
Options:
  -h, --help     help; for a command: untorn COMMAND --help
  -V, --version  the version

Exit codes: 0 done; 1 failed, nothing changed; 2 wrong usage; 3 replaced, but it
may not survive a power cut; 4 locked by another process; 5 no permission.
A signal leaves nothing behind, and ends untorn with its own exit code.

With --json, each command prints one JSON object, whose fields its help tells; a
failure is {"error": {code, operation, path, target, outcome, message}}, of
which only message is always there.

Example:
  jq '.port = 8080' config.json | untorn write config.json
`;
}
