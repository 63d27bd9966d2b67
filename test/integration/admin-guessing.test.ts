// The whole node: who guesses admin tokens waits, and shuts nobody else out.
import { afterAll, beforeAll, expect, it } from "vitest";
import { AdminClient } from "../harness/admin-client.ts";
import { NodeProcess } from "../harness/node-process.ts";
import { RawClient } from "../harness/raw-http.ts";

const TOKEN = "correct-horse-battery-staple-0123456789";
const GUESSES = 600;
let node: NodeProcess;

beforeAll(async () => {
  node = await NodeProcess.start({ env: { FRENEZULO_ADMIN_TOKEN: TOKEN } });
});

afterAll(() => node.stop());

it("many wrong tokens of one address get 401, then 429 and a close; the right one there is taken all the time", async () => {
  const right = new AdminClient(node.url, TOKEN);
  let guessed = 0;
  const statuses = new Map<number, number>();
  const guess = async (): Promise<void> => {
    while (guessed < GUESSES) {
      guessed++;
      const client = await RawClient.open(node.address);
      const head = `GET /services HTTP/1.1\r\nhost: ${node.address}\r\nauthorization: Bearer wrong${guessed}\r\n\r\n`;
      client.send(head);
      const answer = await client.answer();
      const status = answer?.status ?? 0;
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 429) await client.closed();
      else client.destroy();
    }
  };
  const guessing = Promise.all(Array.from({ length: 100 }, guess));
  const seen: number[] = [];
  while (guessed < GUESSES) seen.push((await right.ask("GET", "/services")).status);
  await guessing;
  expect(new Set(seen)).toEqual(new Set([200]));
  expect([...statuses.keys()].sort()).toEqual([401, 429]);
  expect(statuses.get(429)).toBeGreaterThan(statuses.get(401) ?? 0);
  expect((await right.ask("GET", "/services")).status).toBe(200);
});

it("a guesser who does not wait for its answer leaves nothing behind", async () => {
  const before = await connections();
  for (let i = 0; i < 50; i++) {
    const client = await RawClient.open(node.address);
    client.send(
      `PUT /services/x HTTP/1.1\r\nhost: ${node.address}\r\ncontent-length: 9\r\nauthorization: Bearer no\r\n\r\nabc`,
    );
    client.destroy();
    await client.closed();
  }
  for (;;) if ((await connections()) <= before) break;
  expect((await new AdminClient(node.url, TOKEN).ask("GET", "/services")).status).toBe(200);
});

async function connections(): Promise<number> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const text = await (await fetch(`${node.url}/services/-/metrics`, { headers })).text();
  return Number(/^frenezulo_connections(?:\{.*\})? (\d+)$/m.exec(text)?.[1]);
}
