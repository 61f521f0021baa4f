/**
 * From what a crash left to what is to be done: the only place that decides; pure.
 *
 * | X       | `.staging-X` | `.old-X` | how it arises                     | what is done               |
 * | ------- | ------------ | -------- | --------------------------------- | -------------------------- |
 * | any     | there        | –        | while staging; after an exchange  | trash staging              |
 * | there   | –            | there    | after a swap of two renames       | trash old; versions are    |
 * |         |              |          |                                   | kept: old to the history   |
 * | there   | there        | there    | between those renames, and since  | X aside, old back, staging |
 * |         |              |          | then somebody made another X      | trashed                    |
 * | missing | any          | there    | between those renames             | old back, staging trashed  |
 * | invalid | any          | valid    | a power cut, nothing synced       | X aside, old back          |
 * | invalid | any          | none     | the same, exchanged               | staging aside, X stays     |
 * | invalid | any          | invalid  | damage from outside               | both aside, X stays        |
 * | missing | any          | invalid  | damage from outside               | both aside                 |
 * | a file  | any          | any      | somebody else's names             | nothing                    |
 *
 * What is in `.staging-X` was never acknowledged, or is the version before; it is never published.
 * `.old-X` is a whole version: it only ever gets its name, or loses it, by a rename. A version is
 * invalid if the caller's `validate` says so. Each row's actions, cut off after any of them, leave a
 * row that leads to the same end.
 */

/** What is there, under the target's lock. */
export interface DirState {
  /** `"other"`: not a directory. */
  target: "missing" | "whole" | "invalid" | "other";
  staging: boolean;
  old: "missing" | "whole" | "invalid";
  /** Whether versions of it are kept. */
  history: boolean;
}

/** One thing to do, with its reason; `"keep"` is to do nothing, and to tell it. */
export interface Action {
  act: "restore" | "trash" | "archive" | "set aside" | "keep";
  what: "target" | "staging" | "old";
  reason: string;
}

/** What to do with what is beside a directory, in this order. */
export function planRecovery({ target, staging, old, history }: DirState): Action[] {
  const actions: Action[] = [];
  const add = (act: Action["act"], what: Action["what"], reason: string): unknown =>
    actions.push({ act, what, reason });
  if (target === "other") {
    const reason = "what has its target's name is not a directory";
    if (old !== "missing") add("keep", "old", reason);
    if (staging) add("keep", "staging", reason);
    return actions;
  }
  const invalid = "it failed validation";
  // A swap that came to its end has no staging directory any more.
  const impostor = target === "whole" && staging && old === "whole";
  if (impostor) {
    add("set aside", "target", "it was made while its version before stood aside");
    target = "missing";
  }
  if (target === "invalid" && old === "whole") add("set aside", "target", invalid);
  if (old === "invalid") add("set aside", "old", invalid);
  if (target === "whole" && old === "whole") {
    add(history ? "archive" : "trash", "old", "the version before a swap");
  }
  if (target !== "whole" && old === "whole") {
    const reason = target === "missing"
      ? "a swap ended between its two renames"
      : "the version after it failed validation";
    add("restore", "old", reason);
  }
  const stands = target === "whole" || old === "whole";
  const damaged = target === "invalid" || old === "invalid";
  if (staging) {
    if (stands || !damaged) add("trash", "staging", "left by a persist that did not end");
    else add("set aside", "staging", "no other version passed validation");
  }
  if (target === "invalid" && old !== "whole") {
    add("keep", "target", "it failed validation, and no other version passed");
  }
  return actions;
}

/** Whether what has no lock is left of a dead writer, by its age and the least age of such, in ms. */
export function isOld(age: number, minAge: number): boolean {
  // The file system's clock ticks every few ms, and may be ahead of this process's by one.
  return age >= minAge || minAge === 0;
}
