// Covers src/admin/lazy-json.ts, src/node/listing.ts and the pages of GET /services.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isLazy, jsonTexts } from "../../../src/admin/lazy-json.ts";
import { Router } from "../../../src/services/router.ts";
import { errorOf, makeAdmin, request, send } from "./fixture.ts";

/** The value with its arrays as lists that are made while they are read. */
function lazy(value: unknown): unknown {
  if (Array.isArray(value)) return new Set(value.map(lazy));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, lazy(member)]));
}

describe("JSON of lazy lists", () => {
  it("is that of arrays (property)", () => {
    const values = fc.jsonValue();
    fc.assert(
      fc.property(values, (value) => {
        // A Set drops what is there twice: numbers of the items keep them apart.
        const apart = JSON.parse(JSON.stringify(value), (_key, member: unknown) =>
          Array.isArray(member) ? member.map((item, i) => ({ i, item })) : member,
        ) as unknown;
        expect([...jsonTexts(lazy(apart))].join("")).toBe(JSON.stringify(apart));
        expect(isLazy(apart)).toBe(false);
      }),
    );
  });

  it("leaves out what is undefined, and says never for what has no end", () => {
    const value = { a: undefined, b: Number.POSITIVE_INFINITY, c: new Set([{ d: Number.POSITIVE_INFINITY }]) };
    expect([...jsonTexts(value)].join("")).toBe('{"b":"never","c":[{"d":"never"}]}');
    expect([...jsonTexts({ services: new Set() })].join("")).toBe('{"services":[]}');
  });
});

describe("a router's targets by number", () => {
  it("are walked in pages so that each that stays comes once, whatever comes and goes meanwhile (property)", () => {
    const change = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 30 }));
    fc.assert(
      fc.property(fc.array(fc.array(change)), fc.integer({ min: 1, max: 7 }), (rounds, size) => {
        const router = new Router<string>();
        const staying = Array.from({ length: 20 }, (_, i) => `stays${i}`);
        for (const [i, prefix] of staying.entries()) {
          router.add(`early${i}`, `early${i}`);
          router.add(prefix, prefix);
        }
        const seen: string[] = [];
        let last = 0;
        for (let round = 0; ; round++) {
          const page = [...router.after(last)].slice(0, size);
          if (page.length === 0) break;
          seen.push(...page.map(([, target]) => target));
          last = page.at(-1)![0];
          for (const [isAdded, i] of rounds[round] ?? []) {
            if (isAdded) router.add(`early${i}`, `early${i}`);
            else router.remove(`early${i}`);
          }
        }
        expect(seen.filter((target) => target.startsWith("stays"))).toEqual(staying);
      }),
    );
  });
});

describe("GET /services", () => {
  const ask = async (query: string) => {
    const { admin, node } = makeAdmin();
    for (let i = 0; i < 5; i++) node.versions.set(`s${i}`, ["3".repeat(64)]);
    const answer = await send(admin, request({ query }));
    return { answer, body: JSON.parse(String(answer.body)) as { services: { prefix: string }[]; next?: string } };
  };

  it("answers all without parameters, as ever", async () => {
    const { answer, body } = await ask("");
    expect(answer.headers).toContainEqual(["content-type", "application/json"]);
    expect(Object.keys(body)).toEqual(["services"]);
    expect(body.services.map(({ prefix }) => prefix)).toEqual(["hello", "s0", "s1", "s2", "s3", "s4"]);
  });

  it("answers a page and the cursor of the next", async () => {
    const first = (await ask("limit=4")).body;
    expect(first.services.map(({ prefix }) => prefix)).toEqual(["hello", "s0", "s1", "s2"]);
    const second = (await ask(`limit=4&cursor=${first.next}`)).body;
    expect(second).toMatchObject({ services: [{ prefix: "s3" }, { prefix: "s4" }], next: null });
  });

  it.each(["limit=0", "limit=-1", "limit=1.5", "limit=10001", "limit=99999999", "limit=x", "limit=", "page=2"])(
    "refuses %s",
    async (query) => {
      const { answer } = await ask(query);
      expect([answer.status, errorOf(answer).code]).toEqual([400, "bad_json"]);
    },
  );
});
