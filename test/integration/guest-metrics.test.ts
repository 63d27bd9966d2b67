// What a guest counts by lunatic::metrics shows in the metrics of the built program.
import { afterAll, beforeAll, expect, it } from "vitest";
import { guestPath } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { HttpClient } from "../harness/http-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

let node: NodeProcess;
let client: HttpClient;

beforeAll(async () => {
  const source = guestPath("metrics");
  node = await NodeProcess.start({ config: { services: { one: { source }, many: { source } } } });
  client = new HttpClient(node.address);
});

afterAll(async () => {
  client?.close();
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

/** Lines of guests' metrics that hold all of these texts, without the prefix that all have. */
async function lines(...texts: string[]): Promise<string[]> {
  const text = (await client.request("/services/-/metrics")).body.toString();
  return text
    .split("\n")
    .filter((line) => line.startsWith("frenezulo_guest_") && texts.every((each) => line.includes(each)))
    .map((line) => line.replace("frenezulo_guest_", ""));
}

it("by service and name, summed over requests and actors", async () => {
  for (let i = 0; i < 20; i++) expect((await client.request("/one?n=7")).body.toString()).toBe("counted");
  await expect
    .poll(() => lines('service="one"', "counter"))
    .toEqual([
      'counter_total{service="one",name="served \\"so\\""} 20',
      'counter_total{service="one",name="bytes"} 140',
    ]);
  expect(await lines('service="one"', "gauge{")).toEqual([
    'gauge{service="one",name="open"} 6.5',
    'gauge{service="one",name="moved"} 60',
  ]);
  const histogram = await lines('service="one"', "histogram");
  expect(histogram).toHaveLength(23);
  expect(histogram).toEqual(
    expect.arrayContaining([
      'histogram_bucket{service="one",name="size",le="0.0025"} 0',
      'histogram_bucket{service="one",name="size",le="0.005"} 20',
      'histogram_bucket{service="one",name="size",le="10"} 40',
      'histogram_bucket{service="one",name="size",le="+Inf"} 40',
      'histogram_count{service="one",name="size"} 40',
    ]),
  );
});

it("by 100 names and no more, and a million events in one request hold up nobody", async () => {
  for (let i = 0; i < 3; i++) expect((await client.request("/many?do=names&n=150")).status).toBe(200);
  await expect.poll(() => lines('service="many"', "counter")).toHaveLength(100);
  const [refused] = await lines("metrics_refused_total");
  expect(Number(refused?.split(" ")[1])).toBeGreaterThanOrEqual(150);
  expect((await client.request("/one?do=loop&n=1000000")).status).toBe(200);
  await expect.poll(() => lines('name="loops"')).toEqual(['counter_total{service="one",name="loops"} 1000000']);
  expect((await client.request("/one?do=bad")).status).toBe(502);
});

it("no longer, when the service is gone", async () => {
  const admin = new AdminClient(`http://${node.address}`);
  expect((await admin.ask("POST", "/services/add", { prefix: "added", source: "file:///none" })).status).toBe(403);
  expect(await lines('service="added"')).toEqual([]);
});
