// Modules that are small and valid, and that V8's compilers or Binaryen take much memory or time for, by default: a
// list of the known classes, and random mixtures of their pieces from a seed.

import { fromSections, leb, mainExport, repeat } from "./modules-fixtures.ts";
import { Random } from "./random.ts";

const OP = { unreachable: 0, block: 2, loop: 3, if: 4, end: 0x0b, br: 0x0c, brIf: 0x0d, brTable: 0x0e, return: 0x0f };
const I32 = 0x7f;
const EXTERNREF = 0x6f;
const EMPTY = 0x40;
/** global.get 0: zero, and no compiler knows it. */
const zero = [0x23, 0];
const setGlobal = [0x24, 0];
const drop = 0x1a;

type Bytes = Uint8Array | readonly number[];

/** How a module of a bomb is made. `frenezulo_main` returns at once if it can, so that what is served answers. */
function bomb(locals: number, type: number, ...pieces: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  const head = locals === 0 ? [0] : [1, ...leb(locals), type];
  const body = Buffer.concat([...[head, ...pieces].map((piece) => Buffer.from(piece)), Buffer.of(OP.end)]);
  return fromSections(
    [1, [1, 0x60, 0, 0]],
    [3, [2, 0, 0]],
    [4, [1, 0x70, 0, 1]],
    [5, [1, 0, 1]],
    [6, [1, I32, 1, 0x41, 0, OP.end]],
    mainExport,
    // The entry calls the other: that is when V8 compiles it.
    [10, Buffer.concat([Buffer.from([2, 4, 0, 0x10, 1, OP.end, ...leb(body.length)]), body])],
  );
}

const each = (count: number, piece: (index: number) => readonly number[]): Buffer =>
  Buffer.from(Array.from({ length: count }, (_, index) => piece(index)).flat());
const ends = (count: number): Uint8Array => repeat(count, OP.end);

/** One of a class: at 1 a node without bounds needs a gigabyte or many seconds for it, below it is smaller. */
export type Bomb = (scale: number) => Uint8Array<ArrayBuffer>;

/** Of `count(scale)` pieces. */
const sized =
  (count: number, make: (count: number) => Uint8Array<ArrayBuffer>): Bomb =>
  (scale) =>
    make(Math.max(1, Math.round(count * scale)));

/** By the class they stand for. */
export const bombs: Readonly<Record<string, Bomb>> = {
  "nested ifs with 49,000 locals": sized(1500, (n) => bomb(49_000, I32, repeat(n, ...zero, OP.if, EMPTY), ends(n))),
  "ifs in a row with 49,000 locals": sized(1500, (n) => bomb(49_000, I32, repeat(n, ...zero, OP.if, EMPTY, OP.end))),
  "loops in a row with 49,000 locals": sized(2000, (n) =>
    bomb(49_000, I32, repeat(n, OP.loop, EMPTY, ...zero, OP.brIf, 0, OP.end)),
  ),
  "branches out of nested blocks with 49,000 locals": sized(2000, (n) =>
    bomb(49_000, I32, repeat(n, OP.block, EMPTY), branches(n), ends(n)),
  ),
  "a br_table out of nested blocks with 49,000 locals": sized(2000, (n) =>
    bomb(49_000, I32, repeat(n, OP.block, EMPTY), [...zero, OP.brTable, ...leb(n)], each(n, leb), [0], ends(n)),
  ),
  "calls with 49,000 references": sized(200_000, (n) => bomb(49_000, EXTERNREF, repeat(n, 0x10, 0))),
  "nested ifs over 9,000 values on the stack": sized(9000, (n) =>
    bomb(0, I32, repeat(9000, ...zero, 0x28, 2, 0), repeat(n, ...zero, OP.if, EMPTY), ends(n), repeat(9000, drop)),
  ),
  "2,000 phis at each of many blocks": sized(2000, (n) => phis(2000, n)),
  "many phis at each of 100 blocks": sized(20_000, (n) => phis(n, 100)),
  "nested loops": sized(60_000, (n) => bomb(0, I32, repeat(n, OP.loop, EMPTY), zero, [OP.brIf, 0], ends(n))),
  "loops around code": sized(20_000, (n) =>
    bomb(
      0,
      I32,
      repeat(n, OP.loop, EMPTY),
      repeat(10_000, ...zero, ...setGlobal),
      repeat(n, ...zero, OP.brIf, 0, OP.end),
    ),
  ),
  "a chain of i32.div_s": sized(20_000, (n) => bomb(0, I32, zero, repeat(n, ...zero, 0x6d), [drop])),
  "a chain of i64.div_s": sized(20_000, (n) => bomb(0, I32, [0x42, 1], repeat(n, ...zero, 0xac, 0x7f), [drop])),
  "multiplications and divisions": sized(5000, (n) =>
    bomb(0, I32, zero, repeat(n, 0x41, 3, 0x6c, ...zero, 0x6d), [drop]),
  ),
  "6 MB of i32.div_s": sized(1_000_000, (n) => bomb(0, I32, repeat(n, ...zero, ...zero, 0x6d, drop))),
  "5 MB of memory.grow": sized(1_000_000, (n) => bomb(0, I32, repeat(n, ...zero, EMPTY, 0, drop))),
  "6.5 MB of br_table": sized(6_500_000, (n) =>
    bomb(0, I32, repeat(Math.ceil(n / 65_000), OP.block, EMPTY, ...table(Math.min(n, 65_000)), OP.end)),
  ),
  "small br_tables": sized(200_000, (n) =>
    bomb(0, I32, repeat(n, OP.block, EMPTY, ...zero, OP.brTable, 1, 0, 0, OP.end)),
  ),
  "products that are used where control ends": sized(12_000, (n) =>
    bomb(
      1,
      I32,
      [...zero, 0x21, 0],
      repeat(
        n,
        ...[0x20, 0, 0x41, 3, 0x6c, 0x22, 0, drop],
        ...zero,
        OP.if,
        EMPTY,
        0x20,
        0,
        ...setGlobal,
        OP.return,
        OP.end,
      ),
    ),
  ),
  "7 MB of nothing": sized(7_000_000, (n) => bomb(0, I32, repeat(n, 0x01))),
  "3 MB of truncations": sized(1_500_000, (n) => bomb(0, I32, [0x43, 0, 0, 0, 0], repeat(n, 0xa8, 0xb2), [drop])),
  "7 MB of loads": sized(1_000_000, (n) => bomb(0, I32, repeat(n, ...zero, 0x28, 2, 0, drop))),
};

function branches(count: number): Buffer {
  return each(count, (depth) => [...zero, OP.brIf, ...leb(depth)]);
}

function table(entries: number): number[] {
  return [...zero, OP.brTable, ...leb(entries), ...new Array<number>(entries + 1).fill(0)];
}

/** Two states with other values in all locals reach each of many blocks. */
function phis(locals: number, blocks: number): Uint8Array<ArrayBuffer> {
  const setAll = each(locals, (local) => [...zero, 0x21, ...leb(local)]);
  return bomb(
    locals,
    I32,
    repeat(blocks, OP.block, EMPTY),
    [...zero, OP.if, EMPTY],
    setAll,
    [...zero, OP.brTable, ...leb(blocks - 1)],
    each(blocks, (depth) => leb(depth + 1)),
    [OP.end],
    setAll,
    [...zero, OP.brTable, ...leb(blocks - 1)],
    each(blocks, leb),
    ends(blocks),
    each(locals, (local) => [0x20, ...leb(local), ...setGlobal]),
  );
}

/** A valid body of random pieces, each repeated or nested many times. The same seed gives the same. */
export function randomBomb(seed: number): Uint8Array<ArrayBuffer> {
  const random = new Random(seed);
  const locals = random.pick([1, 10, 300, 5000, 49_000]);
  const local = (): number[] => leb(random.below(Math.min(locals, 300)));
  const count = (): number => random.pick([10, 100, 1000, 5000, 20_000]);

  const value = (): number[] => random.pick([zero, [0x20, ...local()], [0x41, 7], [...zero, 0x28, 2, 0]]);
  const steps: (() => Bytes[])[] = [
    () => [repeat(count(), ...value(), OP.if, EMPTY, ...value(), 0x21, ...local(), OP.end)],
    () => [repeat(count(), OP.loop, EMPTY, ...value(), 0x21, ...local(), ...zero, OP.brIf, 0, OP.end)],
    () => [
      value(),
      repeat(count(), ...value(), random.pick([0x6a, 0x6c, 0x6d, 0x6f, 0x6e, 0x74, 0x77])),
      [0x21, ...local()],
    ],
    () => [each(count(), () => [...value(), 0x21, ...local()])],
    () => [
      repeat(
        count(),
        ...zero,
        OP.if,
        EMPTY,
        ...value(),
        ...setGlobal,
        random.pick([OP.return, OP.unreachable]),
        OP.end,
      ),
    ],
    () => [repeat(count(), ...zero, OP.if, EMPTY, 0x10, 0, OP.end)],
    () => [repeat(count(), OP.block, EMPTY, ...zero, OP.brTable, 2, 0, 0, 0, OP.end)],
  ];
  const pieces: Bytes[] = [];
  for (let left = 1 + random.below(4); left > 0; left--) {
    const depth = random.pick([0, 0, 10, 1000, 5000]);
    const opening = random.pick([
      [OP.block, EMPTY],
      [OP.loop, EMPTY],
      [...zero, OP.if, EMPTY],
    ]);
    pieces.push(repeat(depth, ...opening), ...random.pick(steps)());
    if (depth > 0) pieces.push(branches(depth), ends(depth));
  }
  return bomb(locals, I32, ...pieces);
}
