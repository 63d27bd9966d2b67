// What a carrier asks the main thread about sockets, and what it answers: operations, payloads, addresses. Imports
// nothing.
//
// Integers are little endian. A handle (u32) names a socket for one holder; a clone is a handle of its own. A payload
// begins with the handle where there is one. An answer begins with one byte of STATUS.

/** Operation numbers of asks. Behind each: payload → what follows `ok`. */
export const NETWORK = {
  /** u64 ms, name "host:port" in UTF-8 → addresses */
  resolve: 0x100,
  /** address → handle */
  tcpBind: 0x101,
  /** address, u32 length of the certificate, certificate, key → handle */
  tlsBind: 0x102,
  /** handle of a listener → handle, address of the peer */
  accept: 0x103,
  /** address, u64 ms → handle */
  tcpConnect: 0x104,
  /** u16 port, u64 ms, u16 length of the name, name, then each root certificate: u32 length, DER → handle */
  tlsConnect: 0x105,
  /** handle → address */
  localAddress: 0x106,
  /** handle → address; nothing for a UDP socket that is not connected */
  peerAddress: 0x107,
  /** handle, u32 most bytes → bytes; none at the end of the stream */
  read: 0x108,
  peek: 0x109,
  /** handle, bytes → u32 bytes taken */
  write: 0x10a,
  /** handle → nothing */
  flush: 0x10b,
  /** handle, u32 which of TIMEOUT, u64 ms → nothing */
  setTimeout: 0x10c,
  /** handle, u32 which of TIMEOUT → u64 ms */
  getTimeout: 0x10d,
  /** address → handle */
  udpBind: 0x10e,
  /** handle, address → nothing */
  udpConnect: 0x10f,
  /** handle, bytes → u32 bytes */
  udpSend: 0x110,
  /** handle, address, bytes → u32 bytes */
  udpSendTo: 0x111,
  /** handle, u32 most bytes → address, bytes */
  udpReceive: 0x112,
  /** handle, u32 which of OPTION, u32 value → nothing */
  setOption: 0x113,
  /** handle, u32 which of OPTION → u32 value */
  getOption: 0x114,
  /** handle → handle */
  clone: 0x115,
  /** handle → nothing */
  drop: 0x116,
  /** handle → nothing. It is in a message from now on and belongs to nobody, until somebody takes it. */
  give: 0x117,
  /** handle → nothing */
  take: 0x118,
} as const;

export const STATUS = {
  ok: 0,
  /** An error text in UTF-8 follows. */
  failed: 1,
  timedOut: 2,
} as const;

export const TIMEOUT = { read: 0, write: 1, peek: 2 } as const;
export const OPTION = { broadcast: 0, ttl: 1 } as const;

/** Most bytes of one read or write of a stream, and of a datagram that is received. */
export const SLICE_BYTES_MAX = 65_536;
/** Most bytes that are taken of a certificate or key. */
export const PEM_BYTES_MAX = 65_536;
/** Most bytes (DER) of the root certificates of one connection, all together. */
export const ROOTS_BYTES_MAX = 262_144;
/** An address: u8 family (4 or 6), 16 bytes in network order (IPv4: the first 4), u16 port, u32 flow, u32 scope. */
export const ADDRESS_BYTES = 27;

/** Writes a payload, growing as needed. */
export class PayloadWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(bytes = 64) {
    this.#bytes = Buffer.alloc(bytes);
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#bytes.writeUInt16LE(value & 0xffff, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32LE(value >>> 0, at);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#grow(8);
    this.#bytes.writeBigUInt64LE(value, at);
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** @param octets 4 or 16 bytes in network order */
  address(octets: Uint8Array, port: number, flow = 0, scope = 0): this {
    this.u8(octets.length === 4 ? 4 : 6).raw(octets);
    if (octets.length === 4) this.raw(NO_OCTETS);
    return this.u16(port).u32(flow).u32(scope);
  }

  /** The payload, valid until more is written. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(more: number): number {
    const at = this.#length;
    this.#length += more;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }
}

const NO_OCTETS = new Uint8Array(12);

/** An address as bytes. */
export interface SocketAddressBytes {
  /** 4 or 16 bytes. */
  readonly octets: Buffer;
  readonly port: number;
  readonly flow: number;
  readonly scope: number;
}

/** Reads a payload or an answer from its start. @throws RangeError beyond its end */
export class PayloadReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#pass(1));
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#pass(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#pass(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#pass(8));
  }

  /** A view of so many bytes; of all that are left if no number is given. */
  raw(length = this.remaining): Buffer {
    if (length > this.remaining) throw new RangeError(`${length} bytes of a payload that has ${this.remaining} left`);
    const at = this.#pass(length);
    return this.#bytes.subarray(at, at + length);
  }

  address(): SocketAddressBytes {
    const family = this.u8();
    const octets = this.raw(16);
    return {
      octets: family === 4 ? octets.subarray(0, 4) : octets,
      port: this.u16(),
      flow: this.u32(),
      scope: this.u32(),
    };
  }

  #pass(length: number): number {
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
