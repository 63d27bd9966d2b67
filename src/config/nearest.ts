// The known name that someone probably meant: the one with the smallest edit distance.

/**
 * The name with the fewest single-character edits from `given` (cut at 64 characters); "" if none is known, or none
 * within `editsMax`.
 */
export function nearest(given: string, known: readonly string[], editsMax = Number.POSITIVE_INFINITY): string {
  let best = "";
  let bestEdits = editsMax + 1;
  for (const name of known) {
    const edits = editsBetween(given.slice(0, 64), name);
    if (edits < bestEdits) [best, bestEdits] = [name, edits];
  }
  return best;
}

/** Levenshtein's distance, one row at a time. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
