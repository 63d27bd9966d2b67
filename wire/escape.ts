// Text of guests and clients, made harmless for a terminal and for a reader of lines. Pure.

/** Control and format characters (ESC, bidi overrides, …), line separators, and halves of surrogate pairs. */
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Such characters as \xHH or \u{HHHH}; everything else as it is. */
export function escapeControls(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.codePointAt(0) as number;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}
