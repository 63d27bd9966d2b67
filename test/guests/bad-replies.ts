// Replies that a node must not pass on: bodies for the guest `status`, which sends them as they are.
import { Packr } from "msgpackr";

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** How the guest `status` is asked: its query, and the request's body. */
export interface Asked {
  readonly query: string;
  readonly body: Uint8Array;
}

type Headers = ReadonlyMap<unknown, unknown>;

const text = (value: string): Buffer => Buffer.from(value, "latin1");
const one = (name: string, value = "x"): Headers => new Map([[name, [text(value)]]]);

/** Asks for a reply with these fields after the right request id. */
export function fields(status: unknown, headers: unknown = new Map(), body: unknown = text("body")): Asked {
  return { query: "do=fields", body: packr.pack([[status, "Http11", headers], body]) };
}

/** Asks for these bytes after the right request id. */
const after = (...bytes: (number | Uint8Array)[]): Asked => ({
  query: "do=fields",
  body: Buffer.concat(bytes.map((part) => (typeof part === "number" ? Buffer.of(part) : part))),
});

const raw = (body: Uint8Array): Asked => ({ query: "do=raw", body });
const good = fields(200).body;

/** Replies that are not acceptable, each by its name. The answer is 502 and the connection stays sound. */
export const badReplies: Readonly<Record<string, Asked>> = {
  "no bytes at all": { query: "do=empty", body: Buffer.alloc(0) },
  "not MessagePack": raw(text("HTTP/1.1 200 OK\r\n\r\n")),
  "another variant": raw(packr.pack({ Request: [[1], []] })),
  "the id of another request": { query: "do=wrong-id", body: text("stolen") },
  "cut off": after(good.subarray(0, good.length - 2)),
  "an array too short": after(Buffer.of(0x91), good.subarray(1)),
  "an array of 4 billion": after(Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff), good.subarray(1)),
  "a body of 4 billion bytes": after(
    good.subarray(0, good.length - 6),
    Buffer.of(0xc6, 0xff, 0xff, 0xff, 0xff),
    text("body"),
  ),
  "an extension as the body": after(good.subarray(0, good.length - 6), Buffer.of(0xd4, 0x01, 0x00)),
  "a timestamp as the status": fields(new Date(1000)),
  "a number as the body": fields(200, new Map(), 5),
  "nested arrays": after(Buffer.alloc(10_000, 0x91), 0xc0),
  "status 0": fields(0),
  "status 99": fields(99),
  "status 100": fields(100),
  "status 101": fields(101),
  "status 600": fields(600),
  "status 65536": fields(65_536),
  "status 200.5": fields(200.5),
  "a negative status": fields(-200),
  "a status in words": fields("200 OK"),
  "status nil": fields(null),
  "an empty header name": fields(200, one("")),
  "a header name with a blank": fields(200, one("x y")),
  "a header name with a colon": fields(200, one("x:y")),
  "a header name with CR LF": fields(200, one("x\r\ny")),
  "a header name with NUL": fields(200, one("x\0")),
  "a header name beyond ASCII": fields(200, one("x-ü")),
  "a header name that is a number": fields(200, new Map([[5, [text("x")]]])),
  "a header value with CR LF": fields(200, one("x-a", "a\r\nx-b: b")),
  "a header value with LF": fields(200, one("x-a", "a\nx-b: b")),
  "a header value with CR": fields(200, one("x-a", "a\rb")),
  "a header value with NUL": fields(200, one("x-a", "a\0b")),
  "a header value with a control character": fields(200, one("x-a", "a\x1bb")),
  "a header value that is a number": fields(200, new Map([["x-a", [5]]])),
  "header values without an array": fields(200, new Map([["x-a", text("x")]])),
  "headers as an array": fields(200, [["x-a", [text("x")]]]),
  "headers nil": fields(200, null),
  "too many headers": fields(200, new Map(Array.from({ length: 2000 }, (_, i) => [`x-${i}`, [text("x")]]))),
  "too many values": fields(200, new Map([["x-a", Array.from({ length: 2000 }, () => text("x"))]])),
  "headers of 64 KiB": fields(200, one("x-a", "x".repeat(65_536))),
  "a map of 4 billion headers": after(
    Buffer.of(0x92, 0x93, 0xcc, 0xc8),
    packr.pack("Http11"),
    Buffer.of(0xdf, 0xff, 0xff, 0xff, 0xff),
  ),
};

/**
 * Headers that belong to the connection, not to a service: the node leaves them out or refuses the reply, but never
 * sends them.
 */
export const connectionHeaders: Readonly<Record<string, Asked>> = Object.fromEntries(
  [
    ["connection", "close"],
    ["keep-alive", "timeout=5"],
    ["transfer-encoding", "chunked"],
    ["content-length", "1"],
    ["upgrade", "websocket"],
    ["te", "trailers"],
    ["trailer", "x-a"],
    ["proxy-connection", "close"],
  ].map(([name, value]) => [name, fields(200, one(name!, value!))]),
);

/** Replies that look odd and are right. */
export const oddReplies: Readonly<Record<string, Asked>> = {
  "headers named as parts of every object": fields(
    200,
    new Map(["__proto__", "constructor", "toString", "hasOwnProperty"].map((name) => [name, [text(name)]])),
  ),
  "two cookies": fields(200, new Map([["set-cookie", [text("a=1"), text("b=2")]]])),
  "one name in two spellings": fields(200, new Map([...one("X-A", "1"), ...one("x-a", "2")])),
  "a value in UTF-8": fields(200, new Map([["x-a", [Buffer.from("žluťoučký")]]])),
  "a value in Latin-1": fields(200, one("x-a", "\xe9")),
  "an empty value": fields(200, one("x-a", "")),
  "a value with a tab": fields(200, one("x-a", "a\tb")),
  "a header without values": fields(200, new Map([["x-a", []]])),
  "a status without a name": fields(299),
  "no content": fields(204, new Map(), text("")),
  "wide forms of everything": after(
    Buffer.of(0xdc, 0, 2, 0xdd, 0, 0, 0, 3, 0xce, 0, 0, 0, 200, 0xd9, 6),
    text("Http11"),
    Buffer.of(0xde, 0, 0, 0xc6, 0, 0, 0, 4),
    text("wide"),
  ),
};

/** Forms that rmp-serde would take: refusing or taking them are both right, crashing is not. */
export const doubtfulReplies: Readonly<Record<string, Asked>> = {
  "a text as the body": fields(200, new Map(), "text"),
  "an array of numbers as the body": fields(200, new Map(), [104, 105]),
  "a text as a header value": fields(200, new Map([["x-a", ["text"]]])),
  "a response as a map": {
    query: "do=fields",
    body: packr.pack({ metadata: { status: 200, version: "Http11", headers: new Map() }, body: text("map") }),
  },
  "bytes after the end": after(good, 0xc0),
  "an unknown version": after(packr.pack([[200, "Http7", new Map()], text("body")])),
};
