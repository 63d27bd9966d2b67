// src/modules/modules.ts: compiled on other threads under a deadline, kept by digest and limits within budgets.
import { createHash } from "node:crypto";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type IntakeLimits, Modules } from "../../../src/modules/modules.ts";
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
  wasm,
} from "../../harness/modules-fixtures.ts";
import { PATIENCE_MS } from "../../harness/patience.ts";

const limits: IntakeLimits = {
  memoryBytes: 1 << 20,
  tableElements: 1000,
  moduleBytesMax: 8 << 20,
  compileMs: PATIENCE_MS,
};
const failure = (expected: string) => expect.objectContaining({ name: "FrenezuloError", code: expected });

const open: Modules[] = [];
function make(options: Partial<ConstructorParameters<typeof Modules>[0]> = {}): Modules {
  const modules = new Modules({ threads: 1, cacheBytesMax: 1 << 20, modulesMax: 100, ...options });
  open.push(modules);
  return modules;
}
afterEach(async () => {
  for (const modules of open.splice(0)) await modules.close();
});

/** Distinct modules of about `bytes` bytes. */
const distinct = (index: number, bytes = 0) =>
  fromSections(unitType, oneFunction, mainExport, code(), [0, [1, 120, ...leb(index), ...repeat(bytes, 0)]]);

/** Takes V8 a tenth of a second and more: half a million nested blocks. Each number makes another module. */
const slow = (index: number) =>
  fromSections(unitType, [3, [...leb(240_001), ...repeat(240_001, 0)]], mainExport, [
    10,
    Buffer.concat([
      Buffer.from([...leb(240_001), index + 2, 0, ...repeat(index, 1), 0x0b]),
      repeat(240_000, 8, 0, 2, 0x40, 3, 0x40, 0x0b, 0x0b, 0x0b),
    ]),
  ]);

describe("a module", () => {
  const shared = new Modules({ threads: 1, cacheBytesMax: 1 << 20, modulesMax: 100 });
  afterAll(() => shared.close());

  it("comes back compiled and described, with the sha256 of what was given", async () => {
    const bytes = validGuests.service as Uint8Array;
    const compiled = await shared.compile(bytes, limits);
    expect(compiled.module).toBeInstanceOf(WebAssembly.Module);
    expect(compiled.digest).toBe(createHash("sha256").update(bytes).digest("hex"));
    expect(compiled.bytes).toBe(bytes.length);
    expect(compiled.codeBytes).toBeGreaterThan(10);
    expect(compiled.codeBytes).toBeLessThan(bytes.length);
    expect(compiled.info).toMatchObject({ memory: "memory", memoryPagesMin: 2, memoryPagesMax: 16 });
    expect(WebAssembly.Module.exports(compiled.module).map(({ name }) => name)).toContain("frenezulo:global:0");
  });

  it("leaves the caller its bytes, and a change of them does not reach what is compiled", async () => {
    const bytes = distinct(1);
    const digest = createHash("sha256").update(bytes).digest("hex");
    const compiling = shared.compile(bytes, limits);
    bytes.fill(0);
    expect((await compiling).digest).toBe(digest);
    expect(bytes).toHaveLength(distinct(1).length);
  });

  it("may be as large as the limit, and not one byte larger", async () => {
    const bytes = distinct(2, 1000);
    await shared.compile(bytes, { ...limits, moduleBytesMax: bytes.length });
    await expect(shared.compile(bytes, { ...limits, moduleBytesMax: bytes.length - 1 })).rejects.toEqual(
      failure("module_too_large"),
    );
  });

  it("is refused with the scan's own error, across the thread", async () => {
    await expect(shared.compile(wasm("(module)"), limits)).rejects.toEqual(failure("missing_entry"));
    await expect(shared.compile(wasm('(module (import "a" "b" (func)))'), limits)).rejects.toEqual(
      failure("unknown_import"),
    );
  });

  it("is refused with V8's words where only V8 finds the fault", async () => {
    const bytes = fromSections(unitType, oneFunction, mainExport, code(0x41, 0));
    await expect(shared.compile(bytes, limits)).rejects.toThrow(
      /^This is not a module that can be served: Compiling function #0.* failed: .*@\+\d+\.$/,
    );
  });

  it.each([
    [
      "extended-const",
      wasm('(module (memory 1) (data (i32.add (i32.const 1) (i32.const 2)) "a") (func (export "main")))'),
    ],
    ["GC", fromSections(unitType, oneFunction, mainExport, code(0xfb, 0))],
    ["exceptions with exnref", fromSections(unitType, oneFunction, mainExport, code(0x1f, 0x40, 0, 0x0b))],
    ["typed function references", fromSections(unitType, oneFunction, mainExport, code(0x14, 0))],
    [
      "relaxed SIMD",
      wasm(
        `(module (func (export "main") (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))`,
      ),
    ],
  ])("that needs %s is refused with that name where this V8 lacks it", async (proposal, bytes) => {
    const isServed = WebAssembly.validate(bytes);
    if (isServed) expect((await shared.compile(bytes, limits)).digest).toHaveLength(64);
    else await expect(shared.compile(bytes, limits)).rejects.toThrow(`the proposal "${proposal}"`);
    if (process.versions.node.startsWith("20.")) expect(isServed).toBe(false);
  });
});

describe("what is kept", () => {
  it("is found by its digest and limits, and is the same module", async () => {
    const modules = make();
    const compiled = await modules.compile(minimal, limits);
    expect(await modules.compile(minimal, { ...limits, compileMs: 1, moduleBytesMax: 1 << 30 })).toBe(compiled);
    expect(modules.get(compiled.digest, limits)).toBe(compiled);
    expect(modules.get(compiled.digest, { ...limits, memoryBytes: 1 << 19 })).toBeUndefined();
    expect(await modules.compile(minimal, { ...limits, memoryBytes: 1 << 19 })).not.toBe(compiled);
  });

  it("is compiled once for all who ask at the same time, and all of many get theirs from few threads", async () => {
    const modules = make({ threads: 2 });
    const asked = Array.from({ length: 24 }, (_, index) => modules.compile(distinct(index % 8), limits));
    const compiled = await Promise.all(asked);
    expect(new Set(compiled).size).toBe(8);
    expect(modules.threads).toBe(2);
  });

  it("stays within its number, the least recently used leaving first", async () => {
    const modules = make({ modulesMax: 2 });
    const [a, b] = [await modules.compile(distinct(1), limits), await modules.compile(distinct(2), limits)];
    expect(modules.get(a.digest, limits)).toBe(a);
    const c = await modules.compile(distinct(3), limits);
    expect([a, b, c].map(({ digest }) => modules.get(digest, limits))).toEqual([a, undefined, c]);
  });

  it("stays within its bytes; a module larger than all of them is served but not kept", async () => {
    const size = distinct(1, 1000).length;
    const modules = make({ cacheBytesMax: 2 * size });
    const [a, b] = [await modules.compile(distinct(1, 1000), limits), await modules.compile(distinct(2, 1000), limits)];
    expect([a, b].map(({ digest }) => modules.get(digest, limits))).toEqual([a, b]);
    const large = await modules.compile(distinct(3, 5000), limits);
    expect([a, b, large].map(({ digest }) => modules.get(digest, limits))).toEqual([a, b, undefined]);
    await modules.compile(distinct(4), limits);
    expect(modules.get(a.digest, limits)).toBeUndefined();
    expect(modules.get(b.digest, limits)).toBe(b);
  });
});

describe("a compilation", () => {
  it("ends at its deadline, and the thread serves the next one", async () => {
    const modules = make();
    await modules.compile(minimal, limits);
    await expect(modules.compile(slow(1), { ...limits, compileMs: 1 })).rejects.toEqual(failure("compile_timeout"));
    expect((await modules.compile(distinct(1), limits)).bytes).toBe(distinct(1).length);
  });

  it("goes on for others when one caller gives up, and ends when all have", async () => {
    const modules = make();
    const [one, two] = [new AbortController(), new AbortController()];
    const given = [one, two].map(({ signal }) => modules.compile(slow(2), limits, signal));
    setTimeout(() => one.abort(new Error("first left")), 5);
    await expect(given[0]).rejects.toThrow("first left");
    const compiled = await given[1];
    expect(compiled?.bytes).toBe(slow(2).length);

    const third = new AbortController();
    const alone = modules.compile(slow(3), limits, third.signal);
    setTimeout(() => third.abort(new Error("last left")), 5);
    await expect(alone).rejects.toThrow("last left");
    expect((await modules.compile(slow(3), limits)).bytes).toBe(slow(3).length);
    await expect(modules.compile(minimal, limits, third.signal)).rejects.toThrow("last left");
  });

  it("is ended by close, running or waiting, and none begins after it", async () => {
    const modules = make();
    const asked = [slow(4), distinct(1), distinct(2)].map((bytes) => modules.compile(bytes, limits));
    const settled = Promise.allSettled(asked);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await modules.close();
    for (const each of await settled) {
      if (each.status === "rejected") expect(each.reason).toEqual(failure("draining"));
    }
    expect((await settled)[0]?.status).toBe("rejected");
    await expect(modules.compile(distinct(9), limits)).rejects.toEqual(failure("draining"));
  });
});
