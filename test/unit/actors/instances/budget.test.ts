// actors/instances/budget.ts: instances of light processes are bounded over all carriers, pools and spares included.
import { expect, it } from "vitest";
import { Ballast } from "../../../../actors/instances/ballast.ts";
import { InstanceBudget } from "../../../../actors/instances/budget.ts";
import { InstancePool } from "../../../../actors/instances/pool.ts";
import { BELL, CONTROL } from "../../../../wire/layout.ts";
import { compile } from "../../../harness/local-carrier.ts";
import { wasm } from "../../../harness/modules-fixtures.ts";

it("is shared by all carriers, and says what the limit is", async () => {
  const bell = new Int32Array(new SharedArrayBuffer(BELL.bytes));
  bell[BELL.lightInstancesMax] = 3;
  const controls = [0, 1].map(() => new Int32Array(new SharedArrayBuffer(CONTROL.bytes)));
  const module = await compile(wasm('(module (memory (export "memory") 1) (func (export "frenezulo_main")))'));
  const pools = controls.map((words) => new InstancePool(module, {}, new Ballast(), new InstanceBudget(bell, words)));
  const [one, other] = pools as [InstancePool, InstancePool];
  const taken = [one.take(), one.take(), other.take()];
  for (const pool of pools) expect(() => pool.take()).toThrow("the node is at its limit of 3 instances of processes");
  expect(controls.map((words) => words[CONTROL.lightInstances])).toEqual([2, 1]);

  // What is given back while they are scarce is not kept: another carrier may have it.
  one.give(taken[0] as (typeof taken)[0]);
  expect(bell[BELL.lightInstances]).toBe(2);
  other.take();
  expect(() => one.take()).toThrow("at its limit");

  one.give(taken[1] as (typeof taken)[0]);
  bell[BELL.lightInstancesMax] = 10;
  one.take();
  one.trim();
  expect(bell[BELL.lightInstances]).toBe(3);
});
