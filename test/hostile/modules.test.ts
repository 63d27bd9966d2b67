// src/modules/: whatever the bytes, an error of the table or a module; the rewrite changes no verdict of V8's.
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type errorTable, FrenezuloError } from "../../src/errors.ts";
import { type IntakeLimits, Modules } from "../../src/modules/modules.ts";
import { rewrite } from "../../src/modules/rewrite.ts";
import { type Scan, scan } from "../../src/modules/scan.ts";
import {
  code,
  fromSections,
  leb,
  mainExport,
  minimal,
  oneFunction,
  repeat,
  unitType,
  validGuests,
} from "../harness/modules-fixtures.ts";
import { PATIENCE_MS } from "../harness/patience.ts";

const isLong = process.env.TEST_LONG === "1";
const limits: IntakeLimits = {
  memoryBytes: 512 * 65_536,
  tableElements: 10_000,
  moduleBytesMax: 32 << 20,
  compileMs: PATIENCE_MS,
};
const verdicts = new Set(["bad_module", "unknown_import", "missing_entry", "module_limits"]);
const ownRefusals = /shared memory|_initialize is|are reserved|needs the proposal|custom sections/;
const guests = Object.values(validGuests);

/** The scan, or null if it refused with an error that a module can earn; anything else is thrown on. */
function judge(bytes: Uint8Array): Scan | null {
  try {
    return scan(bytes, limits);
  } catch (thrown) {
    if (thrown instanceof FrenezuloError && verdicts.has(thrown.code)) {
      expect(thrown.message).toMatch(/^[\x20-\x7e…]+$/);
      // What is called malformed is so for V8, too, but for what this host alone refuses.
      if (thrown.code === "bad_module" && WebAssembly.validate(bytes)) expect(thrown.message).toMatch(ownRefusals);
      return null;
    }
    throw thrown;
  }
}

/** @returns what became of it: refused by the scan, refused by V8, or taken; with V8 of one mind on both forms */
function take(bytes: Uint8Array): "scan" | "V8" | "taken" {
  const scanned = judge(bytes);
  if (scanned === null) return "scan";
  const rewritten = rewrite(bytes, scanned, limits);
  const isValid = WebAssembly.validate(bytes);
  expect(WebAssembly.validate(rewritten.bytes)).toBe(isValid);
  if (!isValid) return "V8";
  const exported = new Map(
    WebAssembly.Module.exports(new WebAssembly.Module(rewritten.bytes)).map(({ name, kind }) => [name, kind]),
  );
  expect(exported.get(rewritten.info.entry ?? "")).toBe("function");
  if (rewritten.info.memory !== null) expect(exported.get(rewritten.info.memory)).toBe("memory");
  for (const name of rewritten.info.globals) expect(exported.get(name)).toBe("global");
  return "taken";
}

describe("random bytes", () => {
  it("never raise anything but an error of the table", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, hasPreamble) => {
        take(hasPreamble ? new Uint8Array(Buffer.concat([minimal.subarray(0, 8), bytes])) : bytes);
      }),
      { numRuns: isLong ? 200_000 : 3000 },
    );
  });

  it("in place of a section's contents never raise anything but an error of the table", () => {
    const section = fc.tuple(fc.integer({ min: 0, max: 14 }), fc.uint8Array({ maxLength: 60 }));
    fc.assert(
      fc.property(fc.array(section, { maxLength: 8 }), (sections) => {
        take(fromSections(...sections.sort(([one], [other]) => one - other)));
      }),
      { numRuns: isLong ? 200_000 : 3000 },
    );
  });
});

describe("a valid guest", () => {
  it.each(Object.entries(validGuests))(
    "%s cut at any byte within a section is refused, by the scan or by V8",
    (_name, bytes) => {
      const whole = scan(bytes, limits).sections.map(({ end }) => end);
      for (let length = 0; length < bytes.length; length++) {
        // A cut between two sections can leave a whole module: one without its data.
        if (take(bytes.slice(0, length)) === "taken") expect(whole).toContain(length);
      }
    },
  );

  it.each(Object.entries(validGuests))(
    "%s with any one byte changed is judged alike before and after",
    (_name, bytes) => {
      for (let at = 0; at < bytes.length; at++) {
        for (const value of [0, 1, 0x7f, 0x80, 0xff, (bytes[at] as number) ^ 1, (bytes[at] as number) ^ 0x40]) {
          const changed = bytes.slice();
          changed[at] = value;
          take(changed);
        }
      }
    },
  );
});

describe("mutations of valid guests", () => {
  /** A place as a part of the length; without bias, which would hit the magic bytes most of the time. */
  const place = fc.noBias(fc.nat(99_999)).map((part) => part / 100_000);
  const guest = fc.constantFrom(...guests);
  const set = fc.record({ kind: fc.constant("set" as const), at: place, byte: fc.integer({ min: 0, max: 255 }) });
  const flip = fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.integer({ min: 0, max: 7 }) });
  const edit = fc.oneof(
    { arbitrary: set, weight: 4 },
    { arbitrary: flip, weight: 4 },
    fc.record({ kind: fc.constant("insert" as const), at: place, bytes: fc.uint8Array({ maxLength: 6 }) }),
    fc.record({ kind: fc.constant("remove" as const), at: place, count: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ kind: fc.constant("splice" as const), at: place, from: guest, start: place, count: fc.nat(40) }),
  );
  type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never;

  function apply(bytes: Uint8Array, change: Edit): Uint8Array {
    const at = Math.floor(change.at * bytes.length);
    const replace = (count: number, by: Uint8Array) =>
      new Uint8Array(Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + count)]));
    switch (change.kind) {
      case "set":
        return replace(1, Uint8Array.of(change.byte));
      case "flip":
        return replace(1, Uint8Array.of((bytes[at] ?? 0) ^ (1 << change.bit)));
      case "insert":
        return replace(0, change.bytes);
      case "remove":
        return replace(change.count, new Uint8Array());
      case "splice": {
        const start = Math.floor(change.start * change.from.length);
        return replace(0, change.from.subarray(start, start + change.count));
      }
    }
  }

  it("are refused with an error of the table or taken, and the rewrite changes no verdict of V8's", () => {
    const seen = { scan: 0, V8: 0, taken: 0 };
    fc.assert(
      fc.property(guest, fc.array(edit, { minLength: 1, maxLength: 2 }), (bytes, edits) => {
        seen[take(edits.reduce(apply, bytes))]++;
      }),
      { numRuns: isLong ? 1_000_000 : 20_000 },
    );
    // Each way out is really taken: a scan that refused everything would pass otherwise.
    expect(Math.min(seen.scan, seen.V8, seen.taken)).toBeGreaterThan(500);
  });
});

describe("bombs", () => {
  const modules = new Modules({ threads: 1, cacheBytesMax: 1 << 20, modulesMax: 10 });
  afterAll(() => modules.close());

  const withMain = (...before: readonly (readonly [number, ArrayLike<number>])[]) =>
    fromSections(unitType, oneFunction, ...before, mainExport, code());
  const name = Buffer.from("frenezulo_main");
  const manyExports = (count: number) => {
    const pieces = [Buffer.from([...leb(count + 1), name.length, ...name, 0, 0])];
    for (let index = 0; index < count; index++)
      pieces.push(Buffer.from(`\x08${index.toString(16).padStart(8, "0")}\0\0`));
    return Buffer.concat(pieces);
  };
  const functions = (count: number, body: readonly number[]) =>
    fromSections(unitType, [3, Buffer.concat([Buffer.from(leb(count)), Buffer.alloc(count)])], mainExport, [
      10,
      Buffer.concat([Buffer.from(leb(count)), repeat(count, body.length, ...body)]),
    ]);
  const locals = (count: number) => [1, ...leb(count), 0x7f, 0x0b];
  const calls = Array.from({ length: 24 }, (_, index) => [6, 0, 0x10, index + 1, 0x10, index + 1, 0x0b]).flat();

  it.each<[string, () => Uint8Array, keyof typeof errorTable | "taken"]>([
    ["1,000,000 empty functions", () => functions(1_000_000, [0, 0x0b]), "module_limits"],
    ["1,000 functions of 50,000 locals", () => functions(1000, locals(50_000)), "module_limits"],
    ["100 functions of 50,000 locals", () => functions(100, locals(50_000)), "taken"],
    ["one function of 50,001 locals", () => functions(1, locals(50_001)), "bad_module"],
    ["4,294,967,295 locals", () => functions(1, locals(0xffff_ffff)), "module_limits"],
    [
      "1,000,000 nested blocks",
      () => fromSections(unitType, oneFunction, mainExport, code(repeat(1_000_000, 2, 0x40), repeat(1_000_000, 0x0b))),
      "module_limits",
    ],
    [
      "1,000,000 types",
      () => fromSections([1, Buffer.concat([Buffer.from(leb(1_000_000)), repeat(1_000_000, 0x60, 0, 0)])]),
      "module_limits",
    ],
    [
      "1,000,000 exports",
      () => fromSections(unitType, oneFunction, [7, manyExports(1_000_000)], code()),
      "module_limits",
    ],
    [
      "a custom section of 20 MB",
      () => withMain([0, Buffer.concat([Buffer.from([1, 120]), Buffer.alloc(20_000_000)])]),
      "taken",
    ],
    ["more bytes than are allowed", () => withMain([0, Buffer.alloc(limits.moduleBytesMax)]), "module_too_large"],
    ["one table of 10,000,000", () => withMain([4, [1, 0x70, 0, ...leb(10_000_000)]]), "module_limits"],
    ["20 tables of 10,000,000", () => withMain([4, [20, ...repeat(20, 0x70, 0, ...leb(10_000_000))]]), "module_limits"],
    ["100,000 tables of 0", () => withMain([4, [...leb(100_000), ...repeat(100_000, 0x70, 0, 0)]]), "module_limits"],
    ["a memory of 65,536 pages", () => withMain([5, [1, 0, ...leb(65_536)]]), "module_limits"],
    ["a memory of 65,537 pages", () => withMain([5, [1, 0, ...leb(65_537)]]), "module_limits"],
    ["two memories", () => withMain([5, [2, 0, 1, 0, 1]]), "bad_module"],
    [
      "a tree of 2^24 calls",
      () => {
        const count = 25;
        return fromSections(unitType, [3, [count, ...repeat(count, 0)]], mainExport, [
          10,
          [count, ...calls, 2, 0, 0x0b],
        ]);
      },
      "taken",
    ],
  ])("%s: as expected, and the next guest is served", async (_name, make, expected) => {
    const outcome = await modules.compile(make(), limits).then(
      () => "taken",
      (thrown: unknown) => (thrown instanceof FrenezuloError ? thrown.code : thrown),
    );
    expect(outcome).toBe(expected);
    expect((await modules.compile(minimal, limits)).bytes).toBe(minimal.length);
  });

  it("that promise 2^32 - 1 of anything are refused for it at once", () => {
    const huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
    for (let id = 1; id <= 13; id++) expect(() => scan(fromSections([id, huge]), limits)).toThrow(FrenezuloError);
    const importName = Buffer.concat([Buffer.from([1, ...huge]), Buffer.from("lunatic")]);
    expect(() => scan(fromSections(unitType, [2, importName]), limits)).toThrow(/ends too early/);
    expect(() => scan(fromSections([1, [1, 0x60, ...huge]]), limits)).toThrow(/ends too early/);
    const table = [4, [1, 0x70, 0, 1]] as const;
    const body = code(0x0e, ...huge);
    expect(() => scan(fromSections(unitType, oneFunction, table, mainExport, body), limits)).toThrow(/ends too early/);
  });
});
