// The AssemblyScript SDK's MessagePack against msgpackr: what it gives back is what it was given, in the shortest form.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { MinimalHost } from "../../guests/minimal-host.ts";

const module = readFileSync(join(import.meta.dirname, "../../guests/build/as-pack.wasm"));
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false });

const host = new MinimalHost(module);
const sendTo = (type: string, bytes: Uint8Array): Buffer => host.run(Buffer.from(bytes), type)[0]!.bytes;
const echo = (type: string, value: unknown): unknown => unpackr.unpack(sendTo(type, packr.pack(value)));

const int = (bits: number) => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 });
const double = fc.double({ noNaN: true }).map((value) => value + 0); // msgpackr writes -0 as an integer

describe("what is encoded as another library does", () => {
  for (const [type, values] of Object.entries({
    bools: fc.array(fc.boolean()),
    bytes8: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 }),
    shorts: fc.array(int(16)),
    ints: fc.array(int(32), { maxLength: 40 }),
    uints: fc.array(fc.nat({ max: 0xffff_ffff })),
    text: fc.string({ unit: "grapheme", maxLength: 400, size: "max" }),
    texts: fc.array(fc.option(fc.string())),
  })) {
    it(type, () => {
      fc.assert(
        fc.property(values as fc.Arbitrary<unknown>, (value) => {
          const bytes = packr.pack(value);
          const back = sendTo(type, bytes);
          expect(unpackr.unpack(back)).toEqual(unpackr.unpack(bytes));
          expect(back.length).toBeLessThanOrEqual(bytes.length);
        }),
      );
    });
  }
});

describe("what comes back", () => {
  it("floats keep every bit, and integers become floats", () => {
    fc.assert(
      fc.property(fc.array(double), (values) => {
        expect(echo("floats", values)).toEqual(values);
      }),
    );
    const minusZero = Buffer.from("91cb8000000000000000", "hex");
    expect(sendTo("floats", minusZero)).toEqual(minusZero);
    expect(echo("floats", [1, -7, 2 ** 40, 1.5, Number.POSITIVE_INFINITY])).toEqual([
      1,
      -7,
      2 ** 40,
      1.5,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it("64 bits of integers", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        expect((echo("ints", [value]) as unknown[]).map(BigInt as (value: unknown) => bigint)).toEqual([value]);
      }),
    );
    expect(echo("uints", [2n ** 64n - 1n])).toEqual([2n ** 64n - 1n]);
  });

  it("binaries of every length", () => {
    for (const length of [0, 1, 255, 256, 1021, 1022, 1023, 1024, 1025, 65_535, 65_536, 300_000]) {
      const bytes = Buffer.from(Uint8Array.from({ length }, (_, i) => i * 7));
      for (const type of ["binary", "buffer"]) {
        expect(Buffer.compare(echo(type, bytes) as Buffer, bytes), `${type} of ${length}`).toBe(0);
      }
    }
  });

  it("maps, classes and handles of processes", () => {
    const lists = fc.dictionary(fc.string(), fc.array(int(32)), { noNullPrototype: true });
    fc.assert(
      fc.property(lists, (value) => {
        const map = new Map(Object.entries(value));
        expect(echo("map", map)).toEqual(map);
      }),
    );
    expect(echo("leaf", ["a", 1.5, ["b", 2.5, null]])).toEqual(["a", 1.5, ["b", 2.5, null]]);
    // As rmp-serde writes a Process (lunatic-abi.md, section 3.3).
    expect(sendTo("process", Buffer.from([0x92, 0x01, 0xcd, 0x01, 0x2c])).toString("hex")).toBe("9201cd012c");
  });
});

describe("what does not fit", () => {
  const refused = (type: string, bytes: Uint8Array): string => {
    const guest = new MinimalHost(module);
    expect(() => guest.run(Buffer.from(bytes), type)).toThrow(WebAssembly.RuntimeError);
    return guest.output;
  };

  it("ends the process with a text that says what", () => {
    expect(refused("shorts", packr.pack([40_000]))).toMatch("a message holds 40000, which does not fit its type");
    expect(refused("bytes8", packr.pack([-1]))).toMatch("a negative integer where none may be");
    expect(refused("ints", packr.pack([2n ** 64n - 1n]))).toMatch("an integer that is too large");
    expect(refused("text", packr.pack([1]))).toMatch("type 0x91 where a string is expected");
    expect(refused("leaf", packr.pack(["a"]))).toMatch("an array of 1 where 3 are expected");
    expect(refused("map", packr.pack([]))).toMatch("type 0x90 where a map is expected");
  });

  it("is refused at every cut, and before anything is made of a false length", () => {
    const bytes = packr.pack(new Map([["key", [1, 2, 300_000]]]));
    for (const cut of bytes.keys()) expect(refused("map", bytes.subarray(0, cut))).toMatch("a message ends early");
    for (const lie of ["ddffffffff", "dcffff00"])
      expect(refused("ints", Buffer.from(lie, "hex"))).toMatch("ends early");
    for (const lie of ["dfffffffff", "deffff00"]) expect(refused("map", Buffer.from(lie, "hex"))).toMatch("ends early");
    expect(refused("binary", Buffer.from("c6ffffffff00", "hex"))).toMatch("ends early");
  });
});
