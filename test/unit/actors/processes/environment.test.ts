// actors/processes/environment.ts and src/processes/environments.ts: limits that all carriers of an environment share.
import { describe, expect, it } from "vitest";
import { Environment } from "../../../../actors/processes/environment.ts";
import type { Carrier } from "../../../../src/carriers/carrier.ts";
import { Environments } from "../../../../src/processes/environments.ts";
import { environment } from "../../../harness/alone.ts";

describe("an environment", () => {
  it("has room for as many processes as it may have, in whichever carrier", () => {
    const spec = environment(1, { processesMax: 3 });
    const [one, other] = [new Environment(spec, 1), new Environment(spec, 2)];
    expect([one.take(1), other.take(1), one.take(1)]).toEqual([null, null, null]);
    expect(other.take(1)).toBe("the environment is at its limit of 3 processes");
    expect(one.take(1)).toBe("the environment is at its limit of 3 processes");
    one.release(1);
    expect(other.take(1)).toBeNull();
  });

  it("has room for the memory of all its processes, grown memory included", () => {
    const spec = environment(1, { memoryBytesMax: 10 * 65_536 });
    const [one, other] = [new Environment(spec, 1), new Environment(spec, 2)];
    expect([one.take(4), other.take(5)]).toEqual([null, null]);
    expect(one.take(2)).toMatch(/at its limit of 655360 bytes of memory/);
    expect(other.grow(1)).toBe(true);
    expect(other.grow(1)).toBe(false);
    other.release(7);
    expect(one.take(2)).toBeNull();
  });

  it("gets back what a carrier that ended had of it, and only that", () => {
    const spec = environment();
    const environments = new Environments(4);
    const { id: _, counts: __, ...options } = spec;
    const nothing = () => Promise.reject(new Error());
    const world = environments.make(7, { ...options, processesMax: 3 }, { load: nothing, compile: nothing });
    const carriers = [1, 2].map((slot) => ({ slot, closeEnvironment: () => Promise.resolve() }) as unknown as Carrier);
    const [one, other] = [new Environment(world.spec, 1), new Environment(world.spec, 2)];
    for (const carrier of carriers) world.carriers.add(carrier);
    for (const each of [one, one, other]) expect(each.take(2)).toBeNull();
    expect(one.take(1)).not.toBeNull();
    world.names.put("here", 1024 + 1);
    world.names.put("there", 1024 + 2);
    environments.carrierGone(carriers[0] as Carrier);
    expect([world.processes, world.names.get("here"), world.names.get("there")]).toEqual([1, 0, 1026]);
    expect([other.take(1), other.take(1)]).toEqual([null, null]);
    environments.carrierGone(carriers[0] as Carrier);
    expect(world.processes).toBe(3);
    environments.close(7);
    expect([environments.get(7), environments.size]).toEqual([undefined, 0]);
  });
});
