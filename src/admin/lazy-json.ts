// JSON of values whose long lists are made while they are written: an iterable that is no array is such a list. Pure.

/** True if the value has a list that is made while it is written. */
export function isLazy(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Symbol.iterator in value || Object.values(value).some(isLazy);
}

/** The value's JSON in pieces: each item of a lazy list is one or more of its own. */
export function jsonTexts(value: unknown): Iterable<string> {
  return texts("", value);
}

/** @param before goes out with its first piece: few large pieces are quicker than many */
function* texts(before: string, value: unknown): Iterable<string> {
  if (!isLazy(value)) {
    yield before + jsonText(value);
    return;
  }
  if (Symbol.iterator in (value as object)) {
    let text = `${before}[`;
    for (const item of value as Iterable<unknown>) {
      yield* texts(text, item);
      text = ",";
    }
    yield `${text === "," ? "" : text}]`;
    return;
  }
  let text = `${before}{`;
  let separator = "";
  for (const [key, member] of Object.entries(value as object)) {
    if (member === undefined) continue;
    text += `${separator}${JSON.stringify(key)}:`;
    separator = ",";
    if (isLazy(member)) {
      yield* texts(text, member);
      text = "";
    } else text += jsonText(member);
  }
  yield `${text}}`;
}

/** JSON has no infinity; "never" is the config's word for it. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value);
  // An infinity has become null. Looking at each member costs three times as much, so only then.
  if (!text.includes("null")) return text;
  return JSON.stringify(value, (_key, member: unknown) => (member === Number.POSITIVE_INFINITY ? "never" : member));
}
