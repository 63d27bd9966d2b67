// Numbered frames with checksums: what the threads of the ring tests write, and how they know it again.

/** Steps of writing a frame, in order. From `committed` on the frame counts. */
export const steps = ["reserved", "half written", "written", "header written", "committed", "rung"] as const;

/** Frame `i` has this many bytes, and byte `j` of them is i + 7 j; the checksum depends on each byte's place. */
export function lengthOf(i: number, max: number): number {
  return (Math.imul(i, 0x9e3779b1) >>> 8) % (max + 1);
}

export function write(out: Uint8Array, at: number, i: number, length: number): number {
  let sum = i;
  for (let j = 0; j < length; j++) {
    const byte = (i + 7 * j) & 0xff;
    out[at + j] = byte;
    sum = (Math.imul(sum, 31) + byte) >>> 0;
  }
  return sum;
}

export function checksum(bytes: Uint8Array, at: number, i: number, length: number): number {
  let sum = i;
  for (let j = 0; j < length; j++) sum = (Math.imul(sum, 31) + (bytes[at + j] as number)) >>> 0;
  return sum;
}
