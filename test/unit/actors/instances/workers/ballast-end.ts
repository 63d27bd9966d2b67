// A thread that makes instances by the thousand and gives all of them up, and tells what its heap holds then.

import { getHeapSpaceStatistics } from "node:v8";
import { parentPort, workerData } from "node:worker_threads";
import { Ballast } from "../../../../../actors/instances/ballast.ts";
import { InstanceBudget } from "../../../../../actors/instances/budget.ts";
import { InstancePool } from "../../../../../actors/instances/pool.ts";
import { BELL, CONTROL } from "../../../../../wire/layout.ts";
import type { CarrierModule } from "../../../../../wire/specs.ts";

/** The second collection is 5.5 s after the first. */
const SETTLED_MS = 7000;
const { module, count } = workerData as { module: CarrierModule; count: number };
const bell = new Int32Array(BELL.bytes / 4);
bell[BELL.lightInstancesMax] = count;
const ballast = new Ballast();
const pool = new InstancePool(module, {}, ballast, new InstanceBudget(bell, new Int32Array(CONTROL.bytes / 4)));
/** Bytes that the old objects' pages take. The young ones' V8 sizes by how much is made, and has bounds of its own. */
const heap = (): number => getHeapSpaceStatistics().find((space) => space.space_name === "old_space")?.space_size ?? 0;
const before = heap();
let taken = Array.from({ length: count }, () => pool.take());
const full = heap();
for (const instance of taken) pool.give(instance);
taken = [];
pool.trim();
ballast.collect();
setTimeout(() => parentPort?.postMessage({ before, full, after: heap() }), SETTLED_MS);
