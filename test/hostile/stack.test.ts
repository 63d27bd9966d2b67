// The end of the stack: a guest that calls the host with hardly any stack left is a guest that traps, and nobody else.
//
// TEST_LONG=1: a hundred times as many calls. FRENEZULO_SEED repeats a run.
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resourceLimits } from "../../src/carriers/carriers.ts";
import { compileModule } from "../../src/modules/compile-worker.ts";
import { lighten } from "../../src/modules/lighten.ts";
import { abiTable } from "../../wire/abi/table.ts";
import type { CarrierModule } from "../../wire/specs.ts";
import { guestPath } from "../guests/guests.ts";
import { bundle } from "../harness/bundle.ts";
import { HttpClient } from "../harness/http-client.ts";
import { wasm } from "../harness/modules-fixtures.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { Random } from "../harness/random.ts";
import type { StackFuzz, StackFuzzed } from "../harness/stack-fuzz.ts";

const fuzzer = await bundle("test/harness/stack-fuzz.ts");
const CALLS = process.env.TEST_LONG === "1" ? 100_000 : 1_000;
const SETS = 64;
/** A set of arguments: pointers, lengths and so on for i32, then milliseconds, ids and so on for i64. */
const SET_BYTES = 192;
const SETS_AT = 1024;

const ROUNDS = 4;
const VICTIMS = 16;
const WATCHDOG_MS = process.env.TEST_LONG === "1" ? 7_200_000 : 600_000;

let node: NodeProcess;
/** A client has one connection: the thief's, then the victims'. */
let clients: HttpClient[];

beforeAll(async () => {
  const shared = { placement: "shared", limits: { deadline: "10m", queue_timeout: "10m" } };
  const services = {
    // Light: its requests wait in a carrier that others use meanwhile.
    victim: { source: guestPath("slow"), ...shared, light: "always", env: { SECRET: "the victim's" } },
    // Plain: it waits on its own stack, on which others have their turns.
    thief: { source: guestPath("thief"), ...shared, light: "never", env: { MINE: "1" }, state: "fresh" },
  };
  // One carrier serves both.
  node = await NodeProcess.start({
    config: { services, limits: { carriers: 1, spare: 1, share: 1 }, log: { level: "debug" } },
  });
  clients = Array.from({ length: 1 + VICTIMS }, () => new HttpClient(node.address));
  await node.logged(/^the rewrite for light processes has ended/);
  expect((await clients[0]!.request("/victim?do=sleep&ms=1")).status).toBe(200);
});

afterAll(async () => {
  for (const client of clients) client.close();
  expect(await node.metric("identity_mismatches_total")).toBe(0);
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

describe("a plain guest that waits with hardly any stack left", () => {
  it("stays who it is while processes of another service wait in its carrier", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const victims = clients.slice(1).map((client) => client.request("/victim?do=sleep&ms=1&naps=400"));
      const thief = await clients[0]!.request("/thief?frames=64");
      expect([thief.status, thief.body.toString()]).toEqual([200, expect.stringMatching(/^same MINE=1 slept \d+\n$/)]);
      for (const victim of await Promise.all(victims)) {
        expect([victim.status, victim.body.toString()]).toEqual([200, "done\n"]);
      }
    }
  });
});

/** Every host function with its newest types. The guests' tables have them in this order. */
const functions = Object.entries(abiTable).flatMap(([module, names]) =>
  Object.entries(names).map(([name, [type = ">"]]) => ({ module, name, type: type as string })),
);

const TYPES: Readonly<Record<string, string>> = { i: "i32", I: "i64", f: "f32", F: "f64" };

/** A guest that calls the function of a number at a depth, with one of its sets of arguments. */
function caller(seed: number): Uint8Array {
  const random = new Random(seed);
  const types = (letters: string): string => [...letters].map((letter) => TYPES[letter]).join(" ");
  const imports = functions.map(({ module, name, type }, i) => {
    const [params = "", results = ""] = type.split(">");
    return `(import "${module}" "${name}" (func $f${i} (param ${types(params)}) (result ${types(results)})))`;
  });
  const thunks = functions.map(({ type }, i) => {
    const [params = "", results = ""] = type.split(">");
    const given = [...params].map(
      (letter, at) =>
        `(${TYPES[letter]}.load offset=${8 * at + (letter === "I" ? SET_BYTES / 2 : 0)} (global.get $set))`,
    );
    return `(func $t${i} (call $f${i} ${given.join(" ")}) ${"drop ".repeat(results.length)})`;
  });
  const pointers = [0n, 0n, 1n, 2n, 3n, 8n, 64n, 256n, 4096n, 131_071n];
  const numbers = [0n, 1n, 2n, 3n];
  const data = Buffer.alloc(SETS * SET_BYTES);
  for (let at = 0; at < data.length; at += 8) {
    const values = at % SET_BYTES < SET_BYTES / 2 ? pointers : numbers;
    data.writeBigUInt64LE(values[random.below(values.length)]!, at);
  }
  const escaped = [...data].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
  const catcher = functions.findIndex(({ module, name }) => module === "lunatic::trap" && name === "catch");
  const table = [...functions.map((_, i) => `$t${i}`), "$nothing"].join(" ");
  return wasm(`(module
    ${imports.join("\n")}
    (memory (export "memory") 2 4)
    (data (i32.const ${SETS_AT}) "${escaped}")
    (global $set (mut i32) (i32.const ${SETS_AT}))
    (table ${functions.length + 1} funcref)
    (elem (i32.const 0) ${table})
    (type $thunk (func))
    (func $nothing)
    ${thunks.join("\n")}
    (func $down (param $depth i32) (param $index i32)
      (if (local.get $depth)
        (then (call $down (i32.sub (local.get $depth) (i32.const 1)) (local.get $index)))
        (else (call_indirect (type $thunk) (local.get $index)))))
    (func $choose (param $set i32)
      (global.set $set (i32.add (i32.const ${SETS_AT}) (i32.mul (local.get $set) (i32.const ${SET_BYTES})))))
    (func (export "_lunatic_catch_trap") (param i32 i32) (result i32)
      (call $down (local.get 0) (local.get 1))
      (i32.const 1))
    (func (export "call") (param $depth i32) (param $index i32) (param $set i32) (result i32)
      (call $choose (local.get $set))
      (call $down (local.get $depth) (local.get $index))
      (i32.const 1))
    (func (export "caught") (param $depth i32) (param $index i32) (param $set i32) (result i32)
      (call $choose (local.get $set))
      (call $f${catcher} (local.get $depth) (local.get $index)))
    (func (export "frenezulo_main")))`);
}

/** A guest that, whenever something comes, counts it and looks some frames deeper whether it is still who it was. */
const neighbour = wasm(`(module
  (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
  (import "lunatic::process" "process_id" (func $me (result i64)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (memory (export "memory") 2 2)
  (data (i32.const 4096) "what nobody else may read or change")
  (func $down (param $depth i32) (result i32)
    (if (result i32) (local.get $depth)
      (then (i32.add (call $down (i32.sub (local.get $depth) (i32.const 1))) (i32.const 0)))
      (else (call $sizes (i32.const 64) (i32.const 68)))))
  (func (export "main") (local $me i64)
    (local.set $me (call $me))
    (loop $next
      (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1)))
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
      (drop (call $down (i32.const 64)))
      (if (i32.ne (i32.load (i32.const 68)) (i32.const 9)) (then (i32.store (i32.const 8) (i32.const 1))))
      (if (i64.ne (call $me) (local.get $me)) (then (i32.store (i32.const 8) (i32.const 1))))
      (br $next)))
  (func (export "frenezulo_main")))`);

async function compiled(bytes: Uint8Array, light: boolean): Promise<CarrierModule> {
  const own = new Uint8Array(light ? await lighten(bytes) : bytes);
  const limits = { memoryBytes: 1 << 20, tableElements: 1000, light, needsEntry: false };
  const outcome = await compileModule({ bytes: own, limits });
  if (!outcome.ok) throw new Error(`${outcome.code}: ${JSON.stringify(outcome.details)}`);
  return outcome;
}

describe("a host function called at any depth", () => {
  it("ends its guest before it does anything, or does all of it; nobody else notices", {
    timeout: WATCHDOG_MS,
  }, async () => {
    const seed = Number(process.env.FRENEZULO_SEED ?? Date.now() % 2 ** 31);
    console.log(`stack: seed ${seed}`);
    const bytes = caller(seed);
    const workerData: StackFuzz = {
      seed,
      calls: CALLS,
      plain: await compiled(bytes, false),
      light: await compiled(bytes, true),
      neighbour: await compiled(neighbour, true),
      names: functions.map(({ module, name }) => `${module}.${name}`),
      waiting: functions.flatMap(({ name }, i) => (name === "sleep_ms" || name === "receive" ? [i] : [])),
      sets: SETS,
    };
    const done = await new Promise<StackFuzzed>((resolve, reject) => {
      const thread = new Worker(fuzzer, { workerData, resourceLimits });
      thread.once("message", resolve);
      thread.once("error", reject);
      thread.once("exit", (code) => reject(new Error(`the thread ended with code ${code}`)));
    });
    expect(done.wrong).toEqual([]);
    // It was tried on both sides of the edge, with the neighbour at work.
    expect(done.calls).toBe(CALLS);
    expect(done.returned).toBeGreaterThan(CALLS / 20);
    expect(done.trapped).toBeGreaterThan(CALLS / 5);
    expect(done.turns).toBeGreaterThan(CALLS / 2);
    expect(done.inside, JSON.stringify(done)).toBeGreaterThan(CALLS / 100);
  });
});
