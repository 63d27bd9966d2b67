// src/modules/scan.ts and its parts: what is refused, with which words, and what is found in what is not.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrenezuloError } from "../../../src/errors.ts";
import { type Scan, scan } from "../../../src/modules/scan.ts";
import {
  code,
  fromSections,
  mainExport,
  minimal,
  oneFunction,
  unitType,
  validGuests,
  wasm,
} from "../../harness/modules-fixtures.ts";

const limits = { memoryBytes: 32 * 65_536, tableElements: 1000 };

function refusal(bytes: Uint8Array): string {
  try {
    scan(bytes, limits);
  } catch (thrown) {
    if (thrown instanceof FrenezuloError) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
  throw new Error("it was not refused");
}

const text = (value: string) => new Uint8Array(Buffer.from(value));
const hex = (value: string) => new Uint8Array(Buffer.from(value.replaceAll(" ", ""), "hex"));
const guest = (...fields: string[]) => wasm(`(module ${fields.join(" ")} (func (export "frenezulo_main")))`);

describe("bytes that are no core module", () => {
  it.each([
    ["nothing", text(""), /it is empty/],
    ["half a preamble", hex("0061736d 01"), /ends within its first 8 bytes/],
    ["another version", hex("0061736d 02000000"), /its version is not 1/],
    ["a component", hex("0061736d 0d000100 00"), /it is a component; core modules are served here/],
    ["text", text("  (module)"), /WebAssembly text/],
    ["text that begins with a comment", text(";; hello\n(module)"), /WebAssembly text/],
    ["gzip", hex("1f8b0800 00000000"), /compressed \(gzip\)/],
    ["zip", hex("504b0304 00"), /compressed \(zip\)/],
    ["a web page", text("\n<!DOCTYPE html><title>404"), /it is a web page/],
    ["JSON", text('{"prefix": "x"}'), /it is JSON/],
    ["an ELF program", hex("7f454c46 02"), /native ELF program/],
    ["anything else", text("hello"), /magic bytes 00 61 73 6d/],
  ])("%s is named", (_name, bytes, expected) => {
    expect(refusal(bytes)).toMatch(expected);
    expect(refusal(bytes)).toMatch(/^bad_module/);
  });
});

describe("sections", () => {
  const start = Buffer.from(minimal);

  it.each([
    ["of an unknown kind", fromSections([99, []]), /section of the unknown kind 99/],
    ["that come twice", fromSections(unitType, unitType), /two type sections/],
    ["out of order", fromSections(oneFunction, unitType), /type section out of order/],
    ["that promise more than there is", hex("0061736d01000000 01 ff ff ff ff 0f 00"), /promises 4294967295 bytes/],
    ["with an overlong length", hex("0061736d01000000 01 80 80 80 80 80 00"), /more than 32 bits/],
    ["with bits beyond the 32nd", hex("0061736d01000000 01 80 80 80 80 10"), /more than 32 bits/],
    ["with something left over", fromSections([1, [1, 0x60, 0, 0, 0]]), /type section is longer than its contents/],
    ["cut short", fromSections([1, [2, 0x60, 0, 0]]), /type section ends too early/],
    ["too many", new Uint8Array(Buffer.concat([start, ...Array(1001).fill(hex("00 01 00"))])), /1000 custom sections/],
  ])("%s are refused", (_name, bytes, expected) => {
    expect(refusal(bytes)).toMatch(/^bad_module/);
    expect(refusal(bytes)).toMatch(expected);
  });

  it("of the custom kind may stand anywhere", () => {
    const custom = [0, [1, 120, 1, 2, 3]] as const;
    const bytes = fromSections(custom, unitType, custom, oneFunction, custom, mainExport, code(), custom, custom);
    expect(scan(bytes, limits).entry).toBe("frenezulo_main");
  });
});

describe("imports", () => {
  it("of every age of a function are taken", () => {
    for (const type of ["(param i64)", "(param i64) (result i32)"]) {
      scan(guest(`(import "lunatic::message" "send" (func ${type}))`), limits);
    }
    for (const type of ["(param i64 i64) (result i32)", "(param i64 i64 i64) (result i32)"]) {
      scan(guest(`(import "lunatic::message" "send_receive_skip_search" (func ${type}))`), limits);
    }
  });

  it.each([
    ['"env" "memory" (memory 1)', /env\.memory.*it is a memory.*define and export its own memory/],
    ['"env" "__indirect_function_table" (table 1 funcref)', /it is a table and only functions/],
    ['"env" "g" (global i32)', /it is a global and only functions/],
    ['"env" "g" (global (mut i32))', /it is a global and only functions/],
    ['"env" "t" (tag (param i32))', /it is a tag and only functions/],
    ['"nothing" "f" (func)', /imports nothing\.f, .*no such import module; there are lunatic::message, /],
    ['"env" "printf" (func (param i32 i32) (result i32))', /imports env\.printf.*only abort.*linker did not find/],
    ['"wasi_unstable" "fd_write" (func)', /older WASI; compile for wasi_snapshot_preview1/],
    ['"wasi:io/streams@0.2.3" "drop" (func)', /WASI 0\.2/],
    ['"gojs" "runtime.wasmExit" (func (param i32))', /GOOS=wasip1/],
    ['"wbg" "x" (func)', /wasm-bindgen/],
    ['"lunatic::message" "clone" (func)', /lunatic::message has no such function/],
    ['"lunatic::message" "toString" (func)', /lunatic::message has no such function/],
    ['"__proto__" "toString" (func)', /no such import module/],
    [
      '"lunatic::message" "send" (func (param i32) (result i32))',
      /declared as \(i32\) -> i32; here it is \(i64\) -> i32 or \(i64\) -> \(\)/,
    ],
    ['"lunatic::process" "process_id" (func (result i32))', /declared as \(\) -> i32; here it is \(\) -> i64/],
    ['"lunatic::version" "major" (func (param v128))', /declared as \(v128\) -> \(\)/],
  ])("(import %s) are refused in words that help", (fields, expected) => {
    expect(refusal(guest(`(import ${fields})`))).toMatch(/^unknown_import/);
    expect(refusal(guest(`(import ${fields})`))).toMatch(expected);
  });

  it("are shown without control characters and cut", () => {
    const shown = refusal(guest(`(import "e\\1b[31mvil\\0a" "${"x".repeat(5000)}" (func))`));
    expect(shown).toMatch(/^[\x20-\x7e…]+$/);
    expect(shown).toContain("e\\u{1b}[31mvil\\u{a}");
    expect(shown.length).toBeLessThan(700);
  });

  it("are bounded in number", () => {
    const one = '(import "lunatic::version" "major" (func (result i32)))';
    expect(scan(guest(one.repeat(2000)), limits).entry).toBe("frenezulo_main");
    expect(refusal(guest(one.repeat(2001)))).toMatch(/^module_limits: .*2001 imports.*2000/);
  });
});

describe("the memory and the tables", () => {
  it("may start with what the policy allows, and not with one more", () => {
    expect(scan(guest("(memory 32)"), limits).memory).toEqual({ min: 32, max: null, exportName: null });
    expect(refusal(guest("(memory 33)"))).toMatch(/module_limits: .*2162688 bytes \(33 pages\).*2097152 bytes/);
    expect(scan(guest("(table 600 funcref) (table 400 externref)"), limits).tables).toHaveLength(2);
    expect(refusal(guest("(table 600 funcref) (table 401 externref)"))).toMatch(/module_limits: .*1001 elements.*1000/);
  });

  it.each([
    ["a shared memory", guest("(memory 1 2 shared)"), /shared memory/],
    ["a 64-bit memory", guest("(memory i64 1)"), /proposal "memory64"/],
    ["two memories", fromSections([5, [2, 0, 1, 0, 1]]), /proposal "multi-memory"/],
    ["a maximum below the minimum", fromSections([5, [1, 1, 2, 1]]), /maximum is below its minimum/],
    ["custom page sizes", fromSections([5, [1, 8, 1, 0]]), /proposal "custom page sizes"/],
    ["a table of typed references", fromSections([4, [1, 0x64, 0x70, 0, 1]]), /typed function references/],
    ["a table of 64 bits", fromSections([4, [1, 0x70, 4, 1]]), /proposal "memory64"/],
    ["a GC type", fromSections([1, [1, 0x5f, 0]]), /proposal "GC"/],
    ["an exnref global", fromSections([6, [1, 0x69, 0, 0xd0, 0x69, 0x0b]]), /exnref/],
  ])("%s is refused by its name", (_name, bytes, expected) => {
    expect(refusal(bytes)).toMatch(/^bad_module/);
    expect(refusal(bytes)).toMatch(expected);
  });
});

describe("exports", () => {
  const exported = (...names: string[]) => names.map((name) => `(func (export "${name}"))`).join(" ");

  it.each([
    [exported("frenezulo_main", "_start", "main"), "frenezulo_main"],
    [exported("_start", "main"), "_start"],
    [exported("main"), "main"],
    [`(func (export "_start") (param i32)) ${exported("main")}`, "main"],
    ['(import "env" "abort" (func (param i32 i32 i32 i32))) (func (export "main"))', "main"],
  ])("%s have the entry they should", (fields, entry) => {
    expect(scan(wasm(`(module ${fields})`), limits).entry).toBe(entry);
  });

  it("without an entry are refused, with what was found", () => {
    expect(refusal(wasm("(module)"))).toMatch(/^missing_entry: .*exports none of them/);
    const wrong =
      '(module (func (export "main") (param i32 i32) (result i32) i32.const 0) (memory (export "_start") 1))';
    expect(refusal(wasm(wrong))).toMatch(/^missing_entry: .*main is \(i32, i32\) -> i32/);
  });

  it("may have an _initialize of type () -> ()", () => {
    expect(scan(guest('(func (export "_initialize"))'), limits).initialize).toBe(true);
    expect(scan(minimal, limits).initialize).toBe(false);
    expect(refusal(guest('(func (export "_initialize") (param i32))'))).toMatch(/_initialize is \(i32\) -> \(\)/);
  });

  it("may not begin with the reserved prefix", () => {
    expect(refusal(guest('(func (export "frenezulo:global:0"))'))).toMatch(/begin with frenezulo: are reserved/);
  });

  it("name the memory, `memory` before others", () => {
    const memory = (fields: string) => scan(guest(`(memory 1) ${fields}`), limits).memory?.exportName;
    expect(memory('(export "a" (memory 0)) (export "memory" (memory 0)) (export "b" (memory 0))')).toBe("memory");
    expect(memory('(export "a" (memory 0)) (export "b" (memory 0))')).toBe("a");
    expect(memory('(export "\\c3\\a9" (memory 0))')).toBe(null);
    expect(memory("")).toBe(null);
  });
});

describe("whether an instance can be put back in place", () => {
  const body = (...instructions: string[]) =>
    wasm(`(module (memory 1) (table $t 2 funcref) (table $u 2 funcref) (tag $e) (type $unit (func))
      (elem $s func $f) (elem declare func $f) (data $d "abc") (global $g (mut i32) (i32.const 0))
      (func $f (export "frenezulo_main") (local $v v128) unreachable ${instructions.join("\n")}))`);

  const irreversible: readonly (readonly [string, string])[] = [
    ["(table.set $t (i32.const 0) (ref.null func))", "table.set"],
    ["(drop (table.grow $t (ref.null func) (i32.const 1)))", "table.grow"],
    ["(table.fill $u (i32.const 0) (ref.func $f) (i32.const 1))", "table.fill"],
    ["(table.copy $t $u (i32.const 0) (i32.const 0) (i32.const 1))", "table.copy"],
    ["(table.init $t $s (i32.const 0) (i32.const 0) (i32.const 1))", "table.init"],
    ["(elem.drop $s)", "elem.drop"],
    ["(data.drop $d)", "data.drop"],
  ];

  /** One or more of every shape of instruction, many with 0x26 (table.set) or 0xfc among their immediates. */
  const harmless = [
    "nop",
    "(block)",
    "(loop (br 0))",
    "(block (result f64) (f64.const 38)) drop",
    "(i32.const 38) (block (param i32) (result i32)) drop",
    "(if (i32.const 38) (then nop) (else (return)))",
    "(br_table 0 0 0 (i32.const 252))",
    "(br_if 0 (i32.const 0))",
    "(call $f)",
    "(call_indirect $t (type $unit) (i32.const 0))",
    "(drop (i32.const 38))",
    "(drop (i32.const -4826))",
    "(drop (i64.const 0x7ffffc26fc26fc26))",
    "(drop (f32.const nan:0x26fc26))",
    "(drop (f64.const 0x1.2626262626262p3))",
    "(drop (i32.load offset=38 (i32.const 0)))",
    "(i64.store8 offset=0x26fc26 (i32.const 0) (i64.const 0))",
    "(drop (memory.grow (memory.size)))",
    "(global.set $g (global.get $g))",
    "(drop (select (i32.const 0) (i32.const 38) (i32.const 0)))",
    "(drop (select (result i64) (i64.const 0) (i64.const 38) (i32.const 0)))",
    "(drop (ref.is_null (ref.null extern)))",
    "(drop (ref.func $f))",
    "(drop (table.get $t (i32.const 38)))",
    "(drop (table.size $u))",
    "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))",
    "(memory.copy (i32.const 0) (i32.const 38) (i32.const 1))",
    "(memory.fill (i32.const 0) (i32.const 38) (i32.const 1))",
    "(drop (i64.trunc_sat_f32_u (f32.const 1)))",
    "(drop (i32.extend8_s (i32.const 38)))",
    "(drop (v128.const i32x4 0x26262626 0xfc0c26fc 0x26fc1126 0x26))",
    "(drop (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (local.get $v) (local.get $v)))",
    "(drop (v128.load offset=38 (i32.const 0)))",
    "(drop (v128.load8_lane offset=38 7 (i32.const 0) (local.get $v)))",
    "(v128.store64_lane offset=38 1 (i32.const 0) (local.get $v))",
    "(drop (v128.load32_zero offset=38 (i32.const 0)))",
    "(drop (i16x8.replace_lane 5 (local.get $v) (i32.const 38)))",
    "(drop (i8x16.swizzle (local.get $v) (local.get $v)))",
    "(drop (f64x2.sqrt (local.get $v)))",
    "(drop (i32.atomic.rmw.add offset=36 (i32.const 0) (i32.const 38)))",
    "(drop (i64.atomic.rmw32.cmpxchg_u offset=36 (i32.const 0) (i64.const 38) (i64.const 0)))",
    "(drop (memory.atomic.notify offset=36 (i32.const 0) (i32.const 38)))",
    "(atomic.fence)",
    "try (throw $e) catch $e rethrow 0 catch_all end",
    "try (result i32) (i32.const 38) delegate 0 drop",
    "(return_call $f)",
    "(return_call_indirect $t (type $unit) (i32.const 0))",
  ];

  const why = (bytes: Uint8Array): Scan["notResettable"] => scan(bytes, limits).notResettable;

  it.each(irreversible)("%s says no, by its name", (instruction, name) => {
    expect(why(body(instruction))).toBe(`function body 0 has ${name}`);
  });

  it.each(harmless)("%s says yes, and hides nothing behind it", (instruction) => {
    expect(why(body(instruction))).toBe(null);
    expect(why(body(instruction, "elem.drop $s"))).toBe("function body 0 has elem.drop");
  });

  it("is found in any mix of instructions: yes if and only if none of the seven is there", () => {
    const step = fc.constantFrom(...harmless);
    const found = fc.option(fc.constantFrom(...irreversible), { nil: null });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), found, fc.array(step, { maxLength: 30 }), (before, one, after) => {
        const bytes = body(...before, ...(one === null ? [] : [one[0]]), ...after);
        expect(WebAssembly.validate(bytes)).toBe(true);
        expect(why(bytes)).toBe(one === null ? null : `function body 0 has ${one[1]}`);
      }),
      { numRuns: 300 },
    );
  });

  const raw = (...bytes: number[]) =>
    fromSections(unitType, oneFunction, [4, [1, 0x70, 0, 1]], mainExport, code(...bytes));

  it.each([
    [[0xfb, 0], "the unknown instruction 0xfb"],
    [[0x27], "the unknown instruction 0x27"],
    [[0xff], "the unknown instruction 0xff"],
    [[0xfc, 19], "the unknown instruction 0xfc 0x13"],
    [[0xfd, 0xa0, 0x02], "the unknown instruction 0xfd 0x120"],
    [[0xfe, 4], "the unknown instruction 0xfe 0x04"],
  ])("is no where an instruction is not known: %j", (bytes, expected) => {
    expect(why(raw(...bytes))).toBe(`function body 0 has ${expected}`);
  });

  it("follows the immediates of exnref's try_table and of a memory access that names its memory", () => {
    const tableSet = [0x26, 0];
    expect(why(raw(0x1f, 0x40, 2, 0, 38, 38, 2, 38, 0x0b, ...tableSet))).toMatch(/table\.set/);
    expect(why(raw(0x02, 0x64, 0x26, 0x0b, 0x01))).toBe(null);
    expect(why(raw(0x28, 0x42, 0x26, 0x26, 0x01))).toBe(null);
    expect(why(raw(0x28, 0x42, 0x00, 0x00, ...tableSet))).toMatch(/table\.set/);
  });

  it("is not asked of the code of a module that has neither a table nor a data count", () => {
    const bytes = fromSections(unitType, oneFunction, mainExport, code(0xff));
    expect(scan(bytes, limits).notResettable).toBe(null);
    expect(WebAssembly.validate(bytes)).toBe(false);
  });

  it("is no with a mutable v128 global or with more than 1000 mutable globals", () => {
    const many = (count: number) => guest("(global (mut i32) (i32.const 0))".repeat(count));
    expect(why(guest("(global (mut v128) (v128.const i64x2 0 0))"))).toMatch(/v128/);
    expect(why(guest("(global v128 (v128.const i64x2 0 0))"))).toBe(null);
    expect(why(many(1000))).toBe(null);
    expect(why(many(1001))).toMatch(/1001 mutable globals/);
    expect(scan(many(1001), limits).mutableGlobals).toEqual([]);
  });
});

describe("valid guests", () => {
  it.each(Object.entries(validGuests))("%s is taken, as V8 takes it", (_name, bytes) => {
    expect(WebAssembly.validate(bytes)).toBe(true);
    expect(scan(bytes, limits).codeBytes).toBeGreaterThan(0);
  });

  it("have their mutable globals found by index", () => {
    expect(scan(validGuests.globals as Uint8Array, limits).mutableGlobals).toEqual([0, 2, 3, 4, 5, 6]);
  });
});
