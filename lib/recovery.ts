/**
 * From what a crash left beside a directory to what is to be done: the only place that decides; pure.
 *
 * | X       | `.staging-X` | `.old-X` | how it arises                    | what is done             |
 * | ------- | ------------ | -------- | -------------------------------- | ------------------------ |
 * | any     | there        | –        | while staging; after an exchange | trash staging            |
 * | there   | any          | there    | after a swap of two renames      | trash old (and staging)  |
 * | missing | any          | there    | between those renames            | old back, staging trashed |
 *
 * What is in `.staging-X` was never acknowledged, or is the version before; it is never published.
 * `.old-X` is a whole version: it only ever gets its name, or loses it, by a rename.
 */

/** What is there, under the target's lock. */
export interface Found {
  target: boolean;
  staging: boolean;
  old: boolean;
}

/** What to do, in this order. */
export type Action = "restore old" | "trash old" | "trash staging";

/** The decision. */
export function decide({ target, staging, old }: Found): Action[] {
  const actions: Action[] = [];
  if (old) actions.push(target ? "trash old" : "restore old");
  if (staging) actions.push("trash staging");
  return actions;
}
