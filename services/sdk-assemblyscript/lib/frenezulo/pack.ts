// Typed values as MessagePack: numbers, booleans, strings, binaries, arrays, maps, and classes that say how.
//
// AssemblyScript has no reflection: a class travels if it has `encode(to: Writer): void` and `decode(from: Reader): void`
// and can be made without arguments. Integers take their shortest form, as rmp-serde and msgpackr write them.

/** Writes MessagePack into a buffer that grows. Every method adds one value, or the head of an array or map. */
export class Writer {
  private buffer: ArrayBuffer = new ArrayBuffer(256);
  /** Bytes written so far. */
  length: u32 = 0;

  /** Where the bytes are: valid until the next write. */
  get start(): usize {
    return changetype<usize>(this.buffer);
  }

  /** A copy of the bytes. */
  toBytes(): Uint8Array {
    return Uint8Array.wrap(this.buffer.slice(0, this.length));
  }

  /** Any value whose type `encode` takes. */
  value<T>(value: T): this {
    encode<T>(this, value);
    return this;
  }

  nil(): this {
    return this.byte(0xc0);
  }

  bool(value: bool): this {
    return this.byte(value ? 0xc3 : 0xc2);
  }

  int(value: i64): this {
    if (value >= 0) return this.uint(<u64>value);
    if (value >= -32) return this.byte(<u8>value);
    if (value >= i8.MIN_VALUE) return this.typed(0xd0, <u64>value, 1);
    if (value >= i16.MIN_VALUE) return this.typed(0xd1, <u64>value, 2);
    if (value >= i32.MIN_VALUE) return this.typed(0xd2, <u64>value, 4);
    return this.typed(0xd3, <u64>value, 8);
  }

  uint(value: u64): this {
    if (value < 0x80) return this.byte(<u8>value);
    if (value <= u8.MAX_VALUE) return this.typed(0xcc, value, 1);
    if (value <= u16.MAX_VALUE) return this.typed(0xcd, value, 2);
    if (value <= u32.MAX_VALUE) return this.typed(0xce, value, 4);
    return this.typed(0xcf, value, 8);
  }

  float(value: f64): this {
    return this.typed(0xcb, reinterpret<u64>(value), 8);
  }

  text(value: string): this {
    const length = String.UTF8.byteLength(value);
    if (length < 32) this.byte(<u8>(0xa0 | length));
    else if (length < 0x100) this.typed(0xd9, length, 1);
    else if (length < 0x10000) this.typed(0xda, length, 2);
    else this.typed(0xdb, length, 4);
    String.UTF8.encodeUnsafe(changetype<usize>(value), value.length, this.room(length));
    return this;
  }

  bytes(value: Uint8Array): this {
    return this.binary(value.dataStart, value.length);
  }

  binary(from: usize, length: u32): this {
    if (length < 0x100) this.typed(0xc4, length, 1);
    else if (length < 0x10000) this.typed(0xc5, length, 2);
    else this.typed(0xc6, length, 4);
    memory.copy(this.room(length), from, length);
    return this;
  }

  /** Head of an array: `count` values follow. */
  array(count: u32): this {
    if (count < 16) return this.byte(<u8>(0x90 | count));
    return count < 0x10000 ? this.typed(0xdc, count, 2) : this.typed(0xdd, count, 4);
  }

  /** Head of a map: `count` times a key and its value follow. */
  map(count: u32): this {
    if (count < 16) return this.byte(<u8>(0x80 | count));
    return count < 0x10000 ? this.typed(0xde, count, 2) : this.typed(0xdf, count, 4);
  }

  private byte(value: u8): this {
    store<u8>(this.room(1), value);
    return this;
  }

  /** A type byte and the value's last `bytes` bytes, big-endian. */
  private typed(type: u8, value: u64, bytes: u32): this {
    const at = this.room(bytes + 1);
    store<u8>(at, type);
    for (let i: u32 = 0; i < bytes; i++) store<u8>(at + 1 + i, <u8>(value >> (8 * (bytes - 1 - i))));
    return this;
  }

  /** Takes so many more bytes and gives their place. */
  private room(bytes: u32): usize {
    const at = this.length;
    this.length = at + bytes;
    const capacity = <u32>this.buffer.byteLength;
    if (this.length > capacity) {
      const larger = new ArrayBuffer(max(this.length, capacity * 2));
      memory.copy(changetype<usize>(larger), this.start, at);
      this.buffer = larger;
    }
    return this.start + at;
  }
}

/** Reads MessagePack from a range of memory. What is malformed, or of another type than asked for, aborts with a text. */
export class Reader {
  private cursor: usize;
  private end: usize;

  constructor(start: usize, length: u32) {
    this.cursor = start;
    this.end = start + length;
  }

  /** Of bytes that stay where they are while they are read. */
  static of(bytes: Uint8Array): Reader {
    return new Reader(bytes.dataStart, bytes.length);
  }

  /** Bytes not read yet. */
  get left(): u32 {
    return <u32>(this.end - this.cursor);
  }

  /** Any value whose type `decode` gives. */
  value<T>(): T {
    return decode<T>(this);
  }

  /** True if nil was next, which is then passed. */
  nil(): bool {
    if (this.peek() != 0xc0) return false;
    this.cursor++;
    return true;
  }

  bool(): bool {
    const type = this.byte();
    if (type != 0xc2 && type != 0xc3) this.wrong(type, "a boolean");
    return type == 0xc3;
  }

  /** An integer, negative or not. Aborts if it is beyond i64. */
  int(): i64 {
    const type = this.byte();
    if (type < 0x80) return type;
    if (type >= 0xe0) return <i64>(<i8>type);
    if (type == 0xd0) return <i64>(<i8>this.bigEndian(1));
    if (type == 0xd1) return <i64>(<i16>this.bigEndian(2));
    if (type == 0xd2) return <i64>(<i32>this.bigEndian(4));
    if (type == 0xd3) return <i64>this.bigEndian(8);
    if (type < 0xcc || type > 0xcf) this.wrong(type, "an integer");
    const value = this.bigEndian(1 << (type & 3));
    if (value > <u64>i64.MAX_VALUE) abort("a message holds an integer that is too large");
    return <i64>value;
  }

  /** An integer that is not negative. */
  uint(): u64 {
    if (this.peek() == 0xcf) {
      this.cursor++;
      return this.bigEndian(8);
    }
    const value = this.int();
    if (value < 0) abort("a message holds a negative integer where none may be");
    return <u64>value;
  }

  /** A number of any kind. */
  float(): f64 {
    const type = this.peek();
    if (type == 0xca || type == 0xcb) {
      this.cursor++;
      return type == 0xca ? <f64>reinterpret<f32>(<u32>this.bigEndian(4)) : reinterpret<f64>(this.bigEndian(8));
    }
    return type == 0xcf ? <f64>this.uint() : <f64>this.int();
  }

  text(): string {
    const type = this.byte();
    let length: u32 = type & 0x1f;
    if (type >= 0xd9 && type <= 0xdb) length = <u32>this.bigEndian(1 << (type - 0xd9));
    else if ((type & 0xe0) != 0xa0) this.wrong(type, "a string");
    return String.UTF8.decodeUnsafe(this.take(length), length);
  }

  /** A copy of a binary. */
  bytes(): Uint8Array {
    const type = this.byte();
    if (type < 0xc4 || type > 0xc6) this.wrong(type, "a binary");
    const length = <u32>this.bigEndian(1 << (type - 0xc4));
    const start = this.take(length);
    const bytes = new Uint8Array(length);
    memory.copy(bytes.dataStart, start, length);
    return bytes;
  }

  /** The number of values in the array that begins here. */
  array(): u32 {
    const type = this.byte();
    if ((type & 0xf0) == 0x90) return type & 0x0f;
    if (type != 0xdc && type != 0xdd) this.wrong(type, "an array");
    return this.count(<u32>this.bigEndian(2 << (type - 0xdc)), 1);
  }

  /** The number of entries in the map that begins here. */
  map(): u32 {
    const type = this.byte();
    if ((type & 0xf0) == 0x80) return type & 0x0f;
    if (type != 0xde && type != 0xdf) this.wrong(type, "a map");
    return this.count(<u32>this.bigEndian(2 << (type - 0xde)), 2);
  }

  /** Head of an array of exactly `count` values: the fields of a class. */
  expectArray(count: u32): void {
    const found = this.array();
    if (found != count) abort(`a message holds an array of ${found} where ${count} are expected`);
  }

  /** Each value needs a byte: a count beyond what is left is a lie, and nothing is made of it. */
  private count(count: u32, bytesEach: u32): u32 {
    if (<u64>count * bytesEach > this.left) this.early();
    return count;
  }

  private peek(): u8 {
    if (this.cursor >= this.end) this.early();
    return load<u8>(this.cursor);
  }

  private byte(): u8 {
    return load<u8>(this.take(1));
  }

  private take(bytes: u32): usize {
    const start = this.cursor;
    if (this.end - start < bytes) this.early();
    this.cursor = start + bytes;
    return start;
  }

  private bigEndian(bytes: u32): u64 {
    let value: u64 = 0;
    for (let at = this.take(bytes), last = at + bytes; at < last; at++) value = (value << 8) | load<u8>(at);
    return value;
  }

  private early(): void {
    abort("a message ends early");
  }

  private wrong(type: u8, wanted: string): void {
    abort(`a message holds type 0x${(<u32>type).toString(16)} where ${wanted} is expected`);
  }
}

/** Writes a value by its type. Compiles only for what the head of this file lists. */
export function encode<T>(to: Writer, value: T): void {
  if (isBoolean<T>()) to.bool(<bool>value);
  else if (isInteger<T>()) {
    if (isSigned<T>()) to.int(<i64>value);
    else to.uint(<u64>value);
  } else if (isFloat<T>()) to.float(<f64>value);
  else if (isNullable<T>()) {
    if (value === null) to.nil();
    else encodeReference<NonNullable<T>>(to, <NonNullable<T>>value);
  } else encodeReference<T>(to, value);
}

function encodeReference<T>(to: Writer, value: T): void {
  if (isString<T>()) to.text(<string>value);
  else if (idof<T>() == idof<Uint8Array>()) to.bytes(<Uint8Array>value);
  else if (idof<T>() == idof<ArrayBuffer>()) {
    to.binary(changetype<usize>(value), (<ArrayBuffer>value).byteLength);
  } else if (isArray<T>()) {
    to.array(value.length);
    for (let i = 0; i < value.length; i++) encode<valueof<T>>(to, value[i]);
  } else if (value instanceof Map) {
    const keys = value.keys();
    to.map(keys.length);
    for (let i = 0; i < keys.length; i++) {
      encode<indexof<T>>(to, keys[i]);
      encode<valueof<T>>(to, value.get(keys[i]));
    }
  } else if (isDefined(value.encode)) value.encode(to);
  else ERROR("the class of a message needs encode(to: Writer): void and decode(from: Reader): void");
}

/** Reads a value of the type. Aborts if the message holds another, or a number that does not fit. */
export function decode<T>(from: Reader): T {
  if (isBoolean<T>()) return <T>from.bool();
  if (isInteger<T>()) {
    if (isSigned<T>()) {
      const value = from.int();
      if (<i64>(<T>value) != value) abort(`a message holds ${value}, which does not fit its type`);
      return <T>value;
    }
    const value = from.uint();
    if (<u64>(<T>value) != value) abort(`a message holds ${value}, which does not fit its type`);
    return <T>value;
  }
  if (isFloat<T>()) return <T>from.float();
  if (isNullable<T>()) {
    if (from.nil()) return changetype<T>(0);
    return decodeReference<NonNullable<T>>(from);
  }
  return decodeReference<T>(from);
}

function decodeReference<T>(from: Reader): T {
  if (isString<T>()) return changetype<T>(from.text());
  if (idof<T>() == idof<Uint8Array>()) return changetype<T>(from.bytes());
  if (idof<T>() == idof<ArrayBuffer>()) return changetype<T>(from.bytes().buffer);
  if (isArray<T>()) {
    const list = instantiate<T>();
    for (let left = from.array(); left > 0; left--) list.push(decode<valueof<T>>(from));
    return list;
  }
  const value = instantiate<T>();
  if (value instanceof Map) {
    for (let left = from.map(); left > 0; left--) {
      const key = decode<indexof<T>>(from);
      value.set(key, decode<valueof<T>>(from));
    }
  } else if (isDefined(value.decode)) value.decode(from);
  else ERROR("the class of a message needs encode(to: Writer): void and decode(from: Reader): void");
  return value;
}
