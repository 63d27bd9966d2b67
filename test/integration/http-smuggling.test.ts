// The whole node over both acceptors: whatever an ambiguous request is followed by, no service ever sees that.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";
import { framingProbes } from "../harness/framing-probes.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { RawClient } from "../harness/raw-http.ts";
import { acceptors } from "../harness/tiny-front.ts";

/** Every so many-th probe: test/hostile/framing-table.test.ts runs all of them against the acceptors alone. */
const EVERY = process.env.TEST_LONG === "1" ? 1 : 3;
const probes = framingProbes.filter((_, index) => index % EVERY === 0);
const SMUGGLED = "GET /ledger?id=smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

describe.each(acceptors.map(([name]) => name))("over %s", (http) => {
  let node: NodeProcess;

  beforeAll(async () => {
    const services = { x: { source: guestPath("echo-raw") }, ledger: { source: guestPath("ledger") } };
    node = await NodeProcess.start({ http, config: { services } });
  });

  afterAll(async () => {
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  it(`a request smuggled behind ${probes.length} framing probes reaches no service`, async () => {
    const control = new HttpClient(node.address);
    const accepted: string[] = [];
    for (const { name, bytes, expected } of probes) {
      const raw = await RawClient.open(node.address);
      raw.send(bytes + SMUGGLED);
      // Two answers on another connection: by then the first has been read, whatever became of it.
      for (const id of ["a", "b"]) expect((await control.request(`/ledger?id=${id}`)).body.toString()).toBe(id);
      if (expected[http] === 200 && (await raw.answer())?.status === 200) accepted.push(name);
      raw.destroy();
    }
    control.close();
    // What is smuggled and served would stand in the ledger, in the counts, and in the connection's second answer.
    await node.metricSettles("in_flight", (value) => value === 0);
    expect(node.guestLines("ledger").filter((line) => line.includes("smuggled"))).toEqual([]);
    expect(node.guestLines("ledger")).toHaveLength(2 * probes.length);
    const counts = await node.metrics();
    expect(counts.get('frenezulo_requests_total{service="ledger",code="200"}')).toBe(2 * probes.length);
    expect(counts.get('frenezulo_requests_total{service="x",code="200"}') ?? 0).toBeGreaterThanOrEqual(accepted.length);
  });
});
