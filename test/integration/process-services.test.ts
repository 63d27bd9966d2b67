// Services whose requests begin processes, over HTTP: examples in AssemblyScript and a service with the lunatic crate.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { servicePath, whySkipped } from "../guests/guests.ts";
import { frenezulo } from "../harness/frenezulo-run.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

const rust = join(import.meta.dirname, "../guests/build/rust-fan-out.wasm");
const missing = whySkipped("rust-fan-out");
let node: NodeProcess;

beforeAll(async () => {
  // Children wait until the module has been rewritten: the first request takes that long.
  const services = {
    fan: { source: servicePath("fan-out") },
    supervisor: { source: servicePath("supervisor") },
    ...(missing === undefined ? { rust: { source: rust } } : {}),
  };
  node = await NodeProcess.start({ config: { services } });
});

afterAll(async () => {
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

const ask = async (path: string, body = ""): Promise<[number, string]> => {
  const reply = await new HttpClient(node.address).request(path, { method: "POST", body });
  return [reply.status, reply.body.toString()];
};

/** Many clients at a time, each several requests after the other. */
async function everyAnswer(path: string, body: string, wanted: string): Promise<void> {
  const lane = async (): Promise<void> => {
    const client = new HttpClient(node.address);
    for (let i = 0; i < 5; i++) {
      const reply = await client.request(path, { method: "POST", body });
      expect([reply.status, reply.body.toString()]).toEqual([200, wanted]);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}

describe("fan-out", () => {
  it("shares a request out to 100 processes and adds up", async () => {
    expect(await ask("/fan")).toEqual([200, "100 processes sum 338350\n"]);
    expect(await ask("/fan", "7")).toEqual([200, "7 processes sum 140\n"]);
    expect(await ask("/fan", "0")).toEqual([200, "0 processes sum 0\n"]);
  });

  it("does so for many clients at a time", () => everyAnswer("/fan", "20", "20 processes sum 2870\n"));
});

describe.skipIf(missing !== undefined)("a service with the lunatic crate", () => {
  it("shares a request out to 100 processes and adds up", async () => {
    expect(await ask("/rust")).toEqual([200, "100 children sum 4950\n"]);
  });

  it("goes on without a child that panicked", async () => {
    expect(await ask("/rust/panic", "10")).toEqual([200, "10 children sum 45\n"]);
  });

  it("does so for many clients at a time", () => everyAnswer("/rust", "20", "20 children sum 190\n"));
});

describe("a supervisor written by a guest", () => {
  const done = [1, 2, 3, 4].map((worker) => `worker ${worker} has done its work\n`).join("");

  it("joins its workers", async () => {
    expect(await ask("/supervisor")).toEqual([200, done]);
  });

  it("starts a worker again that crashes", async () => {
    expect(await ask("/supervisor?crash=2")).toEqual([200, done]);
  });

  it("gives up on one that crashes every time", async () => {
    expect(await ask("/supervisor?crash=3&always")).toEqual([500, "worker 3 crashed 3 times\n"]);
    expect(await ask("/supervisor")).toEqual([200, done]);
  });
});

it("a program in AssemblyScript runs by itself", async () => {
  expect(await frenezulo(["run", servicePath("ring")])).toEqual({
    code: 0,
    signal: null,
    stdout: "1000 steps\n",
    stderr: "",
  });
});
