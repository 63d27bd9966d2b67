// Pure: where a MessagePack value ends, and whether decoding it is harmless (DECISIONS 3.4).

const DEPTH_MAX = 8;
/** A legal reply has a few hundred; 8 MiB of empty maps would be more than a gigabyte of Map objects. */
const ITEMS_MAX = 64 * 1024;

/**
 * Walks one MessagePack value without decoding it: no extension types, no nesting above DEPTH_MAX, lengths inside the
 * bytes and few items, so that decoding allocates little more than the message is long.
 * @returns the offset after the value, or what is wrong
 */
export function scanMessagePack(bytes: Buffer): number | string {
  let at = 0;
  let items = 0;
  const read = (count: number): number => {
    const value = at + count <= bytes.length ? bytes.readUIntBE(at, count) : Number.NaN;
    at += count;
    return value;
  };
  const walk = (depth: number): string | null => {
    if (depth > DEPTH_MAX) return `it is nested deeper than ${DEPTH_MAX}`;
    if (++items > ITEMS_MAX) return "it has too many items";
    const first = read(1);
    let skip = 0;
    let children = 0;
    if (Number.isNaN(first)) return "it ends too early";
    if (first <= 0x7f || first >= 0xe0 || first === 0xc0 || first === 0xc2 || first === 0xc3) skip = 0;
    else if (first <= 0x8f) children = (first & 0x0f) * 2;
    else if (first <= 0x9f) children = first & 0x0f;
    else if (first <= 0xbf) skip = first & 0x1f;
    else if (first >= 0xc4 && first <= 0xc6) skip = read(1 << (first - 0xc4));
    else if (first >= 0xd9 && first <= 0xdb) skip = read(1 << (first - 0xd9));
    else if (first === 0xca) skip = 4;
    else if (first === 0xcb) skip = 8;
    else if (first >= 0xcc && first <= 0xcf) skip = 1 << (first - 0xcc);
    else if (first >= 0xd0 && first <= 0xd3) skip = 1 << (first - 0xd0);
    else if (first === 0xdc || first === 0xdd) children = read(first === 0xdc ? 2 : 4);
    else if (first === 0xde || first === 0xdf) children = read(first === 0xde ? 2 : 4) * 2;
    else return `it has an extension type (byte ${first})`;
    at += skip;
    if (Number.isNaN(at) || at > bytes.length || children > bytes.length - at) return "it ends too early";
    for (let i = 0; i < children; i++) {
      const wrong = walk(depth + 1);
      if (wrong !== null) return wrong;
    }
    return Number.isNaN(children) ? "it ends too early" : null;
  };
  return walk(0) ?? at;
}
