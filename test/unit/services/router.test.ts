// Covers src/services/router.ts.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertPrefix, firstSegment, Router } from "../../../src/services/router.ts";

describe("a prefix", () => {
  it.each(
    ["a", "0", "hello", "a.b-c_d", "9lives", "a".repeat(64), "services2", "adder", "toString", "__proto__"].map(
      (prefix) => [prefix],
    ),
  )("%s is judged as its grammar says", (prefix) => {
    const isGood = /^[a-z0-9][a-z0-9._-]{0,63}$/.test(prefix);
    if (isGood) expect(() => assertPrefix(prefix)).not.toThrow();
    else expect(() => assertPrefix(prefix)).toThrow(expect.objectContaining({ code: "bad_prefix" }));
  });

  it.each([[""], ["."], ["-a"], ["_a"], ["A"], ["aB"], ["a/b"], ["a%62"], ["é"], ["a b"], ["a\n"], ["a".repeat(65)]])(
    "%j is bad",
    (prefix) => {
      expect(() => assertPrefix(prefix)).toThrow(expect.objectContaining({ code: "bad_prefix" }));
    },
  );

  it.each(["services", "add"])("%s is reserved", (prefix) => {
    expect(() => assertPrefix(prefix)).toThrow(expect.objectContaining({ code: "reserved_prefix" }));
    expect(() => new Router<number>().add(prefix, 1)).toThrow(expect.objectContaining({ code: "reserved_prefix" }));
  });
});

describe("the router", () => {
  const router = new Router<string>();
  for (const prefix of ["api", "apix", "a.b", "test"]) router.add(prefix, prefix);

  it.each([
    ["/api", "api"],
    ["/api/", "api"],
    ["/api/x/y", "api"],
    ["/api/services", "api"],
    ["/apix", "apix"],
    ["/apix/api", "apix"],
    ["/%61pi/x", "api"],
    ["/a%2Eb", "a.b"],
    ["/", undefined],
    ["/ap", undefined],
    ["/apiy", undefined],
    ["/API", undefined],
    ["/Api/", undefined],
    ["/x/api", undefined],
    ["/services", undefined],
    ["/%2561pi", undefined],
    ["/api%20", undefined],
    ["/api%2f", undefined],
    ["/api%", undefined],
    ["/api%ff", undefined],
    ["/__proto__", undefined],
    ["/constructor", undefined],
  ])("takes %s to %s", (path, target) => {
    expect(router.get(firstSegment(path))).toBe(target);
  });

  it("replaces at once, and forgets what is removed", () => {
    const own = new Router<number>();
    own.add("a", 1);
    own.add("a", 2);
    expect([own.get(firstSegment("/a/b")), own.get("a"), own.size]).toEqual([2, 2, 1]);
    expect([own.remove("a"), own.remove("a"), own.get(firstSegment("/a")), own.size]).toEqual([
      true,
      false,
      undefined,
      0,
    ]);
  });

  // Few letters, so that prefixes are often each other's beginnings.
  const prefix = fc.stringMatching(/^[ab0][ab0.]{0,3}$/);
  const segment = fc.oneof(
    prefix,
    fc.stringMatching(/^[abA0.%/]{0,4}$/),
    prefix.map((each) => [...each].map((char) => `%${char.charCodeAt(0).toString(16)}`).join("")),
  );
  const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join("/")}`);

  it("agrees with a naive oracle and owns whole segments only", () => {
    const oracle = (prefixes: readonly string[], path: string): string | undefined => {
      let decoded = "";
      try {
        decoded = decodeURIComponent(path.split("/")[1]!);
      } catch {}
      return prefixes.find((each) => each === decoded);
    };
    const seed = Number(process.env.FRENEZULO_SEED ?? Date.now() % 2 ** 31);
    console.log(`router: seed ${seed}`);
    fc.assert(
      fc.property(fc.uniqueArray(prefix, { maxLength: 6 }), path, (prefixes, path) => {
        const own = new Router<string>();
        for (const each of prefixes) own.add(each, each);
        const matched = own.get(firstSegment(path));
        const expected = oracle(prefixes, path);
        // Idempotent: the segment that was matched, as a path of its own, matches the same.
        const isIdempotent = matched === undefined || own.get(firstSegment(`/${firstSegment(path)}`)) === matched;
        // No path outside a prefix reaches it.
        const isInside = matched === undefined || firstSegment(path) === matched;
        return matched === expected && isIdempotent && isInside;
      }),
      { numRuns: 100_000, seed },
    );
  });
});
