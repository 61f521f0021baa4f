/** Suggests the word that a mistyped one may have been meant to be. */

import type { Unknown } from "./options.ts";

/** Returns " (did you mean …?)" with the known word nearest to an unknown one, or "" if none is near. */
export function suggestion({ word: typed, known, prefix = "" }: Unknown): string {
  let found: string | undefined;
  // One mistake in three letters is allowed, and always two, because two swapped letters count as two.
  let least = Math.max(2, Math.floor(typed.length / 3));
  for (const word of known) {
    const isStart = word.startsWith(typed) && typed.length > 1;
    const mistakes = isStart ? 0 : distance(typed, word);
    if (mistakes < least || mistakes === least && found === undefined) {
      [found, least] = [word, mistakes];
    }
  }
  return found === undefined ? "" : ` (did you mean ${prefix}${found}?)`;
}

/** Counts the letters that must be added, removed or replaced (the Levenshtein distance). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row.at(-1)!;
}
