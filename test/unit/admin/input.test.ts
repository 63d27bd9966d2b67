// Covers src/admin/parse.ts, nearest.ts and schemas.ts: bodies and queries that are not as they should be.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { routes } from "../../../src/admin/routes.ts";
import { nearest } from "../../../src/config/nearest.ts";
import { errorOf, makeAdmin, requestFor } from "./fixture.ts";

const route = (id: string) => routes.find((each) => each.id === id)!;
const good = { prefix: "hello", source: "https://example.org/a.wasm" };

type Row = readonly [name: string, body: string | Uint8Array, why: RegExp, code: string];

async function add(body: string | Uint8Array) {
  const { admin, node, lines } = makeAdmin();
  const response = await admin.handle({ ...requestFor(route("addService")), body: Buffer.from(body) });
  return {
    status: response.status,
    ...errorOf(response),
    text: `${String(response.body)}${JSON.stringify(lines)}`,
    node,
  };
}

describe("a body that is not the JSON that is expected", () => {
  const rows: readonly (readonly [name: string, body: string | Uint8Array, why: RegExp, code?: string])[] = [
    ["empty", "", /not valid JSON/],
    ["cut off", '{"prefix":"hello"', /not valid JSON/],
    ["not UTF-8", new Uint8Array([0x22, 0xff, 0x22]), /not UTF-8/],
    ["UTF-16", Buffer.from(JSON.stringify(good), "utf16le"), /not valid JSON/],
    ["two values", "{}{}", /not valid JSON at position 2/],
    ["null", "null", /expected object/],
    ["an array", "[]", /expected object/],
    ["a string", '"x"', /expected object/],
    ["a number", "1", /expected object/],
    ["without prefix", JSON.stringify({ source: good.source }), /"prefix": .*expected string/],
    ["without source", JSON.stringify({ prefix: "hello" }), /"source": .*expected string/],
    ["with an empty source", JSON.stringify({ ...good, source: "" }), /"source"/],
    ["with a long source", JSON.stringify({ ...good, source: "x".repeat(5_000) }), /"source"/],
    ["with a misspelt key", JSON.stringify({ ...good, polcy: {} }), /"polcy" is not known; the nearest is policy/],
    ["with a key in other case", JSON.stringify({ ...good, SHA256: "" }), /the nearest is sha256/],
    ["with __proto__", `{"__proto__":{},"prefix":"hello","source":"x"}`, /__proto__/],
    ["with __proto__ in env", `{"prefix":"hello","source":"x","env":{"__proto__":"x"}}`, /__proto__/],
    ["with constructor", JSON.stringify({ ...good, constructor: 1 }), /"constructor" is not known/],
    ["with a short digest", JSON.stringify({ ...good, sha256: "ab" }), /64 hex digits/],
    ["with a digest of other characters", JSON.stringify({ ...good, sha256: "x".repeat(64) }), /64 hex digits/],
    ["with a policy that is text", JSON.stringify({ ...good, policy: "fresh" }), /"policy"/],
    ["with an env that is a list", JSON.stringify({ ...good, env: ["A=b"] }), /"env"/],
    ["with an env value that is a number", JSON.stringify({ ...good, env: { A: 1 } }), /"env.A"/],
    ["with = in an env name", JSON.stringify({ ...good, env: { "A=B": "x" } }), /"env.A=B"/],
    ["with an empty env name", JSON.stringify({ ...good, env: { "": "x" } }), /"env."/],
    ["with NUL in an env value", JSON.stringify({ ...good, env: { A: "x\0y" } }), /no NUL/],
    ["nested deep", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, /JSON|object/],
    ["with a bad prefix", JSON.stringify({ ...good, prefix: "../x" }), /not "..\/x"/, "bad_prefix"],
    ["with an empty prefix", JSON.stringify({ ...good, prefix: "" }), /not ""/, "bad_prefix"],
    ["with a reserved prefix", JSON.stringify({ ...good, prefix: "services" }), /reserved/, "reserved_prefix"],
    ["with the other reserved prefix", JSON.stringify({ ...good, prefix: "add" }), /reserved/, "reserved_prefix"],
  ];

  it.each(rows.map(([name, body, why, code = "bad_json"]): Row => [name, body, why, code]))(
    "is refused when it is %s",
    async (_name, body, why, wanted) => {
      const { status, code, message, node } = await add(body);
      expect({ status, code }).toEqual({ status: 400, code: wanted });
      expect(message).toMatch(why);
      expect(message.length).toBeLessThan(500);
      expect(node.added).toEqual([]);
    },
  );

  it("is not repeated: its values may be secret", async () => {
    for (const body of [
      '{"env":{"KEY":"s3cret"',
      '{"env":{"KEY":"s3cret"}}s3cret',
      "s3cret",
      '{"env":{"KEY":["s3cret"]}}',
      '{"sha256":"s3cret"}',
    ]) {
      const { status, text } = await add(body);
      expect(status).toBe(400);
      expect(text).not.toContain("s3cret");
    }
  });

  it("is answered with 400, never 500, whatever the bytes are (property)", async () => {
    const { admin } = makeAdmin();
    const sent = requestFor(route("rollbackService"));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 64 }),
          fc.json().map((text) => Buffer.from(text)),
        ),
        async (body) => {
          expect([200, 400, 404]).toContain((await admin.handle({ ...sent, body })).status);
        },
      ),
    );
  });
});

it("takes only whole positive versions to roll back to", async () => {
  const { admin } = makeAdmin();
  const sent = requestFor(route("rollbackService"));
  const status = async (version: unknown) =>
    (await admin.handle({ ...sent, body: Buffer.from(JSON.stringify({ version })) })).status;
  expect(await status(2)).toBe(200);
  expect(await status(3)).toBe(404);
  for (const version of [0, -1, 1.5, "1", null, 1e300, true]) expect(await status(version), String(version)).toBe(400);
});

describe("a query of PUT", () => {
  const rows: readonly (readonly [query: string, why: RegExp])[] = [
    ["polcy={}", /"polcy" is not known; the nearest is policy/],
    ["policy={}&policy={}", /"policy" twice/],
    ["policy=", /query's policy is not valid JSON/],
    ["policy=fresh", /query's policy is not valid JSON/],
    ["policy=[]", /"policy"/],
    ["env=%7B%22A%22%3A1%7D", /"env.A"/],
    ["env=%7B%22__proto__%22%3A%22x%22%7D", /__proto__/],
    ["sha256=12", /64 hex digits/],
    ["__proto__=1", /"__proto__" is not known/],
  ];

  it.each(rows)("is refused when it is %s", async (query, why) => {
    const { admin, node } = makeAdmin();
    const response = await admin.handle({ ...requestFor(route("putService")), query });
    expect(response.status).toBe(400);
    expect(errorOf(response)).toMatchObject({
      code: "bad_json",
      message: expect.stringMatching(why),
      service: "hello",
    });
    expect(node.added).toEqual([]);
  });
});

it("finds the nearest known name", () => {
  const known = ["prefix", "source", "sha256", "policy", "env"];
  expect(["prefx", "sauce", "sha1", "police", "environment", "ENV"].map((name) => nearest(name, known))).toEqual([
    "prefix",
    "source",
    "sha256",
    "policy",
    "env",
    "env",
  ]);
  expect(nearest("x", [])).toBe("");
  expect([nearest("polcy", known, 1), nearest("plcy", known, 1)]).toEqual(["policy", ""]);
});
