// Modules for the intake's tests: from text by wabt, and byte by byte where no text can say it.
import wabtFactory from "wabt";

const wabt = await wabtFactory();

const features = {
  exceptions: true,
  threads: true,
  tail_call: true,
  multi_value: true,
  bulk_memory: true,
  reference_types: true,
  simd: true,
  extended_const: true,
  memory64: true,
  relaxed_simd: true,
};

/** Text → bytes. The text must be valid under all proposals that wabt knows. */
export function wasm(text: string): Uint8Array<ArrayBuffer> {
  const parsed = wabt.parseWat("fixture.wat", text, features);
  try {
    return new Uint8Array(parsed.toBinary({}).buffer);
  } finally {
    parsed.destroy();
  }
}

export const minimal = wasm('(module (func (export "frenezulo_main")))');

/** Guests that V8 11.3 takes, with something of everything that the intake reads or rewrites. */
export const validGuests: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  minimal,
  service: wasm(`(module
    (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
    (import "lunatic::message" "send" (func $send (param i64)))
    (import "lunatic::distributed" "node_id" (func (result i64)))
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "env" "abort" (func (param i32 i32 i32 i32)))
    (memory (export "memory") 2 16)
    (global $stack (mut i32) (i32.const 65536))
    (data (i32.const 1024) "hello")
    (func (export "frenezulo_main") (local i32 i64)
      (global.set $stack (i32.sub (global.get $stack) (i32.const 16)))
      (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1)))
      (call $send (i64.const 7))))`),
  command: wasm(`(module
    (memory 1) (data $passive "\\00\\01\\02")
    (func (export "_initialize")) (func $boot) (start $boot)
    (func (export "_start") (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 3))))`),
  tables: wasm(`(module
    (type $unit (func))
    (table $t (export "table") 3 10 funcref) (table $x 1 externref) (table 2 2 funcref)
    (elem (table $t) (i32.const 0) func $main $main) (elem declare func $main)
    (func $main (export "main") (call_indirect (type $unit) (i32.const 2)) (drop (table.get $x (i32.const 0)))))`),
  globals: wasm(`(module
    (global $a (mut i32) (i32.const 1)) (global (export "b") i64 (i64.const -9)) (global $c (mut i64) (i64.const 5))
    (global (mut f32) (f32.const 1.5)) (global (mut f64) (f64.const -0.25))
    (global (export "f") (mut funcref) (ref.func $main)) (global (mut externref) (ref.null extern))
    (func $main (export "frenezulo_main") (global.set $a (i32.add (global.get $a) (i32.const 1)))
      (global.set $c (i64.const 77))))`),
  instructions: wasm(`(module
    (memory (export "mem") 1 1) (tag $tag (param i32)) (table 1 funcref)
    (func $two (result i32 i64) (i32.const 1) (i64.const 2))
    (func (export "frenezulo_main") (local v128 f32 f64)
      (block (result i32 i64) (call $two)) (drop) (br_table 0 0 0)
      try (throw $tag (i32.const 5)) catch $tag drop catch_all end
      (local.set 0 (v128.const i64x2 0 38))
      (drop (i8x16.extract_lane_s 3 (local.get 0))) (drop (i32.atomic.load (i32.const 4))) (atomic.fence)
      (drop (select (result f32) (local.get 1) (f32.const 2) (i32.const 0)))
      (drop (i32.trunc_sat_f64_s (local.get 2))) (drop (table.size 0))
      (memory.fill (i32.const 0) (i32.const 38) (i32.const 9)) (return_call 2)) (func))`),
};

/** A section: its id and what it holds. */
type Section = readonly [number, ArrayLike<number>];

/** A module from its sections; the lengths are added. */
export function fromSections(...sections: readonly Section[]): Uint8Array<ArrayBuffer> {
  const pieces = sections.flatMap(([id, payload]) => [Buffer.from([id, ...leb(payload.length)]), Buffer.from(payload)]);
  return new Uint8Array(Buffer.concat([Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), ...pieces]));
}

export function leb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) + 128);
  out.push(rest);
  return out;
}

/** Sections of a module with one function of type () -> () that is exported as frenezulo_main. */
export const unitType = [1, [1, 0x60, 0, 0]] as const;
export const oneFunction = [3, [1, 0]] as const;
export const mainExport = [7, [1, 14, ...Buffer.from("frenezulo_main"), 0, 0]] as const;

/** The code section of that one function: its instructions, one by one or many. */
export function code(...instructions: readonly (number | Uint8Array)[]): Section {
  const parts = instructions.map((each) => (typeof each === "number" ? Buffer.from([each]) : each));
  const body = Buffer.concat([Buffer.from([0]), ...parts, Buffer.from([0x0b])]);
  return [10, Buffer.concat([Buffer.from([1, ...leb(body.length)]), body])];
}

/** `count` copies of `piece`. */
export function repeat(count: number, ...piece: number[]): Uint8Array {
  return Buffer.alloc(count * piece.length, Uint8Array.from(piece));
}
