// lunatic::sqlite in light processes: what waits until SQLite is loaded, and what the guest allocates meanwhile.
import { describe, expect, it } from "vitest";
import { compileModule } from "../../../../src/modules/compile-worker.ts";
import { lighten } from "../../../../src/modules/lighten.ts";
import type { Exit } from "../../../../wire/exits.ts";
import type { CarrierModule } from "../../../../wire/specs.ts";
import { Alone, environment } from "../../../harness/alone.ts";
import { wasm } from "../../../harness/modules-fixtures.ts";

/**
 * `opens`: opens a database in memory. `nests(levels, spins)`: takes a column's name, whose place is allocated by a
 * function that spins, and takes the name again, so many levels deep.
 */
const source = `(module
  (import "lunatic::sqlite" "open" (func $open (param i32 i32 i32) (result i64)))
  (import "lunatic::sqlite" "query_prepare" (func $prepare (param i64 i32 i32) (result i64)))
  (import "lunatic::sqlite" "column_name" (func $name (param i64 i32 i32) (result i32)))
  (memory (export "memory") 2 2)
  (data (i32.const 0) ":memory:SELECT 1")
  (global $levels (mut i32) (i32.const 0))
  (global $spins (mut i32) (i32.const 0))
  (func $work (export "opens")
    (if (i64.ne (call $open (i32.const 0) (i32.const 8) (i32.const 32)) (i64.const 0)) (then unreachable)))
  (func (export "lunatic_alloc") (param i32) (result i32)
    (local $i i32)
    (local.set $i (global.get $spins))
    (loop $next
      (local.set $i (i32.sub (local.get $i) (i32.const 1)))
      (br_if $next (local.get $i)))
    (global.set $levels (i32.sub (global.get $levels) (i32.const 1)))
    (if (global.get $levels) (then (drop (call $name (i64.const 0) (i32.const 0) (i32.const 40)))))
    (i32.const 1024))
  (func (export "nests") (param $levels i32) (param $spins i32)
    (call $work)
    (drop (call $prepare (i64.const 0) (i32.const 8) (i32.const 8)))
    (global.set $levels (local.get $levels))
    (global.set $spins (local.get $spins))
    (drop (call $name (i64.const 0) (i32.const 0) (i32.const 40)))))`;

async function lightModule(): Promise<CarrierModule> {
  const bytes = new Uint8Array(await lighten(wasm(source)));
  const limits = { memoryBytes: 8 * 65_536, tableElements: 10, light: true, needsEntry: false };
  const outcome = await compileModule({ bytes, limits });
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.details));
  return outcome;
}
const module = await lightModule();

/** Runs a process until it has ended. */
async function run(alone: Alone, name: string, params: number[] = []): Promise<Exit | undefined> {
  const { pid } = alone.bearWasm(environment(), module, name, params).process;
  while (!alone.exits.has(pid)) {
    alone.carrier.poll(0);
    alone.run();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return alone.exits.get(pid);
}

describe("a light process", () => {
  it("waits until SQLite is loaded", async () => {
    expect(await run(new Alone(), "opens")).toEqual({ reason: "normal", text: "" });
  });

  it("has no more work for allocators that call each other than for one", async () => {
    const alone = new Alone();
    await alone.carrier.runtime.host.sqlites.of(environment().id).load();
    expect((await run(alone, "nests", [50, 1000]))?.reason).toBe("normal");
    expect((await run(alone, "nests", [1, 10_000_000]))?.reason).toBe("normal");
    expect((await run(alone, "nests", [8, 10_000_000]))?.text).toMatch(/works for too long/);
  });
});
