// Covers actors/log-text.ts: whatever a guest writes is harmless in the log, and bounded in bytes and in lines.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LogText, logText } from "../../../actors/log-text.ts";
import { escapeControls } from "../../../wire/escape.ts";

const MANY = 1_000_000;
const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const shown = ({ text }: LogText): string => Buffer.from(text).toString();
const linesOf = (text: string): string[] => text.replace(/\n$/, "").split("\n");

const pieces = fc.array(
  fc.oneof(
    fc.constantFrom(
      "\n",
      "\r\n",
      "\r",
      "\x1b[31m",
      "\u202e",
      "\u2028",
      "ž",
      "\u{1f600}",
      "a".repeat(300),
      "\n".repeat(300),
    ),
    fc.string(),
  ),
  { maxLength: 30 },
);
const written = fc.oneof(
  pieces.map((all) => bytesOf(all.join(""))),
  fc.uint8Array({ maxLength: 2000 }),
);

describe("what a guest wrote", () => {
  it("has no more bytes and lines than there is room for, and no character that a terminal obeys", () => {
    const room = fc.integer({ min: 1, max: 3000 });
    fc.assert(
      fc.property(written, room, fc.integer({ min: 1, max: 20 }), (bytes, bytesMax, linesMax) => {
        const result = logText(bytes, bytesMax, linesMax);
        const text = shown(result);
        expect(result.text.length).toBeLessThanOrEqual(bytesMax);
        expect(result.lines).toBeLessThanOrEqual(linesMax);
        expect(result.lines).toBe(text === "" ? 0 : linesOf(text).length);
        expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
        expect(Buffer.from(text).equals(result.text)).toBe(true); // whole characters
        expect(result.taken).toBeLessThanOrEqual(bytes.length);
        // With room for eight times a piece it goes on.
        if (bytes.length > 0 && bytesMax >= 2048) expect(result.taken).toBeGreaterThan(0);
      }),
    );
  });

  it("is whole where there is room: its lines as they are, control characters escaped", () => {
    fc.assert(
      fc.property(pieces, (all) => {
        const text = Buffer.from(all.join("")).toString(); // well-formed
        const bytes = bytesOf(text);
        const result = logText(bytes, MANY, MANY);
        expect(result.taken).toBe(bytes.length);
        const wanted = text
          .replace(/\r?\n$/, "")
          .split(/\r?\n/)
          .map((line) => escapeControls(line));
        if (bytes.length > 0) expect(linesOf(shown(result))).toEqual(wanted);
      }),
    );
    expect(shown(logText(bytesOf("one\r\ntwo \x1b[31mred\x07\n\u202eevil\u2028x\n"), MANY, MANY))).toBe(
      "one\ntwo \\x1b[31mred\\x07\n\\u{202e}evil\\u{2028}x\n",
    );
  });

  it("is joined to one line where it has too many", () => {
    expect(logText(bytesOf("a\nb\nc\nd\n"), MANY, 3)).toMatchObject({ lines: 3, taken: 8 });
    expect(shown(logText(bytesOf("a\nb\nc\nd\n"), MANY, 3))).toBe("a\nb\nc\\x0ad\n");
    expect(shown(logText(bytesOf("a\nb\nc"), MANY, 1))).toBe("a\\x0ab\\x0ac");
    const feeds = logText(new Uint8Array(65_536).fill(10), 65_536, 100);
    expect(feeds.lines).toBe(100);
    expect(feeds.taken).toBeLessThan(20_000); // the log has four bytes for each
  });

  it("is cut to the byte where it is plain, and never within a character where it is not", () => {
    expect(logText(bytesOf("abc\ndef"), 5, 10)).toMatchObject({ taken: 5, lines: 2 });
    const letters = logText(bytesOf("ž".repeat(1000)), 1001, 10);
    expect(shown(letters)).toBe("ž".repeat(letters.taken / 2));
    expect(letters.taken).toBeGreaterThan(700);
  });
});
