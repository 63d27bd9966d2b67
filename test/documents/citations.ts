// Citations of the design's pages by number, as in "DECISIONS 4.2" or "lunatic-abi.md §1.3, §2.7", and what they name.

/** The pages that are cited by number. */
export const citedPages = {
  decisions: "docs/design/decisions.md",
  abi: "docs/reference/lunatic-abi.md",
  reliability: "docs/design/reliability.md",
  facts: "docs/design/facts.md",
} as const;
export type CitedPage = keyof typeof citedPages;

export interface Citation {
  readonly page: CitedPage;
  /** "section" is a heading or a numbered point; the others are items of a list of their own. */
  readonly kind: "section" | "finding" | "fact";
  /** "4.2", or "4" for a whole section. */
  readonly number: string;
}

const number = String.raw`§?\d+(?:\.\d+)?`;
const numbers = String.raw`(${number}(?:(?:, and |, | and |–)${number}(?![\d]))*)`;
const forms: readonly (readonly [page: CitedPage, kind: Citation["kind"], pattern: RegExp])[] = [
  ["decisions", "section", new RegExp(String.raw`\bDECISIONS,? (?:sections? )?${numbers}`, "g")],
  ["abi", "section", new RegExp(String.raw`\blunatic-abi\.md,? (?:sections? |(?=§))${numbers}`, "g")],
  ["reliability", "section", new RegExp(String.raw`\breliability\.md,? (?:sections? |(?=§))${numbers}`, "g")],
  ["reliability", "finding", new RegExp(String.raw`\breliability\.md,? findings? ${numbers}`, "g")],
  ["facts", "fact", new RegExp(String.raw`\b(?:DESIGN|[Dd]esign),? facts? ${numbers}`, "g")],
];

/** Every citation in a text without line breaks. */
export function citationsIn(text: string): Citation[] {
  return forms.flatMap(([page, kind, pattern]) =>
    [...text.matchAll(pattern)].flatMap(([, list]) =>
      (list as string).match(/\d+(\.\d+)?/g)!.map((number) => ({ page, kind, number })),
    ),
  );
}

/**
 * True if a page has what is cited: a heading that begins with the number (or "Finding 3", "Fact 3"), the number in
 * bold where a paragraph or an item of a list begins, or, of findings and facts, an item of a numbered list.
 */
export function isThere(pageText: string, { kind, number }: Citation): boolean {
  const exact = `${number.replace(".", "\\.")}(?![\\d]|\\.\\d)`;
  const word = kind === "section" ? "§? ?" : `(?:[Ff]inding |[Ff]act )?`;
  const places = [`#{1,6} +${word}${exact}`, `\\s*(?:[-*+] +|\\d+[.)] +)?\\*\\*${word}${exact}`];
  if (kind !== "section") places.push(`${exact}[.)] `);
  return new RegExp(`^(?:${places.join("|")})`, "m").test(pageText);
}

/** "DECISIONS 4.2": how a citation is told of. */
export function citationText({ page, kind, number }: Citation): string {
  return `${citedPages[page]}, ${kind} ${number}`;
}
