// src/carriers/carrier.ts with a real carrier's thread: its control calls.
import "../../../src/engine.ts"; // its V8 flags: a carrier refuses to run without them
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { compile, specOf } from "../../harness/local-carrier.ts";
import { realCarriers } from "../../harness/real-carrier.ts";

const makeCarrier = await realCarriers();
const echo = await compile("echo-raw");
const looping = await compile("start-loop");
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

describe("control calls", () => {
  it("leave nothing behind in a carrier that lives on", async () => {
    const carrier = makeCarrier();
    await carrier.warm();
    const asked: WeakRef<Promise<unknown>>[] = [];
    for (let pid = 1; pid <= 20; pid++) {
      const call = carrier.stop(pid);
      asked.push(new WeakRef(call));
      await call;
    }
    await turn();
    collect();
    expect(asked.filter((call) => call.deref() !== undefined).length).toBeLessThanOrEqual(1);
  });

  it("fail with the thread's end, those under way and later ones, after that was told", async () => {
    const told: string[] = [];
    const carrier = makeCarrier({ onEnd: () => told.push("end") });
    await carrier.warm();
    const fails = (call: Promise<unknown>): Promise<void> =>
      call.then(
        () => void told.push("answer"),
        (thrown: Error) => void told.push(thrown.message),
      );
    const start = fails(carrier.start(specOf(looping, { pid: 7 })));
    const stop = fails(carrier.stop(8));
    await carrier.terminate();
    await Promise.all([start, stop]);
    await fails(carrier.stop(9));
    expect(told).toEqual(["end", ...Array(3).fill("its thread ended with code 1")]);
  });

  it("a carrier is starting as long as any of its actors is", async () => {
    const carrier = makeCarrier();
    await carrier.warm();
    const first = carrier.start(specOf(echo, { pid: 1 }));
    const second = carrier.start(specOf(looping, { pid: 2 })).catch((thrown: Error) => thrown.message);
    expect(await first).toBeNull();
    expect(carrier.isStarting).toBe(true);
    await carrier.terminate();
    await second;
    expect(carrier.isStarting).toBe(false);
  });
});
