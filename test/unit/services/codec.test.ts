// src/services/codec.ts: the bytes of a request are those of lunatic-abi.md §3.5, of msgpackr, and so of rmp-serde.
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { HEADERS_MAX } from "../../../src/acceptor/contract.ts";
import {
  encodeBodyLength,
  encodeHead,
  encodeTail,
  encodeUint,
  headBytesMax,
  type RequestHead,
  TAIL_BYTES_MAX,
} from "../../../src/services/codec.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
/** msgpackr writes integers beyond 32 bits as signed ones, rmp-serde as unsigned: there only the first byte differs. */
function uint(value: number): Buffer {
  if (value <= 0xffff_ffff) return packr.pack(value);
  const bytes = packr.pack(BigInt(value));
  expect(bytes[0]).toBe(0xd3);
  bytes[0] = 0xcf;
  return bytes;
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly requestId: string;
  readonly body: Uint8Array;
  readonly tag: number;
  readonly pid: number;
}

function headOf({ method, path, query, headers }: Asked, requestIdIndex: number): RequestHead {
  const [names, values] = [headers.map(([name]) => name), headers.map(([, value]) => value)];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what the flag is about
  const isAscii = [path, query, ...names, ...values].every((text) => /^[\x00-\x7f]*$/.test(text));
  return { method, path, query, names, values, count: headers.length, isAscii, requestIdIndex };
}

/** Encodes into a dirty buffer of exactly the size that is promised to be enough. */
function encode(asked: Asked, requestIdIndex: number): Buffer {
  const head = headOf(asked, requestIdIndex);
  const before = 13;
  const size = headBytesMax(head) + TAIL_BYTES_MAX + asked.body.length;
  const out = Buffer.alloc(before + size + 16, 0xee);
  const headEnd = encodeHead(out, before, head, asked.requestId, asked.tag);
  expect(headEnd - before).toBeLessThanOrEqual(headBytesMax(head));
  const bodyAt = encodeBodyLength(out, headEnd, asked.body.length);
  out.set(asked.body, bodyAt);
  const end = encodeTail(out, bodyAt + asked.body.length, asked.pid);
  expect(end - headEnd - asked.body.length).toBeLessThanOrEqual(TAIL_BYTES_MAX);
  expect([...out.subarray(0, before), ...out.subarray(end)].every((byte) => byte === 0xee)).toBe(true);
  return out.subarray(before, end);
}

/** The same by msgpackr: repeated names together where the first stood, a request id of our own at the end. */
function expected(asked: Asked, requestIdIndex: number): Buffer {
  const map = new Map<string, Buffer[]>();
  for (const [name, value] of asked.headers) {
    if (requestIdIndex < 0 && name === "x-request-id") continue;
    map.set(name, [...(map.get(name) ?? []), Buffer.from(value)]);
  }
  if (requestIdIndex < 0) map.set("x-request-id", [Buffer.from(asked.requestId)]);
  const uri = asked.query === "" ? asked.path : `${asked.path}?${asked.query}`;
  const method = `${asked.method[0]}${asked.method.slice(1).toLowerCase()}`;
  const request = [[method, uri, "Http11", map], Buffer.from(asked.body)];
  const start = Buffer.concat([Buffer.from([0x81, 0xa7]), Buffer.from("Request"), Buffer.from([0x93, 0x91])]);
  const parts = [start, uint(asked.tag), packr.pack(request), Buffer.from([0x92, 0x00]), uint(asked.pid)];
  const whole = Buffer.concat(parts.map((part) => new Uint8Array(part)));
  if (Math.max(asked.tag, asked.pid) <= 0xffff_ffff) {
    expect(packr.pack({ Request: [[asked.tag], request, [0, asked.pid]] }).equals(whole)).toBe(true);
  }
  return whole;
}

const plain: Asked = {
  method: "GET",
  path: "/test1/",
  query: "",
  headers: [["host", "localhost:3000"]],
  requestId: "r-1",
  body: Buffer.alloc(0),
  tag: 130,
  pid: 7,
};

describe("a request's bytes", () => {
  it("are the 62 of the worked example", () => {
    // With the request id among the headers nothing is added to them.
    const head = { ...headOf(plain, 0), requestIdIndex: 0 };
    const out = Buffer.alloc(500);
    const end = encodeTail(out, encodeBodyLength(out, encodeHead(out, 0, head, "r-1", 130), 0), 7);
    expect(out.toString("hex", 0, end)).toBe(
      [
        "81a7526571756573749391cc829294a3476574a72f74657374312fa648747470313181a4686f737491c40e",
        "6c6f63616c686f73743a33303030c400920007",
      ].join(""),
    );
    expect(end).toBe(62);
  });

  it.each([
    ["no header at all", []],
    ["a request id that came", [["x-request-id", "abc"]]],
    [
      "a request id that is not sane",
      [
        ["x-request-id", "a b"],
        ["host", "h"],
      ],
    ],
    [
      "two request ids",
      [
        ["x-request-id", "a"],
        ["host", "h"],
        ["x-request-id", "b"],
      ],
    ],
    [
      "a name repeated around another",
      [
        ["a", "1"],
        ["b", "2"],
        ["a", "3"],
        ["b", "4"],
        ["c", "5"],
      ],
    ],
    ["20 values of one name", Array.from({ length: 20 }, (_, i) => ["cookie", `c=${i}`])],
    ["parts of every object", ["__proto__", "constructor", "toString", "valueOf"].map((name) => [name, name])],
    ["names of 31, 32, 255 and 256 bytes", [31, 32, 255, 256].map((length) => ["n".repeat(length), "v"])],
    [
      "values beyond ASCII",
      [
        ["a", "žluťoučký"],
        ["b", "😀".repeat(80)],
        ["c", "plain"],
      ],
    ],
    [
      "empty values",
      [
        ["a", ""],
        ["b", ""],
      ],
    ],
    ...[14, 15, 16, 17, HEADERS_MAX].map((count) => [
      `${count} headers`,
      Array.from({ length: count }, (_, i) => [`h-${i}`, `${i}`]),
    ]),
  ] as [string, [string, string][]][])("are msgpackr's with %s", (_what, headers) => {
    for (const requestIdIndex of new Set([-1, headers.findIndex(([name]) => name === "x-request-id")])) {
      const asked = { ...plain, headers };
      expect(encode(asked, requestIdIndex)).toEqual(expected(asked, requestIdIndex));
    }
  });

  it("are msgpackr's at every edge of a length's form", () => {
    for (const length of [0, 1, 22, 23, 24, 25, 31, 32, 33, 255, 256, 257, 4000, 15_000]) {
      for (const text of ["v".repeat(length), `${"v".repeat(Math.max(0, length - 1))}é`]) {
        const asked = { ...plain, headers: [["a", text] as const], requestId: "r".repeat(Math.min(length, 64)) };
        expect(encode(asked, -1)).toEqual(expected(asked, -1));
      }
      const asked = { ...plain, path: `/${"p".repeat(length)}`, query: "q".repeat(length) };
      expect(encode(asked, -1)).toEqual(expected(asked, -1));
    }
    for (const length of [0, 1, 255, 256, 65_535, 65_536, 1 << 20]) {
      const asked = { ...plain, body: Buffer.alloc(length, 5) };
      expect(encode(asked, -1).equals(expected(asked, -1))).toBe(true);
    }
  });

  const token = fc.stringMatching(/^[a-z0-9!#$%&'*+.^_`|~-]{1,40}$/);
  const visible = fc.stringMatching(/^[!-~]{0,80}$/);
  const lengths = fc.constantFrom(0, 1, 23, 24, 25, 31, 32, 33, 255, 256, 257, 3000);
  const value = fc.oneof(
    { weight: 3, arbitrary: visible },
    { weight: 2, arbitrary: fc.string({ unit: "grapheme", maxLength: 60 }) },
    {
      weight: 1,
      arbitrary: fc.tuple(lengths, fc.constantFrom("v", "é", "€", "😀")).map(([n, text]) => text.repeat(n)),
    },
  );
  const name = fc.oneof(token, fc.constantFrom("a", "b", "x-request-id", "cookie", "__proto__", "constructor"));
  const request = fc.record<Asked>({
    method: fc.constantFrom("OPTIONS", "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"),
    path: visible.map((text) => `/${text}`),
    query: fc.oneof(fc.constant(""), visible),
    headers: fc.array(fc.tuple(name, value), { maxLength: HEADERS_MAX }),
    requestId: fc.stringMatching(/^[A-Za-z0-9-]{1,64}$/),
    body: fc.uint8Array({ maxLength: 300 }),
    tag: fc.oneof(fc.nat({ max: 300 }), fc.nat(), fc.maxSafeNat()),
    pid: fc.oneof(fc.nat({ max: 300 }), fc.nat(), fc.maxSafeNat()),
  });

  it("are msgpackr's for any head, and no more than was promised", () => {
    fc.assert(
      fc.property(request, fc.boolean(), (asked, isSane) => {
        const ids = asked.headers.flatMap(([each], index) => (each === "x-request-id" ? [index] : []));
        const requestIdIndex = isSane && ids.length === 1 ? (ids[0] ?? -1) : -1;
        expect(encode(asked, requestIdIndex).equals(expected(asked, requestIdIndex))).toBe(true);
      }),
      { numRuns: 1500 },
    );
  });
});

describe("an unsigned integer", () => {
  it("takes its shortest form", () => {
    for (const edge of [0, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, 2 ** 53 - 1]) {
      const out = Buffer.alloc(16);
      expect(out.subarray(0, encodeUint(out, 0, edge))).toEqual(uint(edge));
    }
  });
});
