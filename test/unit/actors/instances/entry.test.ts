// The call that a process begins with: its way as JSON, and parameters that JavaScript cannot pass.
import { createRequire } from "node:module";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { entryAsJson, entryCall, entryFromJson, type Parameter } from "../../../../actors/instances/entry.ts";

const text = `(module
  (memory (export "memory") 1)
  (func (export "none") (i32.store8 (i32.const 0) (i32.const 1)))
  (func (export "plain") (param i32 i64)
    (i32.store (i32.const 0) (local.get 0)) (i64.store (i32.const 8) (local.get 1)))
  (func (export "all") (param i32 i64 v128 v128)
    (i32.store (i32.const 0) (local.get 0)) (i64.store (i32.const 8) (local.get 1))
    (v128.store (i32.const 16) (local.get 2)) (v128.store (i32.const 32) (local.get 3))))`;

let exports: WebAssembly.Exports;
let memory: Buffer;

beforeAll(async () => {
  const wabt = await createRequire(import.meta.url)("wabt")();
  const bytes: Uint8Array<ArrayBuffer> = wabt.parseWat("entry", text, { simd: true }).toBinary({}).buffer;
  exports = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  memory = Buffer.from((exports.memory as WebAssembly.Memory).buffer);
});

const call = (name: string, params: readonly Parameter[]): void =>
  entryCall(exports, entryFromJson(JSON.parse(JSON.stringify(entryAsJson({ name, params })))))();

const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const v128 = fc.uint8Array({ minLength: 16, maxLength: 16 });

describe("an entry call", () => {
  it("passes integers", () => {
    fc.assert(
      fc.property(i32, i64, (a, b) => {
        call("plain", [a, b]);
        expect([memory.readInt32LE(0), memory.readBigInt64LE(8)]).toEqual([a, b]);
      }),
    );
  });

  it("passes vectors, beside integers of any size", () => {
    fc.assert(
      fc.property(i32, i64, v128, v128, (a, b, c, d) => {
        call("all", [a, b, ...[c, d].map((bytes) => ({ v128: Buffer.from(bytes).toString("hex") }))]);
        expect([memory.readInt32LE(0), memory.readBigInt64LE(8)]).toEqual([a, b]);
        expect(memory.subarray(16, 48)).toEqual(Buffer.concat([c, d]));
      }),
    );
  });

  it("wants a function of exactly these parameters", () => {
    expect(() => call("missing", [])).toThrow("its module exports no function missing");
    expect(() => call("memory", [])).toThrow("its module exports no function memory");
    expect(() => call("none", [1])).toThrow("its function none takes 0 parameters; 1 were given");
    const otherTypes = "its function plain takes parameters of other types than were given";
    expect(() => call("plain", [1, { v128: "00".repeat(16) }])).toThrow(otherTypes);
    expect(() => call("plain", [1, 1])).toThrow(otherTypes);
    expect(() => call("plain", [1n, 1n])).toThrow(otherTypes);
  });
});
