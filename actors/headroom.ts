// Headroom: host code runs only where so much of the thread's stack is left that V8 cuts it nowhere.
//
// V8 checks one limit for guest and host alike, and a guest chooses how deep it is when it calls. So each host function
// begins with a probe: a wasm function with a frame of PIECE_BYTES, which V8 refuses to make where it does not fit. The
// RangeError that it throws unwinds the guest, before the host has changed anything; no `catch_all` of wasm catches it.
//
// The frame must be that large in every tier of V8. Liftoff gives each local a place. TurboFan keeps only what is alive
// across a call, so there is a branch, never taken, that loads all locals, calls, and stores them again; and a call on
// the path that is taken, since it makes no frame for a path that needs none.
import { MODULE_HEADER, section, unsigned } from "./wasm-bytes.ts";

/** Bytes of stack that one piece of headroom is. A v128 takes 16. */
export const PIECE_BYTES = 64 * 1024;
const LOCALS = PIECE_BYTES / 16;

/** Headroom in pieces. test/hostile/stack.test.ts holds that it is enough. */
export const HEADROOM = {
  /** For a host function, and what it does for others: messages, ends, output. */
  call: 1,
  /** For what has deep stacks of its own: SQLite, and dealing with what came for others, whose databases may close. */
  deep: 4,
  /** For turns of other processes while a plain one waits: their guests need a stack, too. */
  turns: 16,
} as const;

/** @throws RangeError if fewer pieces are left */
export function assertHeadroom(pieces: number): void {
  probe(0, pieces - 1);
}

export function hasHeadroom(pieces: number): boolean {
  try {
    probe(0, pieces - 1);
    return true;
  } catch {
    return false;
  }
}

/** (cold, more): makes a frame, and `more` frames below it. The fast way to `assertHeadroom(HEADROOM.call)`: (0, 0). */
export const probe: (cold: number, more: number) => void = makeProbe();

function makeProbe(): (cold: number, more: number) => void {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(probeModule()));
  return instance.exports.p as (cold: number, more: number) => void;
}

/**
 * (module (memory 1 1) (table 1 funcref) (elem (i32.const 0) $leaf)
 *   (func $leaf)
 *   (func (export "p") (param $cold i32) (param $more i32) (local v128 × LOCALS)
 *     (if (local.get $cold) (then load each local, (call_indirect $leaf), store each local))
 *     (if (local.get $more) (then (call $p (local.get $cold) (i32.sub (local.get $more) (i32.const 1)))))
 *     (call_indirect $leaf)))
 */
function probeModule(): Uint8Array<ArrayBuffer> {
  const I32 = 0x7f;
  const V128 = 0x7b;
  const callLeaf = [0x41, 0, 0x11, 0, 0];
  const locals = Array.from({ length: LOCALS }, (_, i) => [unsigned(i + 2), unsigned(i * 16)] as const);
  const code = [
    ...[1, ...unsigned(LOCALS), V128],
    ...[0x20, 0, 0x04, 0x40],
    ...locals.flatMap(([local, offset]) => [0x41, 0, 0xfd, 0, 4, ...offset, 0x21, ...local]),
    ...callLeaf,
    ...locals.flatMap(([local, offset]) => [0x41, 0, 0x20, ...local, 0xfd, 0x0b, 4, ...offset]),
    0x0b,
    ...[0x20, 1, 0x04, 0x40, 0x20, 0, 0x20, 1, 0x41, 1, 0x6b, 0x10, 1, 0x0b],
    ...callLeaf,
    0x0b,
  ];
  return Uint8Array.from([
    ...MODULE_HEADER,
    ...section(1, [2, 0x60, 0, 0, 0x60, 2, I32, I32, 0]),
    ...section(3, [2, 0, 1]),
    ...section(4, [1, 0x70, 1, 1, 1]),
    ...section(5, [1, 1, 1, 1]),
    ...section(7, [1, 1, 0x70, 0, 1]),
    ...section(9, [1, 0, 0x41, 0, 0x0b, 1, 0]),
    ...section(10, [2, 2, 0, 0x0b, ...unsigned(code.length), ...code]),
  ]);
}
