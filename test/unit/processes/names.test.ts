// src/processes/names.ts: names of processes in one environment, and whose turn it is to put one.
import { describe, expect, it } from "vitest";
import { Names } from "../../../src/processes/names.ts";

/** What a promise has given so far. */
async function soFar<T>(promise: Promise<T> | T): Promise<T | "nothing yet"> {
  const later = new Promise<"nothing yet">((resolve) => setImmediate(resolve, "nothing yet"));
  return Promise.race([promise, later]);
}

describe("names", () => {
  it("give the process that was named last, and 0 for nobody", () => {
    const names = new Names();
    expect(names.get("a")).toBe(0);
    names.put("a", 1024);
    names.put("a", 2048);
    names.put("b", 1024);
    expect([names.get("a"), names.get("b")]).toEqual([2048, 1024]);
    names.remove("a");
    expect(names.get("a")).toBe(0);
  });

  it("are gone with their process, and with its carrier", () => {
    const names = new Names();
    names.put("a", 1024 + 1);
    names.put("b", 2048 + 1);
    names.put("c", 1024 + 2);
    names.ended(1024 + 1);
    expect([names.get("a"), names.get("b"), names.get("c")]).toEqual([0, 2049, 1026]);
    names.slotGone(1);
    expect([names.get("b"), names.get("c")]).toEqual([0, 1026]);
  });

  it("are refused beyond 100,000, and one that is known can still be given to another", () => {
    const names = new Names();
    for (let i = 0; i < 100_000; i++) names.put(`name ${i}`, 1024);
    expect(() => names.put("one more", 1024)).toThrow("more than 100000 names");
    names.put("name 7", 2048);
    expect(names.get("name 7")).toBe(2048);
  });
});

describe("what one process can make the main thread keep and look through", () => {
  it("is free again where its claimers end in one turn of the loop, by themselves or with their carrier", async () => {
    const names = new Names();
    names.claim("a", 1025);
    names.ended(1025);
    expect(names.get("a")).toBe(0);
    for (const end of [() => names.ended(2049), () => names.slotGone(1)]) {
      names.claim("b", 1025);
      const waits = names.claim("b", 2049);
      names.ended(1025);
      expect(await waits).toBe(0);
      end();
      expect(names.claim("b", 3074)).toBe(0);
      names.ended(3074);
    }
  });

  it("is bounded where it claims names and puts none", async () => {
    const names = new Names();
    for (let i = 0; i < 100_000; i++) await names.claim(`name ${i}`, 1024);
    expect(() => names.claim("one more", 1024)).toThrow("more than 100000 names");
    names.ended(1024);
    expect(await names.claim("one more", 2048)).toBe(0);
  });

  it("is nothing of those who have ended, whoever had the name before or waits for it", async () => {
    const names = new Names();
    names.put("a", 1025);
    names.put("a", 2049);
    names.ended(1025);
    expect(names.get("a")).toBe(2049);
    await names.claim("b", 1025);
    const [waits, other] = [names.get("b", 3073), names.get("b", 4097)];
    names.ended(3073);
    names.put("b", 5121);
    expect([await soFar(waits), await other]).toEqual(["nothing yet", 5121]);
  });

  it("is not looked through whenever a process ends", () => {
    const names = new Names();
    /** Microseconds of the processor that 100,000 ends take. */
    const endsTake = (): number => {
      const began = process.cpuUsage();
      for (let i = 0; i < 100_000; i++) names.ended(2049 + 1024 * i);
      const { user, system } = process.cpuUsage(began);
      return user + system;
    };
    names.put("name 7", 1025);
    endsTake(); // compiles it
    const few = endsTake();
    for (let i = 0; i < 50_000; i++) names.put(`name ${i}`, 1025);
    // With a look at all of them each end would take thousands of times as long.
    expect(endsTake()).toBeLessThan(100 * (few + 10_000));
    expect(names.get("name 7")).toBe(1025);
  });
});

describe("a claimed name", () => {
  it("is its claimer's to put: all others wait for it and get that", async () => {
    const names = new Names();
    expect(await names.claim("a", 1)).toBe(0);
    const others = [names.claim("a", 2), names.get("a"), names.claim("a", 3)];
    for (const other of others) expect(await soFar(other)).toBe("nothing yet");
    names.put("a", 77);
    expect(await Promise.all(others)).toEqual([77, 77, 77]);
    expect(await names.claim("a", 4)).toBe(77);
  });

  it("goes to the next who wants to claim it when its claimer ends or gives up", async () => {
    for (const giveUp of [(names: Names) => names.ended(1), (names: Names) => names.remove("a")]) {
      const names = new Names();
      await names.claim("a", 1);
      const [second, reader, third] = [names.claim("a", 2), names.get("a"), names.claim("a", 3)];
      giveUp(names);
      expect(await second).toBe(0);
      expect(await reader).toBe(0);
      expect(await soFar(third)).toBe("nothing yet");
      names.put("a", 5);
      expect(await third).toBe(5);
    }
  });

  it("never goes to one that has ended while it waited", async () => {
    for (const end of [(names: Names) => names.ended(2048), (names: Names) => names.slotGone(0)]) {
      const names = new Names();
      await names.claim("a", 1025);
      const dead = names.claim("a", 2048);
      const living = names.claim("a", 3075);
      end(names);
      names.ended(1025);
      expect(await soFar(living)).toBe(0);
      expect(await soFar(dead)).toBe("nothing yet");
      expect(await soFar(names.get("a"))).toBe("nothing yet");
      names.ended(3075);
      expect(await soFar(names.claim("a", 1027))).toBe(0);
    }
  });

  it("is not waited for by its claimer, who may put it still", async () => {
    const names = new Names();
    await names.claim("a", 1025);
    const other = names.get("a", 2049);
    expect([names.get("a", 1025), names.claim("a", 1025)]).toEqual([0, 0]);
    expect(await soFar(other)).toBe("nothing yet");
    names.put("a", 1025);
    expect(await other).toBe(1025);
  });

  it("can be given up, by its claimer and by who waits to be the next", async () => {
    const names = new Names();
    await names.claim("a", 1025);
    const waits = names.claim("a", 2049);
    const last = names.claim("a", 3073);
    names.unclaim("a", 2049);
    names.unclaim("a", 4097); // not its to give up
    names.unclaim("a", 1025);
    expect([await soFar(waits), await last]).toEqual(["nothing yet", 0]);
    names.unclaim("a", 3073);
    expect(names.get("a")).toBe(0);
  });
});

describe("the memory of the environment", () => {
  it("has all names and claims, as long as they are there, and no more than it may", async () => {
    let held = 0;
    let hasRoom = true;
    const hold = (change: number): void => {
      held += change;
    };
    const memory = { hold, hasRoomFor: () => hasRoom, limitText: "no room" };
    const names = new Names(memory);
    await names.claim("claimed", 1025);
    names.put("put", 1025);
    const two = held;
    expect(two).toBeGreaterThan(0);
    names.put("put", 2049);
    names.put("claimed", 1025);
    expect(held).toBe(two);
    hasRoom = false;
    expect(() => names.put("other", 1025)).toThrow("no room");
    expect(() => names.claim("other", 1025)).toThrow("no room");
    names.remove("put");
    names.ended(1025);
    names.remove("claimed");
    expect(held).toBe(0);
  });
});
