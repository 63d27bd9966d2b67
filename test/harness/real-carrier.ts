// Carriers with threads of their own, as the main thread has them; ended after the test file.
import { Worker } from "node:worker_threads";
import { afterAll } from "vitest";
import { Carrier, type CarrierOptions } from "../../src/carriers/carrier.ts";
import { LOCKS_BYTES } from "../../wire/file-locks.ts";
import { BELL } from "../../wire/layout.ts";
import { bundle } from "./bundle.ts";

export type MakeCarrier = (options?: Partial<CarrierOptions>) => Carrier;

/** Call it while tests are collected. @returns makes a carrier, each in the next slot unless told otherwise */
export async function realCarriers(): Promise<MakeCarrier> {
  const program = await bundle("actors/carrier.ts");
  const carriers: Carrier[] = [];
  afterAll(() => Promise.all(carriers.map((carrier) => carrier.terminate())));
  return (options = {}) => {
    const carrier = new Carrier({
      id: carriers.length + 1,
      slot: carriers.length + 1,
      bell: new SharedArrayBuffer(BELL.bytes),
      locks: new SharedArrayBuffer(LOCKS_BYTES),
      filesMax: 16,
      start: (_id, workerData) =>
        new Worker(program, { workerData, transferList: [workerData.tickets, workerData.mesh, workerData.port] }),
      onEnd: () => {},
      ...options,
    });
    carriers.push(carrier);
    return carrier;
  };
}
