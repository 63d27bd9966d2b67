// Children that need carriers of their own, where carriers are few: what their service may take of them.
import { afterAll, beforeAll, expect, it } from "vitest";
import { guest, service } from "../guests/guests.ts";
import { AdminClient } from "../harness/admin-client.ts";
import { NodeProcess } from "../harness/node-process.ts";

const CARRIERS = 8;
let node: NodeProcess;
let admin: AdminClient;

beforeAll(async () => {
  node = await NodeProcess.start({ config: { limits: { carriers: CARRIERS, share: 0.5 } } });
  admin = new AdminClient(node.url);
});

afterAll(async () => {
  expect(await node.stop()).toEqual({ code: 0, signal: null });
});

const fill = async (): Promise<[made: number, why: string]> => {
  const text = await (await fetch(`${node.url}/crowd?do=fill&n=100`)).text();
  const [made = "", ...why] = text.trim().split(" ");
  return [Number(made), why.join(" ")];
};

it("a service's children take its share and what is free, but not the last carrier, however often it asks", async () => {
  const policy = { light: "never", placement: "dedicated" };
  expect((await admin.put("crowd", guest("children"), { policy })).status).toBe(200);
  const [made, why] = await fill();
  expect(made).toBe(CARRIERS - 2); // one has its request, one is left
  expect(why).toContain("its service has its share of the carriers");
  expect((await fill())[0]).toBe(0);

  expect((await admin.put("neighbour", service("hello"), { policy: { placement: "dedicated" } })).status).toBe(200);
  expect((await fetch(`${node.url}/neighbour`)).status).toBe(200);
});
