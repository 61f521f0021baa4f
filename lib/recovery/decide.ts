/**
 * Decides what to do with the leftovers beside a directory X; pure, and the only place that decides.
 *
 * | X       | `.staging-X` | `.old-X` | how it arises                      | action                      |
 * | ------- | ------------ | -------- | ---------------------------------- | --------------------------- |
 * | any     | there        | missing  | while staging; after an exchange   | trash staging               |
 * | whole   | missing      | whole    | after a swap by two renames        | trash old; if X has a       |
 * |         |              |          |                                    | history: old to the history |
 * | whole   | there        | whole    | between those renames, and another | quarantine X, restore old,  |
 * |         |              |          | process created X since            | trash staging               |
 * | missing | any          | whole    | between those renames              | restore old, trash staging  |
 * | invalid | any          | whole    | a power failure, nothing synced    | quarantine X, restore old,  |
 * |         |              |          |                                    | trash staging               |
 * | whole   | any          | invalid  | damage from outside                | quarantine old, trash       |
 * |         |              |          |                                    | staging                     |
 * | other   | any          | any      | X is no directory: the names are   | none                        |
 * |         |              |          | the user's                         |                             |
 *
 * If neither X nor old is whole, and at least one of them is invalid, X stays, and old and staging are
 * quarantined: any of the three may be the best version that is left.
 *
 * `.staging-X` holds a version that was never acknowledged, or the previous version; it is never published.
 * `.old-X` is a complete version: it gets its name, and loses it, by a rename only. A version is invalid if
 * the caller's `validate` rejects it. The actions of a row, interrupted after any of them, leave a row that
 * leads to the same end.
 */

/** The state of a directory and its versions, under its lock. */
export interface DirState {
  /** `"other"`: not a directory. */
  live: "missing" | "whole" | "invalid" | "other";
  staging: boolean;
  old: "missing" | "whole" | "invalid";
  /** Whether there is a history of it. */
  history: boolean;
}

/** One action, with its reason; `"keep"` leaves the version alone, and reports it. */
export interface Action {
  act: "restore" | "trash" | "archive" | "quarantine" | "keep";
  what: "live" | "staging" | "old";
  reason: string;
}

/** Plans the recovery of a directory: actions, in this order. */
export function planRecovery({ live, staging, old, history }: DirState): Action[] {
  const actions: Action[] = [];
  const add = (act: Action["act"], what: Action["what"], reason: string): unknown =>
    actions.push({ act, what, reason });
  if (live === "other") {
    const reason = "the entry at its target's path is not a directory";
    if (old !== "missing") add("keep", "old", reason);
    if (staging) add("keep", "staging", reason);
    return actions;
  }
  const invalid = "it failed validation";
  // A completed swap leaves no staging directory beside `.old-X`.
  if (live === "whole" && staging && old === "whole") {
    add("quarantine", "live", "it was created between the two renames of an interrupted swap");
    live = "missing";
  }
  if (live === "invalid" && old === "whole") add("quarantine", "live", invalid);
  if (old === "invalid") add("quarantine", "old", invalid);
  if (old === "whole") {
    if (live === "whole") {
      add(history ? "archive" : "trash", "old", "the previous version of a swap");
    } else if (live === "missing") {
      add("restore", "old", "a swap was interrupted between its two renames");
    } else add("restore", "old", "the version that replaced it failed validation");
  }
  if (staging) {
    const isSpare = live === "whole" || old === "whole" || live !== "invalid" && old !== "invalid";
    if (isSpare) add("trash", "staging", "left by an interrupted persist");
    else add("quarantine", "staging", "no other version passed validation");
  }
  if (live === "invalid" && old !== "whole") {
    add("keep", "live", "it failed validation, and no other version passed");
  }
  return actions;
}

/** Whether an unlocked leftover is old enough to be a dead writer's; both in ms. */
export function isOld(age: number, minAge: number): boolean {
  // The file system's clock ticks every few ms, and may be ahead of this process's by one tick.
  return age >= minAge || minAge === 0;
}
