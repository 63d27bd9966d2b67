// src/modules/rewrite.ts: the policy's maxima hold exactly, and what the carrier needs is exported.
import { describe, expect, it } from "vitest";
import { type Rewritten, rewrite } from "../../../src/modules/rewrite.ts";
import { scan } from "../../../src/modules/scan.ts";
import type { ScanLimits } from "../../../src/modules/storage.ts";
import { validGuests, wasm } from "../../harness/modules-fixtures.ts";

const PAGE = 65_536;
const roomy: ScanLimits = { memoryBytes: 64 * PAGE, tableElements: 1000 };

function intake(bytes: Uint8Array, limits = roomy): Rewritten {
  return rewrite(bytes, scan(bytes, limits), limits);
}

/** An instance; every import is a function that does nothing. */
function start(bytes: Uint8Array): WebAssembly.Instance {
  const module = new WebAssembly.Module(bytes);
  const imports: Record<string, Record<string, () => unknown>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] = { ...imports[from], [name]: () => (name === "node_id" ? 0n : 0) };
  }
  return new WebAssembly.Instance(module, imports);
}

const memoryGuest = (declaration: string) =>
  wasm(`(module (memory ${declaration}) (func (export "frenezulo_main"))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`);

const call = (instance: WebAssembly.Instance, name: string, ...args: number[]) =>
  (instance.exports[name] as (...args: number[]) => number)(...args);

describe("a valid guest", () => {
  it.each(Object.entries(validGuests))("%s stays valid and starts", (_name, bytes) => {
    const { bytes: out, info } = intake(bytes);
    const { exports } = start(out);
    for (const { name } of WebAssembly.Module.exports(new WebAssembly.Module(bytes)))
      expect(exports).toHaveProperty(name);
    expect(exports[info.entry ?? ""]).toBeTypeOf("function");
    if (info.memory !== null) expect(exports[info.memory]).toBeInstanceOf(WebAssembly.Memory);
    for (const name of info.globals) expect(exports[name]).toBeInstanceOf(WebAssembly.Global);
  });

  it("is the same, byte for byte, where there is nothing to write", () => {
    const { minimal } = validGuests;
    expect(intake(minimal as Uint8Array).bytes).toEqual(Buffer.from(minimal as Uint8Array));
  });

  it("is described to the carrier", () => {
    expect(intake(validGuests.service as Uint8Array).info).toEqual({
      memory: "memory",
      memoryPagesMin: 2,
      memoryPagesMax: 16,
      globals: ["frenezulo:global:0"],
      entry: "frenezulo_main",
      initialize: false,
      light: false,
      borrow: 1024,
      notResettable: null,
    });
    expect(intake(validGuests.command as Uint8Array).info).toEqual({
      memory: "frenezulo:memory",
      memoryPagesMin: 1,
      memoryPagesMax: 64,
      globals: [],
      entry: "_start",
      initialize: true,
      light: false,
      borrow: 0,
      notResettable: null,
    });
    expect(intake(validGuests.minimal as Uint8Array).info).toMatchObject({ memory: null, memoryPagesMax: 0 });
  });
});

describe("the memory's maximum", () => {
  it.each([
    ["1", 7, 7],
    ["1 5", 7, 5],
    ["1 7", 7, 7],
    ["1 9", 7, 7],
    ["7", 7, 7],
    ["1 65536", 7, 7],
    ["0", 1, 1],
    ["1", 300, 300], // two bytes of LEB128
  ])("of (memory %s) under a cap of %i pages is %i: one less grows, that grows, one more does not", (own, cap, max) => {
    const limits = { memoryBytes: cap * PAGE, tableElements: 0 };
    const { bytes, info } = intake(memoryGuest(own), limits);
    expect(info.memoryPagesMax).toBe(max);
    const min = info.memoryPagesMin;
    if (max > min) expect(call(start(bytes), "grow", max - 1 - min)).toBe(min);
    const instance = start(bytes);
    expect(call(instance, "grow", max - min)).toBe(min);
    expect(call(instance, "grow", 1)).toBe(-1);
    expect(call(start(bytes), "grow", max + 1 - min)).toBe(-1);
    expect((instance.exports[info.memory as string] as WebAssembly.Memory).buffer.byteLength).toBe(max * PAGE);
  });

  it("is rounded down to whole pages", () => {
    const limits = { memoryBytes: 2 * PAGE - 1, tableElements: 0 };
    expect(call(start(intake(memoryGuest("1"), limits).bytes), "grow", 1)).toBe(-1);
  });
});

describe("the tables' maxima", () => {
  const tables = (...declarations: string[]) => {
    const growers = declarations.map((declaration, index) => {
      const heap = declaration.endsWith("externref") ? "extern" : "func";
      const grow = `(table.grow ${index} (ref.null ${heap}) (local.get 0))`;
      return `(func (export "grow${index}") (param i32) (result i32) ${grow})`;
    });
    const declared = declarations.map((declaration) => `(table ${declaration})`);
    return wasm(`(module ${declared.join(" ")} (func (export "frenezulo_main")) ${growers.join("\n")})`);
  };

  it("hold for one table exactly", () => {
    const { bytes } = intake(tables("3 funcref"), { memoryBytes: 0, tableElements: 10 });
    expect(call(start(bytes), "grow0", 6)).toBe(3);
    expect(call(start(bytes), "grow0", 7)).toBe(3);
    expect(call(start(bytes), "grow0", 8)).toBe(-1);
  });

  it("leave a smaller own maximum as it is", () => {
    const { bytes } = intake(tables("3 5 funcref"), { memoryBytes: 0, tableElements: 10 });
    expect(call(start(bytes), "grow0", 2)).toBe(3);
    expect(call(start(bytes), "grow0", 3)).toBe(-1);
  });

  it("share what is left, so that all tables together never hold more than the policy allows", () => {
    const instance = start(
      intake(tables("3 funcref", "0 externref", "4 4 funcref"), { memoryBytes: 0, tableElements: 20 }).bytes,
    );
    let elements = 3 + 0 + 4;
    for (const name of ["grow0", "grow1", "grow2"]) while (call(instance, name, 1) !== -1) elements++;
    expect(elements).toBe(3 + 4 + 0 + 4 + 4);
    expect(elements).toBeLessThanOrEqual(20);
  });
});

describe("mutable globals", () => {
  it("of every type that JavaScript can read are exported and can be put back to what they were", () => {
    const { bytes, info } = intake(validGuests.globals as Uint8Array);
    expect(info.globals).toHaveLength(6);
    const instance = start(bytes);
    const globals = info.globals.map((name) => instance.exports[name] as WebAssembly.Global);
    const before = globals.map((global) => global.value);
    expect(before.slice(0, 4)).toEqual([1, 5n, 1.5, -0.25]);
    call(instance, "frenezulo_main");
    expect(globals.map((global) => global.value)).not.toEqual(before);
    (globals[4] as WebAssembly.Global).value = null;
    (globals[5] as WebAssembly.Global).value = "anything";
    globals.forEach((global, index) => {
      global.value = before[index];
    });
    expect(globals.map((global) => global.value)).toEqual(before);
  });

  it("that cannot be read from outside are not exported, and the module says so", () => {
    const { info } = intake(
      wasm(`(module (global (mut v128) (v128.const i64x2 0 0)) (global (mut i32) (i32.const 0))
        (func (export "frenezulo_main")))`),
    );
    expect(info.globals).toEqual(["frenezulo:global:1"]);
    expect(info.notResettable).toMatch(/v128/);
  });
});
