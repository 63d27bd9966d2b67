// Taking one item out of a list by its identity.

/** Removes the first `item` from the list. True if it was there. */
export function remove<T>(list: T[], item: T): boolean {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}
