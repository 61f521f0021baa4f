/** The word that somebody who mistyped another may have meant. */

/** Of the words, the nearest to what was typed, if it is near enough to be meant. */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  let found: string | undefined;
  // One slip in three letters; two swapped letters are two.
  let least = Math.max(2, Math.floor(typed.length / 3));
  for (const word of words) {
    const distance = word.startsWith(typed) && typed.length > 1 ? 0 : slips(typed, word);
    if (distance < least || distance === least && found === undefined) {
      [found, least] = [word, distance];
    }
  }
  return found;
}

/** How many letters must be added, taken away or replaced: the Levenshtein distance. */
function slips(one: string, other: string): number {
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
