// Says by how much this thread's monotonicMs differs from the machine's clock.
import { parentPort } from "node:worker_threads";
import { monotonicMs } from "../../../../wire/clock.ts";

// A thread that is put aside between its two looks sees more than there is: the least of many counts.
let leastMs = Number.POSITIVE_INFINITY;
for (let i = 0; i < 200; i++) {
  const machineMs = (Number(process.hrtime.bigint()) / 1e6) & 0x7fff_ffff;
  leastMs = Math.min(leastMs, Math.abs(monotonicMs() - machineMs));
}
parentPort?.postMessage(leastMs);
