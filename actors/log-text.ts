// What a guest wrote, as it goes to the log: harmless, and bounded in bytes and in lines, since each of both costs the
// main thread. The work for it is done here, where it costs the guest. Pure.
import { escapeControls } from "../wire/escape.ts";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** Where text is not plain it is dealt with in pieces of so many bytes: one that does not fit is left out whole. */
const PIECE_BYTES = 256;

export interface LogText {
  /** UTF-8. Its line feeds are ends of lines; no other character is one that a terminal obeys. */
  readonly text: Uint8Array;
  /** Lines in it; what follows the last line feed is one, too. */
  readonly lines: number;
  /** How many of the bytes given it stands for; the rest does not fit. */
  readonly taken: number;
}

/**
 * The beginning of a guest's text that fits. What would be more lines than `linesMax` is joined to the last one.
 * @param bytesMax of what it becomes
 * @param linesMax 1 or more
 */
export function logText(bytes: Uint8Array, bytesMax: number, linesMax: number): LogText {
  return plainText(bytes, bytesMax, linesMax) ?? escapedText(bytes, bytesMax, linesMax);
}

/** Text that is what it becomes, as nearly all is; else null. */
function plainText(bytes: Uint8Array, bytesMax: number, linesMax: number): LogText | null {
  const taken = Math.min(bytes.length, bytesMax);
  let lines = 0;
  for (let i = 0; i < taken; i++) {
    const byte = bytes[i] as number;
    if (byte === LINE_FEED) lines++;
    else if (byte < 0x20 || byte > 0x7e) return null;
  }
  if (taken > 0 && bytes[taken - 1] !== LINE_FEED) lines++;
  return lines > linesMax ? null : { text: bytes.subarray(0, taken), lines, taken };
}

function escapedText(bytes: Uint8Array, bytesMax: number, linesMax: number): LogText {
  const pieces: Uint8Array[] = [];
  let [size, lines, taken] = [0, 0, 0];
  while (taken < bytes.length) {
    const isJoined = lines === linesMax - 1;
    const end = pieceEnd(bytes, taken, isJoined);
    const isLine = bytes[end - 1] === LINE_FEED && (!isJoined || end === bytes.length);
    const piece = escapedPiece(bytes.subarray(taken, end), isLine);
    if (size + piece.length > bytesMax) break;
    pieces.push(piece);
    size += piece.length;
    taken = end;
    if (isLine) lines++;
  }
  const isOpen = pieces.length > 0 && pieces[pieces.length - 1]?.at(-1) !== LINE_FEED;
  return { text: Buffer.concat(pieces, size), lines: lines + (isOpen ? 1 : 0), taken };
}

/** A piece ends with its line, if that is near and is to be one; never within a character or a CR LF. */
function pieceEnd(bytes: Uint8Array, from: number, isJoined: boolean): number {
  const most = Math.min(from + PIECE_BYTES, bytes.length);
  const lineEnd = isJoined ? -1 : bytes.subarray(from, most).indexOf(LINE_FEED);
  if (lineEnd >= 0) return from + lineEnd + 1;
  let end = most;
  while (end < bytes.length && end > most - 3 && ((bytes[end] as number) & 0xc0) === 0x80) end--;
  if (end < bytes.length && bytes[end - 1] === CARRIAGE_RETURN) end--;
  return end;
}

function escapedPiece(piece: Uint8Array, isLine: boolean): Uint8Array {
  if (!isLine) return Buffer.from(escapeControls(textOf(piece)));
  const end = piece.at(-2) === CARRIAGE_RETURN ? -2 : -1;
  return Buffer.from(`${escapeControls(textOf(piece.subarray(0, end)))}\n`);
}

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("utf8");
}
