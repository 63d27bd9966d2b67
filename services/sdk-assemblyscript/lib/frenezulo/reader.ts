// Reads MessagePack from a range of memory. Every read is checked against the end; what is malformed aborts with a text.
//
// Only what the request message holds is understood (lunatic-abi.md, section 3.5): unsigned integers, strings, binaries,
// arrays and maps. One reader, not an object: a message is read once, front to back.

/** Where the next byte is, and where the message ends. */
export let cursor: usize = 0;
let end: usize = 0;

/** The bytes that the last `readBytes` found. */
export let bytesStart: usize = 0;
export let bytesLength: u32 = 0;

export function readFrom(start: usize, length: u32): void {
  cursor = start;
  end = start + length;
}

export function malformed(why: string): void {
  abort("the request message is malformed: " + why);
}

/** Checks that `count` more bytes are there and returns where they start. */
// @ts-ignore: decorator
@inline
function take(count: usize): usize {
  const start = cursor;
  if (end - start < count) malformed("it ends early");
  cursor = start + count;
  return start;
}

function takeBigEndian(count: u32): u64 {
  let value: u64 = 0;
  for (let from = take(count), last = from + count; from < last; from++) value = (value << 8) | load<u8>(from);
  return value;
}

/** An integer that is not negative, of any width; msgpackr writes large ones in the signed form. */
export function readUint(): u64 {
  const type = load<u8>(take(1));
  if (type < 0x80) return type;
  if (type >= 0xcc && type <= 0xd3) return takeBigEndian(1 << (type & 3));
  malformed("an unsigned integer is missing");
  return 0;
}

/** Passes an integer, signed or not, without reading it. */
export function skipInt(): void {
  const type = load<u8>(take(1));
  if (type < 0x80 || type >= 0xe0) return;
  if (type < 0xcc || type > 0xd3) malformed("an integer is missing");
  take(1 << (type & 3));
}

/** A string or a binary: sets `bytesStart` and `bytesLength`. */
export function readBytes(): void {
  const type = load<u8>(take(1));
  let length: u32 = 0;
  if ((type & 0xe0) == 0xa0) length = type & 0x1f;
  else if (type >= 0xd9 && type <= 0xdb) length = <u32>takeBigEndian(1 << (type - 0xd9));
  else if (type >= 0xc4 && type <= 0xc6) length = <u32>takeBigEndian(1 << (type - 0xc4));
  else malformed("a string or binary is missing");
  bytesLength = length;
  bytesStart = take(length);
}

/** The number of items of an array. */
export function readArray(): u32 {
  const type = load<u8>(take(1));
  if ((type & 0xf0) == 0x90) return type & 0x0f;
  if (type == 0xdc || type == 0xdd) return <u32>takeBigEndian(2 << (type - 0xdc));
  malformed("an array is missing");
  return 0;
}

/** The number of entries of a map. */
export function readMap(): u32 {
  const type = load<u8>(take(1));
  if ((type & 0xf0) == 0x80) return type & 0x0f;
  if (type == 0xde || type == 0xdf) return <u32>takeBigEndian(2 << (type - 0xde));
  malformed("a map is missing");
  return 0;
}

/** An array of exactly `count` items. */
// @ts-ignore: decorator
@inline
export function expectArray(count: u32): void {
  if (readArray() != count) malformed("an array has not the number of items of its place");
}
