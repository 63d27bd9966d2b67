// src/modules/lighten.ts: what a light module does when it is unwound and rewound, beside the plain one.
import { describe, expect, it } from "vitest";
import { lighten } from "../../../src/modules/lighten.ts";
import { rewrite } from "../../../src/modules/rewrite.ts";
import { scan } from "../../../src/modules/scan.ts";
import { LIGHT_EXPORTS } from "../../../wire/abi/light.ts";
import { LightHost, type Ways } from "../../harness/light-host.ts";
import { wasm } from "../../harness/modules-fixtures.ts";

const receive = '(import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))';
const always = () => true;

/** A guest with a memory, some of it with data, and a host function that waits. */
function guest(fields: string): Uint8Array {
  return wasm(`(module ${receive}
    (import "lunatic::trap" "catch" (func $catch (param i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "some text that must be there after a suspension, too")
    (func (export "frenezulo_main"))
    (func $ask (param i32) (result i32) (call $receive (local.get 0) (i32.const 2) (i64.const 3)))
    ${fields})`);
}

/** The plain module and the light one, called with the same arguments. */
async function both(bytes: Uint8Array, ways: Ways, name: string, ...args: number[]) {
  const plain = new LightHost(bytes);
  const light = new LightHost(await lighten(bytes), ways);
  const expected = plain.call(name, ...args);
  const result = light.call(name, ...args);
  expect(light.trace).toEqual(plain.trace);
  expect(light.memoryHash).toBe(plain.memoryHash);
  expect(light.changedMemories).toBe(0);
  return { light, plain, expected, result };
}

describe("a light module that is suspended at each call that waits", () => {
  it("goes on where it was, in calls within calls, with what its locals held", async () => {
    const bytes = guest(`
      (func $two (param i64 f64) (result i32) (local i32)
        (local.set 2 (call $ask (i32.wrap_i64 (local.get 0))))
        (i32.add (local.get 2) (i32.add (i32.trunc_f64_s (local.get 1)) (call $ask (local.get 2)))))
      (func (export "run") (param i32) (result i32) (local v128)
        (local.set 1 (i32x4.splat (local.get 0)))
        (i32.store (i32.const 20) (call $two (i64.const 0x500000007) (f64.const 12.5)))
        (i32.add (i32.load (i32.const 20)) (i32.mul (i32x4.extract_lane 3 (local.get 1)) (call $ask (i32.const 9)))))`);
    const { light, expected, result } = await both(bytes, { suspend: always }, "run", 5);
    expect(result).toBe(expected);
    expect(light.suspensions).toBe(3);
    expect(light.stackBytesMax).toBeGreaterThan(16);
  });

  it("goes on in functions called through a table", async () => {
    const bytes = guest(`
      (table 2 funcref) (elem (i32.const 0) func $ask $twice)
      (func $twice (param i32) (result i32) (i32.mul (i32.const 2) (call $ask (local.get 0))))
      (func (export "run") (param i32) (result i32)
        (i32.sub (call_indirect (param i32) (result i32) (i32.const 4) (local.get 0))
          (call_indirect (param i32) (result i32) (i32.const 8) (i32.const 0))))`);
    for (const index of [0, 1]) {
      const { light, expected, result } = await both(bytes, { suspend: always }, "run", index);
      expect(result).toBe(expected);
      expect(light.suspensions).toBe(2);
    }
  });

  it("goes on beneath a host function that called back into it", async () => {
    const bytes = guest(`
      (func (export "called_back") (param i32 i32) (result i32)
        (if (result i32) (local.get 1)
          (then (i32.add (call $ask (local.get 0)) (call $catch (i32.const 30) (i32.sub (local.get 1) (i32.const 1)))))
          (else (call $ask (i32.const 40)))))
      (func (export "run") (param i32) (result i32)
        (i32.xor (call $catch (i32.const 10) (local.get 0)) (call $ask (i32.const 50))))`);
    const { light, expected, result } = await both(bytes, { suspend: always }, "run", 3);
    expect(result).toBe(expected);
    expect(light.suspensions).toBe(5);
  });

  it("goes on in its start function, which the host calls", async () => {
    const bytes = guest(`
      (global $answer (mut i32) (i32.const 0))
      (func $start (global.set $answer (i32.add (call $ask (i32.const 1)) (call $ask (i32.const 2)))))
      (start $start)
      (func (export "run") (result i32) (global.get $answer))`);
    const { light, expected, result } = await both(bytes, { suspend: always }, "run");
    expect(result).toBe(expected);
    expect(light.suspensions).toBe(2);
  });

  it("traps when the room for its stack was too small", async () => {
    const bytes = guest(`(func $deep (export "run") (param i32) (result i32)
      (if (result i32) (local.get 0)
        (then (i32.add (local.get 0) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
        (else (call $ask (i32.const 1)))))`);
    const light = new LightHost(await lighten(bytes), { suspend: always, borrow: 512, borrowBytes: 64 });
    expect(() => light.call("run", 100)).toThrow(/unreachable/);
  });
});

describe("reductions", () => {
  const spinning = guest(`
    (func (export "run") (param i32) (result i32) (local i32)
      (loop $again
        (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 31)) (local.get 0)))
        (i32.store (i32.const 100) (local.get 1))
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (local.get 1))`);

  it("count a bulk instruction by what it does, so that a loop of them gives way", async () => {
    const again = "(br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))";
    const bytes = wasm(`(module ${receive} (memory (export "memory") 16) (table 64 funcref)
      (data $text "abcd") (elem $nothing func)
      (func (export "frenezulo_main"))
      (func (export "fill") (param i32)
        (loop (memory.fill (i32.const 4096) (local.get 0) (i32.const 65536)) ${again}))
      (func (export "copy") (param i32)
        (loop (memory.copy (i32.const 65536) (i32.const 4096) (i32.const 65536)) ${again}))
      (func (export "table") (param i32)
        (loop (table.copy (i32.const 0) (i32.const 1) (i32.const 60)) ${again}))
      (func (export "few") (param i32)
        (loop (memory.init $text (i32.const 4096) (i32.const 0) (i32.const 4)) ${again})))`);
    const run = async (name: string) =>
      (await both(bytes, { suspend: always, slice: 4000, borrow: 256 }, name, 100)).light;
    // 64 KiB are 4,096 reductions: each round is a slice; 60 elements are 480, so it is every eighth.
    for (const name of ["fill", "copy"]) expect((await run(name)).suspensions).toBeGreaterThanOrEqual(98);
    const { suspensions } = await run("table");
    expect(suspensions).toBeGreaterThanOrEqual(11);
    expect(suspensions).toBeLessThanOrEqual(14);
    expect((await run("few")).suspensions).toBeLessThan(2);
  });

  it("look for an end before a bulk instruction, and trap as the instruction does", async () => {
    const bytes = wasm(`(module ${receive} (memory (export "memory") 1) (table 8 funcref) (elem $nothing func)
      (func (export "frenezulo_main"))
      (func (export "beyond") (memory.fill (i32.const 0) (i32.const 1) (i32.const -1)))
      (func (export "elements") (table.copy (i32.const 0) (i32.const 0) (i32.const -1)))
      (func (export "straight") ${"(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))".repeat(20)}))`);
    const host = new LightHost(await lighten(bytes), { slice: 4000 });
    const before = host.memoryHash;
    expect(() => host.call("beyond")).toThrow(/out of bounds/);
    expect(host.memoryHash).toBe(before);
    for (let i = 0; i < 20; i++) expect(() => host.call("elements")).toThrow(/out of bounds/);
    // Each number near 2^32 counted as one that a table may have: the counter has not wrapped around.
    expect((host.exports[LIGHT_EXPORTS.reductions] as WebAssembly.Global).value).toBeLessThan(0);
    host.call("straight");
    expect(host.checks).toBeGreaterThanOrEqual(20);
  });

  it("run out in a loop, which gives up its slice and goes on to the right result", async () => {
    const { light, expected, result } = await both(spinning, { suspend: always, slice: 1000 }, "run", 10_000);
    expect(result).toBe(expected);
    // 16 instructions a round: 160 slices and one more or less.
    expect(light.suspensions).toBeGreaterThan(100);
    expect(light.suspensions).toBeLessThan(250);
  });

  it("are counted at loops that take and give values, too", async () => {
    const bytes = guest(`(func (export "run") (param i32) (result i32)
      (i32.const 1) (local.get 0)
      (loop $again (param i32 i32) (result i32)
        (local.set 0) (i32.mul (i32.const 31)) (call $ask) (i32.sub (local.get 0) (i32.const 1))
        (br_if $again (i32.gt_s (local.get 0) (i32.const 1))) (drop)))`);
    const { light, expected, result } = await both(bytes, { suspend: always, slice: 0 }, "run", 20);
    expect(result).toBe(expected);
    expect(light.yields).toBeGreaterThan(15);
  });

  it("are asked for only when they have run out", async () => {
    const { light } = await both(spinning, { slice: 1_000_000 }, "run", 1000);
    expect(light.yields).toBe(0);
  });

  it("are counted by the size of the loop's body, the loop within it for itself", async () => {
    const filler = "(drop (i32.const 1))".repeat(100);
    const bytes = guest(`(func (export "small") (param i32) (loop
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
      (func (export "large") (param i32) (loop ${filler}
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
      (func (export "nested") (param i32) (local i32) (loop
        (local.set 1 (i32.const 10))
        (loop ${filler} (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))`);
    const yields = async (name: string) => (await both(bytes, { slice: 1000 }, name, 2000)).light.yields;
    const small = await yields("small");
    const large = await yields("large");
    expect(large / small).toBeGreaterThan(20);
    expect((await yields("nested")) / large).toBeCloseTo(10, 0);
  });

  it("run out in a recursion, which is asked at function entries and can be ended there", async () => {
    const bytes = guest(`
      (func $fib (export "run") (param i32) (result i32)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (local.get 0)) (else (i32.add
          (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
      (func (export "die") unreachable)`);
    const { light, expected, result } = await both(bytes, { slice: 1_000_000 }, "run", 15);
    expect(result).toBe(expected);
    expect(light.checks).toBe(0);
    const killed = new LightHost(await lighten(bytes), {
      slice: 1000,
      suspend: always,
      check: () => killed.call("die"),
    });
    expect(() => killed.call("run", 40)).toThrow(WebAssembly.RuntimeError);
    expect(killed.checks).toBe(1);
    expect(killed.suspensions).toBe(0);
  });

  it("are not counted where nothing comes back: a loop that is only a block, a small function that calls nothing", async () => {
    const bytes = guest(`(func (export "run") (param i32) (result i32) (loop (drop (i32.const 1)))
      (loop (block (br_if 0 (local.get 0))) (drop (i32.const 1))) (local.get 0))`);
    const { light } = await both(bytes, { slice: -1 }, "run", 1);
    expect(light.yields + light.checks).toBe(0);
  });
});

describe("a light module", () => {
  it("is taken in as light only, where its names are known, and says where a stack may lie", async () => {
    const bytes = await lighten(guest('(func (export "run") (loop (br 0)))'));
    const limits = { memoryBytes: 1 << 20, tableElements: 100 };
    expect(() => scan(bytes, limits)).toThrow(/imports frenezulo:light.yield, which this host does not have/);
    const light = { ...limits, light: true };
    const { info } = rewrite(bytes, scan(bytes, light), light);
    expect(info).toMatchObject({ light: true, borrow: 0, notResettable: null });
    expect(info.globals.length).toBe(3); // the counter, and Asyncify's two
  });

  it("keeps the names of its functions", async () => {
    const bytes = await lighten(
      new Uint8Array(Buffer.concat([guest('(func (export "run") unreachable)'), nameSection(4, "my function")])),
    );
    const host = new LightHost(bytes);
    expect(thrownBy(() => host.call("run")).stack).toContain("my function");
  });

  describe("of LLVM's", () => {
    const linked = (fields: string, producer = "rustc") =>
      new Uint8Array(
        Buffer.concat([
          wasm(`(module ${receive} (memory (export "memory") 1) ${fields}
            (func (export "frenezulo_main") (drop (call $receive (i32.const 0) (i32.const 0) (i64.const 0)))))`),
          producers(producer),
        ]),
      );
    const stack = "(global (mut i32) (i32.const 1024))";
    const data = '(data (i32.const 1024) "data")';

    it("exports its stack pointer, and can be unwound below it", async () => {
      const bytes = await lighten(linked(`${stack} ${data}`));
      const host = new LightHost(bytes, { suspend: always, borrow: 512, borrowBytes: 512 });
      expect((host.exports[LIGHT_EXPORTS.stackPointer] as WebAssembly.Global).value).toBe(1024);
      host.call("frenezulo_main");
      expect(host.suspensions).toBe(1);
      const limits = { memoryBytes: 1 << 20, tableElements: 100, light: true };
      expect(rewrite(bytes, scan(bytes, limits), limits).info.borrow).toBe(0);
    });

    it("does so, too, when it was stripped, by a name that the linker exports", async () => {
      const stripped = linked(`${stack} (global (export "__data_end") i32 (i32.const 2048)) ${data}`, "?");
      expect(new LightHost(await lighten(stripped)).exports).toHaveProperty(LIGHT_EXPORTS.stackPointer);
    });

    it.each([
      ["another linker", linked(`${stack} ${data}`, "go")],
      ["data below the stack", linked(`${stack} (data (i32.const 1000) "x")`)],
      ["no data that would say where it lies", linked(stack)],
      ["another first global", linked(`(global i32 (i32.const 1024)) ${data}`)],
      ["a pointer of 64 bits", linked(`(global (mut i64) (i64.const 1024)) ${data}`)],
      ["no globals", linked(data)],
    ])("does not with %s", async (_what, bytes) => {
      expect(new LightHost(await lighten(bytes)).exports).not.toHaveProperty(LIGHT_EXPORTS.stackPointer);
    });
  });

  it("needs neither globals nor names nor a start of its own", async () => {
    const bytes = wasm(
      '(module (memory (export "memory") 1) (func (export "frenezulo_main") (loop (br_if 0 (i32.const 0)))))',
    );
    new LightHost(await lighten(bytes)).call("frenezulo_main");
  });

  it.each([
    ["no memory", '(module (func (export "frenezulo_main")))', /no memory/],
    ["a tail call", "(module (memory 1) (func (return_call 0)))", /tail call/],
    ["an exception", "(module (memory 1) (tag) (func try catch_all end))", /exceptions/],
    ["a throw", "(module (memory 1) (tag) (func (throw 0)))", /exceptions/],
    ["a local that is a reference", "(module (memory 1) (func (local funcref)))", /locals that are references/],
    ["a parameter that is one", "(module (memory 1) (func (param externref)))", /takes or gives references/],
    [
      "a reference on the stack",
      "(module (memory 1) (table 1 funcref) (func (drop (table.get 0 (i32.const 0)))))",
      /references/,
    ],
    [
      "a table that it changes",
      "(module (memory 1) (table 1 funcref) (func (table.set 0 (i32.const 0) (ref.null func))))",
      /references/,
    ],
    [
      "asyncify of its own",
      '(module (memory 1) (func (export "asyncify_start_unwind") (param i32)))',
      /Asyncify already/,
    ],
  ])("is not made of one with %s", async (_what, text, why) => {
    await expect(lighten(wasm(text))).rejects.toMatchObject({ code: "not_light", message: expect.stringMatching(why) });
  });

  it("is made of one whose selects name numbers, with atomics and bulk memory", async () => {
    const bytes = guest(`(data $passive "abc")
      (func (export "run") (result i32)
        (memory.init $passive (i32.const 200) (i32.const 0) (i32.const 3)) (data.drop $passive)
        (memory.copy (i32.const 300) (i32.const 200) (i32.const 3))
        (memory.fill (i32.const 400) (i32.const 7) (i32.const 9))
        (drop (i32.atomic.rmw.add (i32.const 300) (i32.const 1)))
        (select (result i32) (call $ask (i32.const 1)) (i32.const 2) (i32.load (i32.const 300))))`);
    const { expected, result } = await both(bytes, { suspend: always }, "run");
    expect(result).toBe(expected);
  });
});

function thrownBy(call: () => unknown): Error {
  try {
    call();
  } catch (thrown) {
    return thrown as Error;
  }
  throw new Error("it did not throw");
}

/** A custom section "producers" that names one compiler. */
function producers(compiler: string): Uint8Array {
  const text = (each: string) => [each.length, ...Buffer.from(each)];
  const payload = [...text("producers"), 1, ...text("processed-by"), 1, ...text(compiler), ...text("1.0")];
  return Uint8Array.from([0, payload.length, ...payload]);
}

/** A custom section "name" that names one function. */
function nameSection(index: number, name: string): Uint8Array {
  const names = [1, index, name.length, ...Buffer.from(name)];
  const payload = [4, ...Buffer.from("name"), 1, names.length, ...names];
  return Uint8Array.from([0, payload.length, ...payload]);
}
