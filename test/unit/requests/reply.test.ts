// src/requests/reply/reply.ts: replies a node passes on, those it refuses, and that no bytes whatever can do it harm.
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { Answer } from "../../../src/acceptor/contract.ts";
import { readReply } from "../../../src/requests/reply/reply.ts";
import { type Asked, badReplies, connectionHeaders, doubtfulReplies, oddReplies } from "../../guests/bad-replies.ts";
import { decode } from "./msgpack-oracle.ts";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const TAG = 130;
const limits = { bodyBytesMax: 1 << 20 };

interface Read {
  readonly fault: ReturnType<typeof readReply>;
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** Reads a reply that lies amid other bytes, as in a ring. Texts as Latin-1, so that every byte shows. */
function read(reply: Uint8Array, tag = TAG, within = limits): Read {
  const ring = Buffer.alloc(reply.length + 64, 0xc0);
  ring.set(reply, 32);
  const answer = new Answer().add("left", "over");
  const fault = readReply(ring, 32, reply.length, tag, within, answer);
  const text = (bytes: string | Uint8Array | undefined) =>
    typeof bytes === "string" ? bytes : Buffer.from(bytes ?? []).toString("latin1");
  const headers = Array.from(
    { length: answer.count },
    (_, i) => [text(answer.names[i]), text(answer.values[i])] as const,
  );
  return { fault, status: answer.status, headers, body: Buffer.from(answer.body as Uint8Array) };
}

const reply = (
  status: unknown,
  headers: unknown = new Map(),
  body: unknown = Buffer.from("body"),
  tag: unknown = TAG,
) => packr.pack({ CompleteRequest: [[tag], [[status, "Http11", headers], body]] });
const one = (name: string, ...values: string[]) => new Map([[name, values.map((value) => Buffer.from(value))]]);

/** What the guest `status` makes of what it is asked. */
function sentFor({ query, body }: Asked): Buffer {
  if (query === "do=raw") return Buffer.from(body);
  if (query === "do=empty") return Buffer.alloc(0);
  const tag = query === "do=wrong-id" ? TAG + 1 : TAG;
  const start = Buffer.concat([Buffer.from("\x81\xafCompleteRequest\x92\x91", "latin1"), packr.pack(tag)]);
  if (query === "do=fields") return Buffer.concat([start, body]);
  return Buffer.concat([start, packr.pack([[200, "Http11", new Map()], Buffer.from(body)])]);
}

describe("a reply", () => {
  it("of the worked example's 47 bytes is read", () => {
    const example = Buffer.from(
      "81af436f6d706c6574655265717565737492" + "91cc82" + "9293ccc8a648747470313180" + "c40c48656c6c6f20576f726c6421",
      "hex",
    );
    expect(example.length).toBe(47);
    expect(read(example)).toEqual({ fault: null, status: 200, headers: [], body: Buffer.from("Hello World!") });
  });

  it("may be any status from 200 to 599", () => {
    for (let status = 190; status < 610; status++) {
      expect(read(reply(status)).fault === null, `${status}`).toBe(status >= 200 && status <= 599);
    }
  });

  it("must name its request, whatever the number's size", () => {
    for (const tag of [1, 127, 128, 255, 256, 65_536, 2 ** 32 - 1]) {
      const mine = reply(200, new Map(), Buffer.alloc(0), tag);
      expect(read(mine, tag).fault).toBeNull();
      expect(read(mine, tag + 1).fault?.why).toBe(`it answers request ${tag}, not ${tag + 1}`);
    }
    const wide = Buffer.concat([Buffer.from("\x81\xafCompleteRequest\x92\x91\xcf", "latin1"), Buffer.alloc(8)]);
    wide.writeBigUInt64BE(2n ** 53n - 1n, wide.length - 8);
    const rest = packr.pack([[200, "Http11", new Map()], Buffer.alloc(0)]);
    expect(read(Buffer.concat([wide, rest]), 2 ** 53 - 1).fault).toBeNull();
    wide.writeBigUInt64BE(2n ** 53n + BigInt(TAG), wide.length - 8);
    expect(read(Buffer.concat([wide, rest])).fault).not.toBeNull();
  });

  it.each([
    ["a text", `${TAG}`],
    ["an array", [TAG]],
    ["a map", new Map()],
    ["nil", null],
    ["true", true],
    ["a bin", Buffer.of(TAG)],
  ])("whose numbers are %s is refused", (_what, value) => {
    expect(read(reply(200, new Map(), Buffer.alloc(0), value)).fault?.why).toBe("its request id is not a number");
    const status = value === `${TAG}` ? "200" : Array.isArray(value) ? [200] : value;
    expect(read(reply(status)).fault?.why).toBe("status NaN is not one of 200 to 599");
  });

  it("keeps header values byte for byte and every one of a repeated name", () => {
    const latin = Buffer.from(Array.from({ length: 256 }, (_, i) => i).filter((byte) => byte >= 0x20 && byte !== 0x7f));
    const headers = new Map([
      ["set-cookie", [Buffer.from("a=1"), Buffer.from("b=2")]],
      ["x-latin", [latin]],
      ["X-Case", [Buffer.from("\tx\t")]],
    ]);
    expect(read(reply(200, headers)).headers).toEqual([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["x-latin", latin.toString("latin1")],
      ["X-Case", "\tx\t"],
    ]);
  });

  it("may have headers named as parts of every object", () => {
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"]) {
      expect(read(reply(200, one(name, "v"))).headers, name).toEqual([[name, "v"]]);
      // In a form that goes through msgpackr, too: a value as a text.
      expect(read(reply(200, new Map([[name, ["v"]]]))).headers, name).toEqual([[name, "v"]]);
    }
    expect(({} as Record<string, unknown>).v).toBeUndefined();
  });

  it.each(Object.entries(connectionHeaders))("goes without its %s header", (name, asked) => {
    expect(read(sentFor(asked))).toMatchObject({ fault: null, headers: [] });
    const spelled = one(name.toUpperCase(), "v");
    expect(read(reply(200, spelled)).headers).toEqual([]);
  });

  it("goes without a request id of its own", () => {
    expect(read(reply(200, one("X-Request-Id", "v"))).headers).toEqual([]);
  });

  it.each(Object.entries(badReplies))("is refused: %s", (_name, asked) => {
    const { fault } = read(sentFor(asked));
    expect(fault?.code).toBe("invalid_reply");
    expect(fault?.why).not.toMatch(/\p{Cc}/u);
    expect(fault?.why.length).toBeLessThan(300);
  });

  it.each(Object.entries(oddReplies))("is passed on: %s", (_name, asked) => {
    expect(read(sentFor(asked)).fault).toBeNull();
  });

  it.each(Object.entries(doubtfulReplies))("that is doubtful does no harm: %s", (name, asked) => {
    const { fault, body } = read(sentFor(asked));
    if (fault === null) expect(["text", "hi", "body", "map"], name).toContain(body.toString());
  });

  it("of a struct as a map needs all its fields", () => {
    const metadata = { status: 201, version: "Http11", headers: one("a", "1") };
    const whole = { request_id: { tag: TAG }, response: { metadata, body: Buffer.from("map") } };
    expect(read(packr.pack({ CompleteRequest: whole }))).toMatchObject({
      fault: null,
      status: 201,
      headers: [["a", "1"]],
    });
    for (const broken of [
      { ...whole, request_id: {} },
      { ...whole, response: { metadata } },
      { ...whole, response: { metadata: { status: 201 }, body: Buffer.alloc(0) } },
      { response: whole.response },
    ]) {
      expect(read(packr.pack({ CompleteRequest: broken })).fault?.code).toBe("invalid_reply");
    }
  });

  it("has an end: nothing may follow it in either way of reading", () => {
    for (const good of [reply(200), reply(200, new Map(), "text")]) {
      expect(read(good).fault).toBeNull();
      expect(read(Buffer.concat([good, Buffer.of(0xc0)])).fault?.why).toBe("more bytes follow its end");
      for (let cut = 0; cut < good.length; cut++) expect(read(good.subarray(0, cut)).fault, `${cut}`).not.toBeNull();
    }
  });

  it("is too large above its body's limit, in either way of reading", () => {
    for (const body of [Buffer.alloc(100), "x".repeat(100)]) {
      expect(read(reply(200, new Map(), body), TAG, { bodyBytesMax: 100 }).fault).toBeNull();
      expect(read(reply(200, new Map(), body), TAG, { bodyBytesMax: 99 }).fault?.code).toBe("reply_too_large");
    }
  });

  it("has 64 headers and 16 KiB of them at most, dropped ones included", () => {
    const many = (count: number) => new Map(Array.from({ length: count }, (_, i) => [`h${i}`, [Buffer.from("v")]]));
    expect(read(reply(200, many(64))).headers).toHaveLength(64);
    expect(read(reply(200, many(65))).fault?.why).toMatch(/more than 64 headers/);
    expect(read(reply(200, one("te", ...Array(65).fill("v")))).fault?.why).toMatch(/more than 64 headers/);
    const large = 16 * 1024 - "name".length - 4;
    expect(read(reply(200, one("name", "x".repeat(large)))).fault).toBeNull();
    expect(read(reply(200, one("name", "x".repeat(large + 1)))).fault?.why).toMatch(/more than 16384 bytes/);
  });

  it("that is refused for a name tells only the beginning of it", () => {
    for (const headers of [
      one("a b".repeat(2000), "v"),
      new Map([["n".repeat(5000), 5]]),
      one(`${"n".repeat(5000)}`, "\n"),
    ]) {
      const { fault } = read(reply(200, headers));
      expect(fault?.why.length).toBeLessThan(200);
    }
  });
});

describe("bytes that are made to be costly to read", () => {
  const start = Buffer.from("\x81\xafCompleteRequest\x92\x91\xcc\x82", "latin1");
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const many = 4 << 20;

  it.each([
    ["millions of empty maps", 0x80],
    ["millions of empty arrays", 0x90],
    ["millions of empty texts", 0xa0],
    ["millions of numbers", 0x01],
  ])("are refused before they are decoded: %s", (_what, byte) => {
    const array = Buffer.concat([Buffer.of(0xdd), u32(many), Buffer.alloc(many, byte)]);
    const before = process.memoryUsage().heapUsed;
    expect(read(array).fault?.why).toBe("it has too many items");
    expect(read(Buffer.concat([start, array])).fault?.why).toBe("it has too many items");
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 << 20);
  });

  it.each([
    ["array", Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ["map", Buffer.of(0xdf, 0xff, 0xff, 0xff, 0xff)],
    ["text", Buffer.of(0xdb, 0xff, 0xff, 0xff, 0xff)],
    ["bin", Buffer.of(0xc6, 0xff, 0xff, 0xff, 0xff)],
    ["array of 65,535", Buffer.of(0xdc, 0xff, 0xff)],
  ])("are refused by their length: a %s that is not there", (_what, header) => {
    for (const bytes of [header, Buffer.concat([start, header]), Buffer.concat([header, start])]) {
      expect(read(bytes).fault?.code).toBe("invalid_reply");
    }
  });

  it("are refused for every extension type, at every place", () => {
    for (const extension of [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]) {
      const bytes = Buffer.concat([Buffer.of(extension, 0x01), Buffer.alloc(32)]);
      for (const whole of [
        bytes,
        Buffer.concat([Buffer.from("\x81\xafCompleteRequest", "latin1"), bytes]),
        Buffer.concat([start, Buffer.of(0x92), bytes]),
        Buffer.concat([start, Buffer.of(0x92, 0x93, 0xcc, 0xc8), bytes]),
        Buffer.concat([start, Buffer.from("\x92\x93\xcc\xc8\xa6Http11\x81", "latin1"), bytes]),
        Buffer.concat([start, Buffer.from("\x92\x93\xcc\xc8\xa6Http11\x80", "latin1"), bytes]),
      ]) {
        expect(read(whole).fault?.why).toBe(`it has an extension type (byte ${extension})`);
      }
    }
  });
});

describe("any bytes", () => {
  /** Accepted is only what an independent reader finds to be a reply, with the same parts. */
  const judge = (bytes: Uint8Array) => {
    const { fault, status, headers, body } = read(bytes);
    if (fault !== null) {
      expect(fault.why.length).toBeLessThan(400);
      return false;
    }
    const expected = decode(bytes, TAG);
    expect({ status, body: body.toString("latin1") }).toEqual({ status: expected?.status, body: expected?.body });
    if (expected?.hasTwins) expect(expected.headers).toEqual(expect.arrayContaining([...headers]));
    else expect(headers).toEqual(expected?.headers);
    return true;
  };

  const headerName = fc.oneof(
    fc.stringMatching(/^[a-zA-Z0-9-]{1,20}$/),
    fc.constantFrom("__proto__", "constructor", "te", "Connection", "x y", "", "ü", "set-cookie"),
  );
  const headerValue = fc.oneof(
    { weight: 5, arbitrary: fc.stringMatching(/^[ -~]{0,40}$/).map((text): unknown => Buffer.from(text)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes): unknown => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.oneof(fc.string(), fc.nat({ max: 300 }), fc.constant([104, 105])) },
  );
  const anyReply = fc
    .record({
      status: fc.oneof(
        { weight: 5, arbitrary: fc.integer({ min: 200, max: 599 }) },
        fc.integer({ min: -5, max: 70_000 }),
      ),
      headers: fc.array(fc.tuple(headerName, fc.array(headerValue, { maxLength: 3 })), { maxLength: 6 }),
      body: fc.oneof(
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
        fc.string(),
        fc.constant([1, 2]),
      ),
      tag: fc.oneof({ weight: 9, arbitrary: fc.constant(TAG) }, fc.nat()),
    })
    .map(({ status, headers, body, tag }) => new Uint8Array(reply(status, new Map(headers), body, tag)));

  it("that are replies in one form or another are read as the oracle reads them", () => {
    let accepted = 0;
    fc.assert(
      fc.property(anyReply, (bytes) => {
        if (judge(bytes)) accepted++;
      }),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(500);
  });

  it("that are nearly replies do no harm", () => {
    const change = fc.record({
      at: fc.nat(),
      byte: fc.nat({ max: 255 }),
      what: fc.constantFrom("set", "insert", "remove"),
    });
    const tables = [badReplies, oddReplies, doubtfulReplies].flatMap((table) => Object.values(table));
    const seeds = tables.map((asked) => new Uint8Array(sentFor(asked))).filter((bytes) => bytes.length < 20_000);
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(...seeds), anyReply),
        fc.array(change, { maxLength: 4 }),
        (seed, changes) => {
          const bytes = [...seed];
          for (const { at, byte, what } of changes) {
            const place = at % (bytes.length + 1);
            if (what === "set") bytes[place] = byte;
            else bytes.splice(place, what === "remove" ? 1 : 0, ...(what === "insert" ? [byte] : []));
          }
          judge(Uint8Array.from(bytes));
        },
      ),
      { numRuns: 4000 },
    );
  });

  it("at random do no harm", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        judge(bytes);
        judge(Buffer.concat([Buffer.from("\x81\xafCompleteRequest\x92\x91\xcc\x82\x92\x93", "latin1"), bytes]));
      }),
      { numRuns: 3000 },
    );
  });
});
