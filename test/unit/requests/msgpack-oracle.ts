// An independent reader of replies, slow and plain, written from the MessagePack specification: the oracle of
// reply.test.ts.

type Value =
  | { readonly is: "int" | "float"; readonly number: number }
  | { readonly is: "bytes" | "text"; readonly bytes: Buffer }
  | { readonly is: "array"; readonly items: readonly Value[] }
  | { readonly is: "map"; readonly entries: readonly (readonly [Value, Value])[] }
  | { readonly is: "other" };

class NotMessagePack extends Error {}

/** One value and the offset after it. @throws NotMessagePack, also for extension types */
function value(bytes: Buffer, at: number): [Value, number] {
  const need = (from: number, count: number): void => {
    if (from + count > bytes.length) throw new NotMessagePack();
  };
  const unsigned = (count: number): number => {
    need(at + 1, count);
    return Number(BigInt(`0x${bytes.toString("hex", at + 1, at + 1 + count)}`));
  };
  const chunk = (is: "bytes" | "text", start: number, length: number): [Value, number] => {
    need(start, length);
    return [{ is, bytes: bytes.subarray(start, start + length) }, start + length];
  };
  const list = (start: number, count: number): [Value[], number] => {
    const items: Value[] = [];
    let next = start;
    for (let i = 0; i < count; i++) {
      const [item, end] = value(bytes, next);
      items.push(item);
      next = end;
    }
    return [items, next];
  };
  const array = (start: number, count: number): [Value, number] => {
    const [items, end] = list(start, count);
    return [{ is: "array", items }, end];
  };
  const map = (start: number, count: number): [Value, number] => {
    const [flat, end] = list(start, count * 2);
    const entries = Array.from({ length: count }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!] as const);
    return [{ is: "map", entries }, end];
  };
  need(at, 1);
  const first = bytes[at] as number;
  if (first < 0x80) return [{ is: "int", number: first }, at + 1];
  if (first < 0x90) return map(at + 1, first & 15);
  if (first < 0xa0) return array(at + 1, first & 15);
  if (first < 0xc0) return chunk("text", at + 1, first & 31);
  if (first >= 0xe0) return [{ is: "int", number: first - 256 }, at + 1];
  switch (first) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return [{ is: "other" }, at + 1];
    case 0xc4:
      return chunk("bytes", at + 2, unsigned(1));
    case 0xc5:
      return chunk("bytes", at + 3, unsigned(2));
    case 0xc6:
      return chunk("bytes", at + 5, unsigned(4));
    case 0xca:
      need(at, 5);
      return [{ is: "float", number: bytes.readFloatBE(at + 1) }, at + 5];
    case 0xcb:
      need(at, 9);
      return [{ is: "float", number: bytes.readDoubleBE(at + 1) }, at + 9];
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: {
      const size = 1 << (first - 0xcc);
      return [{ is: "int", number: unsigned(size) }, at + 1 + size];
    }
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: {
      const size = 1 << (first - 0xd0);
      need(at + 1, size);
      const raw = BigInt(`0x${bytes.toString("hex", at + 1, at + 1 + size)}`);
      return [{ is: "int", number: Number(BigInt.asIntN(size * 8, raw)) }, at + 1 + size];
    }
    case 0xd9:
      return chunk("text", at + 2, unsigned(1));
    case 0xda:
      return chunk("text", at + 3, unsigned(2));
    case 0xdb:
      return chunk("text", at + 5, unsigned(4));
    case 0xdc:
      return array(at + 3, unsigned(2));
    case 0xdd:
      return array(at + 5, unsigned(4));
    case 0xde:
      return map(at + 3, unsigned(2));
    case 0xdf:
      return map(at + 5, unsigned(4));
    default:
      throw new NotMessagePack();
  }
}

const text = (of: Value | undefined): string | null => (of?.is === "text" ? of.bytes.toString("utf8") : null);

/** The fields of a struct as an array or as a map by names; of a name that stands twice the last. */
function struct(of: Value | undefined, names: readonly string[]): readonly (Value | undefined)[] {
  if (of?.is === "array") return of.items.length === names.length ? of.items : [];
  if (of?.is !== "map") return [];
  return names.map((name) => of.entries.findLast(([key]) => text(key) === name)?.[1]);
}

function content(of: Value | undefined): Buffer | null {
  if (of?.is === "bytes") return of.bytes;
  if (of?.is === "text") return Buffer.from(of.bytes.toString("utf8"));
  if (of?.is !== "array") return null;
  const numbers = of.items.map((item) => ("number" in item ? item.number : Number.NaN));
  return numbers.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256) ? Buffer.from(numbers) : null;
}

const hopByHop =
  /^(connection|content-length|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|x-request-id)$/i;

/** The reply in these bytes, texts as Latin-1; null if there is none. */
export function decode(bytes: Uint8Array, tag: number) {
  let whole: Value;
  try {
    const [read, end] = value(Buffer.from(bytes), 0);
    if (end !== bytes.length) return null;
    whole = read;
  } catch (error) {
    if (error instanceof NotMessagePack) return null;
    throw error;
  }
  if (whole.is !== "map" || whole.entries.some(([key]) => text(key) !== "CompleteRequest")) return null;
  const reply = whole.entries.at(-1)?.[1];
  const [id, response] = struct(reply, ["request_id", "response"]);
  const [named] = struct(id, ["tag"]);
  const [metadata, body] = struct(response, ["metadata", "body"]);
  const [status, , headers] = struct(metadata, ["status", "version", "headers"]);
  if (named === undefined || !("number" in named) || named.number !== tag) return null;
  if (status === undefined || !("number" in status)) return null;
  if (!Number.isInteger(status.number) || status.number < 200 || status.number > 599) return null;
  const bodyBytes = content(body);
  if (headers?.is !== "map" || bodyBytes === null) return null;
  const pairs: (readonly [string, string])[] = [];
  for (const [nameValue, values] of headers.entries) {
    const name = text(nameValue);
    if (name === null || values.is !== "array") return null;
    for (const each of values.items) {
      const bytesOf = content(each)?.toString("latin1");
      if (bytesOf === undefined || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return null;
      if ([...bytesOf].some((char) => (char < " " && char !== "\t") || char === "\x7f")) return null;
      if (!hopByHop.test(name)) pairs.push([name, bytesOf]);
    }
  }
  // A name that stands twice in the map is no legal form: whether both or the last is taken is left open.
  const hasTwins = new Set(headers.entries.map(([name]) => text(name))).size < headers.entries.length;
  return { status: status.number, headers: pairs, body: bodyBytes.toString("latin1"), hasTwins };
}
