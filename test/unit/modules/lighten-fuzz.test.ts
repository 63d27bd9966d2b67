// src/modules/lighten.ts over random programs: suspended at any point, a light module does what the plain one does.
import fc from "fast-check";
import { expect, it } from "vitest";
import { lighten } from "../../../src/modules/lighten.ts";
import { LIGHT_EXPORTS } from "../../../wire/abi/light.ts";
import { LightHost, type Ways } from "../../harness/light-host.ts";
import { wasm } from "../../harness/modules-fixtures.ts";

const FUNCTIONS = 4;
/** Programs that wait more often are left out: they say nothing new. */
const POINTS_MAX = 400;

const runs = process.env.TEST_LONG === "1" ? 1000 : 40;

/** What an expression or statement needs to know of its place. */
interface Place {
  /** The function's number: it calls those with a larger one. */
  readonly own: number;
  /** Loops around it. */
  readonly loops: number;
}

type Text = (place: Place) => string;

const { number, statements } = fc.letrec<{ number: Text; long: Text; statement: Text; statements: Text }>((tie) => {
  const two = fc.tuple(tie("number"), tie("number"));
  const constant = fc.integer({ min: -9, max: 99 }).map(
    (value): Text =>
      () =>
        `(i32.const ${value})`,
  );
  const local = fc.constantFrom("$p", "$a", "$b").map(
    (name): Text =>
      () =>
        `(local.get ${name})`,
  );
  const operation = fc.tuple(fc.constantFrom("add", "sub", "xor", "mul", "rotl", "lt_s", "shr_u"), two).map(
    ([name, [x, y]]): Text =>
      (at) =>
        `(i32.${name} ${x(at)} ${y(at)})`,
  );
  const call = fc.tuple(fc.nat(8), tie("number"), tie("long"), fc.boolean()).map(
    ([which, x, y, indirect]): Text =>
      (at) => {
        const others = FUNCTIONS - 1 - at.own;
        if (others === 0) return `(call $ask ${x(at)})`;
        const target = at.own + 1 + (which % others);
        if (!indirect) return `(call $f${target} ${x(at)} ${y(at)})`;
        return `(call_indirect (param i32 i64) (result i32) ${x(at)} ${y(at)} (i32.const ${target}))`;
      },
  );
  return {
    number: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      constant,
      local,
      operation,
      call,
      tie("number").map(
        (x): Text =>
          (at) =>
            `(call $ask ${x(at)})`,
      ),
      tie("number").map(
        (x): Text =>
          (at) =>
            `(i32.load (i32.and ${x(at)} (i32.const 0xffc)))`,
      ),
      tie("number").map(
        (x): Text =>
          (at) =>
            `(local.tee $a ${x(at)})`,
      ),
      tie("long").map(
        (x): Text =>
          (at) =>
            `(i32.wrap_i64 ${x(at)})`,
      ),
      two.map(
        ([x, y]): Text =>
          (at) =>
            `(call $catch ${x(at)} ${y(at)})`,
      ),
      fc.tuple(tie("number"), two).map(
        ([x, [y, z]]): Text =>
          (at) =>
            `(if (result i32) ${x(at)} (then ${y(at)}) (else ${z(at)}))`,
      ),
      fc.tuple(tie("number"), two).map(
        ([x, [y, z]]): Text =>
          (at) =>
            `(select ${x(at)} ${y(at)} ${z(at)})`,
      ),
      fc.tuple(tie("statement"), tie("number"), tie("number")).map(
        ([s, x, y]): Text =>
          (at) =>
            `(block (result i32) ${s(at)} (drop (br_if 0 ${x(at)} ${y(at)})) ${x(at)})`,
      ),
    ) as fc.Arbitrary<Text>,
    long: fc.oneof(
      { depthSize: "small" },
      fc.bigInt({ min: -5n, max: 1n << 40n }).map(
        (value): Text =>
          () =>
            `(i64.const ${value})`,
      ),
      fc.constantFrom("$q", "$c").map(
        (name): Text =>
          () =>
            `(local.get ${name})`,
      ),
      tie("number").map(
        (x): Text =>
          (at) =>
            `(i64.extend_i32_s ${x(at)})`,
      ),
      fc.tuple(tie("long"), tie("long")).map(
        ([x, y]): Text =>
          (at) =>
            `(i64.add ${x(at)} ${y(at)})`,
      ),
    ) as fc.Arbitrary<Text>,
    statement: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.tuple(fc.constantFrom("local.set $a", "local.set $b", "global.set $g"), tie("number")).map(
        ([target, x]): Text =>
          (at) =>
            `(${target} ${x(at)})`,
      ),
      tie("long").map(
        (x): Text =>
          (at) =>
            `(local.set $c ${x(at)})`,
      ),
      tie("number").map(
        (x): Text =>
          (at) =>
            `(local.set $d (f64.add (local.get $d) (f64.convert_i32_s ${x(at)})))`,
      ),
      tie("number").map(
        (x): Text =>
          (at) =>
            `(i32.store (i32.and ${x(at)} (i32.const 0xffc)) ${x(at)})`,
      ),
      tie("number").map(
        (x): Text =>
          (at) =>
            `(i32.store (i32.const 64) (i32.trunc_sat_f64_s (local.get $d))) (drop ${x(at)})`,
      ),
      fc.tuple(fc.integer({ min: 1, max: 3 }), tie("statements")).map(
        ([times, body]): Text =>
          (at) => {
            if (at.loops === 2) return body(at);
            const count = `$k${at.loops}`;
            return `(local.set ${count} (i32.const ${times})) (loop ${body({ ...at, loops: at.loops + 1 })}
          (br_if 0 (local.tee ${count} (i32.sub (local.get ${count}) (i32.const 1)))))`;
          },
      ),
      fc.tuple(tie("number"), tie("statements"), tie("statements")).map(
        ([x, then, other]): Text =>
          (at) =>
            `(if ${x(at)} (then ${then(at)}) (else ${other(at)}))`,
      ),
      fc.tuple(tie("statements"), tie("number"), tie("statements")).map(
        ([first, x, rest]): Text =>
          (at) =>
            `(block ${first(at)} (br_if 0 ${x(at)}) ${rest(at)})`,
      ),
      fc.tuple(tie("number"), tie("statements")).map(
        ([x, body]): Text =>
          (at) =>
            `(block (block (block (br_table 0 1 2 ${x(at)})) ${body(at)}) (global.set $g (i32.const 5)))`,
      ),
      tie("number").map(
        (x): Text =>
          (at) =>
            `(if (i32.eq ${x(at)} (i32.const 7)) (then (return (local.get $b))))`,
      ),
    ) as fc.Arbitrary<Text>,
    statements: fc.array(tie("statement"), { minLength: 1, maxLength: 4, depthIdentifier: "statements" }).map(
      (all): Text =>
        (at) =>
          all.map((each) => each(at)).join("\n"),
    ),
  };
});

/** A module whose functions call only later ones, so that it ends. */
const program = fc
  .tuple(fc.array(fc.tuple(statements, number), { minLength: FUNCTIONS, maxLength: FUNCTIONS }), fc.boolean())
  .map(([bodies, starts]) => {
    const functions = bodies.map(([body, result], own) => {
      const at = { own, loops: 0 };
      return `(func $f${own} (export "f${own}") (param $p i32) (param $q i64) (result i32)
        (local $a i32) (local $b i32) (local $c i64) (local $d f64) (local $k0 i32) (local $k1 i32)
        ${body(at)} ${result(at)})`;
    });
    return `(module
      (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
      (import "lunatic::trap" "catch" (func $catch (param i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 8) "some data where the stack is put for a moment")
      (global $g (export "g") (mut i32) (i32.const 3))
      (table ${FUNCTIONS} funcref) (elem (i32.const 0) func ${bodies.map((_, own) => `$f${own}`).join(" ")})
      (func $ask (param i32) (result i32)
        (call $receive (local.get 0) (global.get $g) (i64.extend_i32_u (i32.load (i32.const 0)))))
      (func (export "called_back") (param i32 i32) (result i32)
        (i32.add (local.get 1) (call $ask (i32.xor (local.get 0) (global.get $g)))))
      ${starts ? "(func $start (drop (call $f1 (i32.const 1) (i64.const 2)))) (start $start)" : ""}
      ${functions.join("\n")})`;
  });

/** All that can be seen of a run. */
function run(bytes: Uint8Array, ways: Ways) {
  const host = new LightHost(bytes, ways);
  const results = [host.call("f0", 5, 6n), host.call("f1", -1, 1n << 33n)];
  const seen = {
    results,
    trace: host.trace,
    memory: host.memoryHash,
    global: (host.exports.g as WebAssembly.Global).value as unknown,
    changedMemories: host.changedMemories,
  };
  return { seen, points: host.points };
}

it("does the same, wherever and however often it is suspended", async () => {
  let suspensions = 0;
  await fc.assert(
    fc.asyncProperty(program, fc.infiniteStream(fc.boolean()), async (text, choices) => {
      // While a start section runs there are no exports to call back to: the plain one's is called as the light one's.
      const plain = wasm(text.replace("(start $start)", `(export "${LIGHT_EXPORTS.start}" (func $start))`));
      const started = run(plain, {}).seen;
      fc.pre(started.trace.length < POINTS_MAX);
      const light = await lighten(wasm(text));
      const straight = run(light, { slice: 0 });
      expect(straight.seen).toEqual(started);
      const { points } = straight;
      suspensions += points;
      const ways: Ways[] = [
        { suspend: () => true },
        { suspend: () => true, slice: 0 },
        { suspend: () => choices.next().value as boolean, slice: 40 },
      ];
      // Each point by itself; of many, some.
      const step = Math.ceil(points / 30);
      for (let point = 0; point < points; point += step) ways.push({ suspend: (each) => each === point, slice: 0 });
      for (const way of ways) expect(run(light, way).seen).toEqual(started);
    }),
    { numRuns: runs },
  );
  expect(suspensions).toBeGreaterThan(runs);
}, 1_800_000);
