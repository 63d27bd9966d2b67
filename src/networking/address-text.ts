// Network addresses between bytes, as guests give them, and text, as Node takes them. Pure.
import { isIPv4, isIPv6, SocketAddress } from "node:net";

/**
 * An address and a port. IPv4 in IPv6 (`::ffff:127.0.0.1`) is always written as IPv4, so that one rule meets both.
 */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** @param octets 4 or 16 bytes in network order */
export function textOf(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  const view = new DataView(octets.buffer, octets.byteOffset, 16);
  const isMapped = view.getBigUint64(0) === 0n && view.getUint32(8) === 0xffff;
  if (isMapped) return octets.subarray(12).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => view.getUint16(at * 2).toString(16));
  // SocketAddress writes it in the short form.
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address;
}

/** 4 or 16 bytes in network order; IPv4 in IPv6 gives 4. @throws RangeError for what is no address */
export function octetsOf(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  const [text = ""] = address.split("%");
  if (!isIPv6(text)) throw new RangeError(`${address} is not an address`);
  // An IPv4 tail is two groups.
  const hex = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((group) => group.toString(16)).join(":"),
  );
  const [head = "", tail] = hex.split("::");
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((each) => Number.parseInt(each, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  const octets = Buffer.alloc(16);
  for (const [at, group] of all.entries()) octets.writeUInt16BE(group, at * 2);
  const isMapped = octets.readBigUInt64BE(0) === 0n && octets.readUInt32BE(8) === 0xffff;
  return isMapped ? octets.subarray(12) : octets;
}

/** "127.0.0.1:80", "[::1]:80", "name:80". */
export function endpointText({ address, port }: Endpoint): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
