// Long work on the main thread, cut into slices between which the loop runs: one slice a turn of the loop, however many
// works there are at once.
import { createHash } from "node:crypto";

/** A slice ends when it has taken this long; below the 5 ms that DECISIONS 7.2 allows, since a step cannot be cut. */
export const SLICE_MS = 3;
/** Bytes that are copied or digested in a slice; it takes 1 to 3 ms (M). */
export const SLICE_BYTES = 1024 * 1024;
const PART_CHARACTERS = 16 * 1024;

const waiting: (() => void)[] = [];

/** Resolves in a later turn of the loop, in which no other work has its slice. Who waits longest goes first. */
export function nextSlice(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(giveSlice);
  });
}

function giveSlice(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(giveSlice);
}

/**
 * The texts in one, in UTF-8. Bytes, not strings, in between: what survives on the JavaScript heap is copied by each
 * scavenge (8 ms for 3 MB, M).
 * @param now milliseconds of a monotonic clock, for cutting slices
 */
export async function renderInSlices(texts: Iterable<string>, now = (): number => performance.now()): Promise<Buffer> {
  const parts: Buffer[] = [];
  let text = "";
  await nextSlice();
  let sliceEndsAt = now() + SLICE_MS;
  for (const each of texts) {
    text += each;
    const isSliceEnd = now() >= sliceEndsAt;
    if (!isSliceEnd && text.length < PART_CHARACTERS) continue;
    parts.push(Buffer.from(text));
    text = "";
    if (!isSliceEnd) continue;
    await nextSlice();
    sliceEndsAt = now() + SLICE_MS;
  }
  parts.push(Buffer.from(text));
  return Buffer.concat(parts);
}

/** Copies bytes; neither side may change until it settles. The first slice is copied at once. */
export async function fillInSlices(into: Uint8Array, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    if (at > 0) await nextSlice();
    into.set(bytes.subarray(at, at + SLICE_BYTES), at);
  }
}

/** sha256 of bytes, hex; they must not change until it settles. */
export async function digestInSlices(bytes: Uint8Array): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    if (at > 0) await nextSlice();
    hash.update(bytes.subarray(at, at + SLICE_BYTES));
  }
  return hash.digest("hex");
}

/** A copy and its sha256, hex: what is digested is what was copied, whatever becomes of the bytes meanwhile. */
export async function copyInSlices(
  bytes: Uint8Array,
): Promise<{ readonly copy: Uint8Array<ArrayBuffer>; readonly digest: string }> {
  const copy = new Uint8Array(bytes.length);
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    if (at > 0) await nextSlice();
    const slice = copy.subarray(at, at + SLICE_BYTES);
    slice.set(bytes.subarray(at, at + SLICE_BYTES));
    hash.update(slice);
  }
  return { copy, digest: hash.digest("hex") };
}
