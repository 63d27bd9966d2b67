// What `abort`, a failed `assert` and the runtime's own checks do: one line on standard error, then a trap.
import { writeBytes } from "./log";

/** Fixed room for the line, since memory may be what ran out. Longer messages are cut. */
const LINE_BYTES: u32 = 256;
// Lazy: an abort may come before this file's own top level has run.
// @ts-ignore: decorator
@lazy const line = memory.data(256);
// @ts-ignore: decorator
@lazy let used: u32 = 0;

export function abort(message: string | null = null, file: string | null = null, row: u32 = 0, column: u32 = 0): void {
  used = 0;
  put("abort: ");
  put(message === null ? "no message" : message);
  if (file !== null) {
    put(" (");
    put(file);
    put(":");
    putNumber(row);
    put(":");
    putNumber(column);
    put(")");
  }
  if (used == LINE_BYTES) used--;
  store<u8>(line + used++, 10);
  writeBytes(2, line, used);
  unreachable();
}

/** Appends text. Whatever is not ASCII becomes "?": no allocation, no half characters at the end. */
function put(text: string): void {
  for (let i = 0, length = text.length; i < length && used < LINE_BYTES; i++) {
    const code = text.charCodeAt(i);
    store<u8>(line + used++, <u8>(code < 128 ? code : 63));
  }
}

function putNumber(value: u32): void {
  if (value > 9) putNumber(value / 10);
  if (used < LINE_BYTES) store<u8>(line + used++, <u8>(48 + (value % 10)));
}
